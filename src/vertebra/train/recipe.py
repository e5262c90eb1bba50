"""The recipe: everything that decides how a network is trained, as one frozen value that is saved with the run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from vertebra.errors import RecipeError
from vertebra.train.fields import check, from_mapping

Rate = Annotated[float, Meta(gt=0, le=100)]
Fraction = Annotated[float, Meta(ge=0, lt=1)]
Decay = Annotated[float, Meta(ge=0, le=10)]


class Sgd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sgd", tag_field="kind"):
    """Stochastic gradient descent with Nesterov's momentum (Sutskever et al. 2013).

    ``learning_rate``: the peak of the cycle.  ``weight_decay``: added to the gradient; not of norm gains and biases.
    """

    learning_rate: Rate = 0.2
    momentum: Fraction = 0.9
    weight_decay: Decay = 5e-4

    def __post_init__(self) -> None:
        check(self, "recipe.optimiser")


class AdamW(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="adamw", tag_field="kind"):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).

    ``momentum`` is the paper's beta 1, ``variance`` its beta 2.
    """

    learning_rate: Rate = 2e-3
    momentum: Fraction = 0.9
    variance: Fraction = 0.99
    weight_decay: Decay = 0.05

    def __post_init__(self) -> None:
        check(self, "recipe.optimiser")


OPTIMISERS: dict[str, type[Sgd] | type[AdamW]] = {"sgd": Sgd, "adamw": AdamW}


class Augmentation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Random changes of the training pictures, drawn anew for every picture in every epoch.

    ``crop``: largest translation along each axis, in px of the network's side; ``border`` says what comes in there
    and in a rotated corner.  ``flip``: left and right exchanged with probability 1/2.  ``rotation``: largest angle to
    either side, degrees.  ``scale``: the largest relative change of size, to either side.
    """

    crop: Annotated[int, Meta(ge=0, le=512)] = 0
    border: Literal["reflect", "zero"] = "reflect"
    flip: bool = False
    rotation: Annotated[float, Meta(ge=0, le=180)] = 0.0
    scale: Fraction = 0.0

    def __post_init__(self) -> None:
        check(self, "recipe.augmentation")

    @property
    def affine(self) -> bool:
        """Whether pictures are resampled, not only moved by whole pixels."""
        return self.rotation > 0 or self.scale > 0


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a network is trained.  Raises :class:`RecipeError` naming the field and what is allowed.

    ``batch``: pictures a step (an epoch is cut into batches of nearly equal size, at most this).  ``warmup``: the
    fraction of a cycle's steps in which the learning rate rises.  ``label_smoothing``: Szegedy et al. 2016, section
    7. ``mixup``: alpha of Zhang et al. 2018 (0: off).  ``ema``: decay of the running average of the weights, which is
    what is then evaluated and kept (0: off).  ``backbone_rate``: the learning rate of all but the classifier, as a
    fraction of the peak (Howard and Ruder 2018, section 3.2).  ``precision`` and ``layout``: ``"auto"`` is chosen by
    a short measurement for each network on its device.
    """

    batch: Annotated[int, Meta(ge=2, le=65536)] = 128
    optimiser: Sgd | AdamW = Sgd()
    warmup: Fraction = 0.15
    label_smoothing: Fraction = 0.05
    augmentation: Augmentation = Augmentation()
    mixup: Annotated[float, Meta(ge=0, le=10)] = 0.0
    ema: Fraction = 0.0
    backbone_rate: Annotated[float, Meta(gt=0, le=1)] = 1.0
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    layout: Literal["auto", "channels_last", "contiguous"] = "auto"

    def __post_init__(self) -> None:
        check(self, "recipe")

    def to_json(self) -> bytes:
        """The recipe as indented JSON (UTF-8), every field written."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "recipe") -> Recipe:
        """Reads :meth:`to_json`'s text, or a part of it (the rest takes its default); raises RecipeError."""
        try:
            data = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise RecipeError(f"not JSON: {error}", where=where) from None
        return cls.from_data(data)

    @classmethod
    def from_data(cls, data: Any) -> Recipe:
        """A recipe from plain data (decoded JSON or YAML); raises RecipeError."""
        if not isinstance(data, dict):
            raise RecipeError(f"expected an object, got {type(data).__name__}", where="recipe")
        fields = dict(data)
        if "optimiser" in fields:
            fields["optimiser"] = _optimiser(fields["optimiser"])
        if "augmentation" in fields:
            fields["augmentation"] = from_mapping(Augmentation, fields["augmentation"], "recipe.augmentation")
        return from_mapping(cls, fields, "recipe")


def _optimiser(data: Any) -> Sgd | AdamW:
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in OPTIMISERS:
        raise RecipeError(f"unknown kind {kind!r:.60}", where="recipe.optimiser.kind", allowed=", ".join(OPTIMISERS))
    rest = {name: value for name, value in data.items() if name != "kind"}
    return from_mapping(OPTIMISERS[kind], rest, "recipe.optimiser")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a default recipe depends on: the training pictures' number, side in px (the network's, and the files' median
    shorter one), classes, whether all are grey, whether a mirrored picture is still of its class, and whether the
    network starts from pretrained weights."""

    images: int
    size: int
    classes: int
    source_size: int
    grey: bool = False
    mirrors: bool = True
    pretrained: bool = False


def recipe_for(facts: Facts, *, seed: int = 0) -> Recipe:
    """The default recipe for data with these facts.

    Small grey pictures are taken for glyphs: they turn and change size a little, and are never mirrored.
    Pretrained weights are changed more gently than new ones, the new classifier less so.
    """
    glyphs = facts.grey and facts.source_size <= 64
    # An eighth of the side: 4 px of CIFAR's 32 (He et al. 2016, section 4.2).
    crop = max(1, facts.size // 8)
    if glyphs:
        augmentation = Augmentation(crop=max(1, facts.size // 16), border="zero", rotation=10.0, scale=0.1)
    else:
        augmentation = Augmentation(crop=crop, flip=facts.mirrors)
    # Enough steps in an epoch for the running statistics to settle.
    batch = next((size for size in (128, 64, 32) if facts.images >= 32 * size), 16)
    # The peak goes with the batch (Goyal et al. 2017, section 2.1).
    peak, share = (0.4, 0.1) if facts.pretrained else (0.2, 1.0)
    return Recipe(
        batch=batch,
        optimiser=Sgd(learning_rate=peak * batch / 128),
        augmentation=augmentation,
        backbone_rate=share,
        seed=seed,
    )

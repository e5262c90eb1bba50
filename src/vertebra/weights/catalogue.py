"""The catalogue: every published weight that is known, as data.  No torch and no network.

``catalogue.json`` is made by ``tools/make_catalogue.py`` from torchvision and timm themselves, and ``imagenet1k.json``,
the names of ImageNet's classes, from torchvision.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

import msgspec

from vertebra.arch.codec import nearest
from vertebra.arch.record import brief
from vertebra.errors import WeightsError
from vertebra.zoo.registry import entry, families

if TYPE_CHECKING:
    from vertebra.data.preprocess import Preprocess

Source = Literal["torchvision", "timm"]

TORCHVISION = "https://download.pytorch.org/models"
"""Where torchvision's files lie; the environment's ``VERTEBRA_TORCHVISION`` names a mirror."""
HUB_FILE = "model.safetensors"
IMAGENET = 1000
DEFAULT = "DEFAULT"
"""A tag that stands for the one that the source itself takes by default."""

RESTRICTED = re.compile(r"cc-by-nc|noncommercial|dinov3", re.IGNORECASE)
"""Licences that do not leave the use free: ``best`` takes such weights only where there are no others."""

_HASH = re.compile(r"-([0-9a-f]{8,64})\.")


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done to a picture: fields as of :class:`vertebra.data.preprocess.Preprocess`, without its NumPy."""

    size: int
    resize: int
    fit: Literal["crop", "squash"] = "crop"
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def preprocess(self) -> Preprocess:
        """As the description that the rest of the package uses."""
        from vertebra.data.preprocess import Preprocess

        return Preprocess(
            size=self.size,
            resize=self.resize,
            fit=self.fit,
            interpolation=self.interpolation,
            mean=self.mean,
            std=self.std,
        )

    def __str__(self) -> str:
        way = "squash" if self.fit == "squash" else f"resize {self.resize}"
        return f"{self.size} px, {way}, {self.interpolation}, {statistics(self)}"


def statistics(how: Input | Preprocess) -> str:
    """Mean and deviation as a line names them, one number where all channels have the same."""
    parts = (("mean", how.mean), ("deviation", how.std))
    said = [(what, values[:1] if len(set(values)) == 1 else values) for what, values in parts]
    return ", ".join(f"{what} {' '.join(f'{value:.3g}' for value in values)}" for what, values in said)


class Weight(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published weight.

    ``model`` and ``tag`` are its source's own names.  ``top1`` in percent was measured at ``resolution`` px with
    ``input``; ``larger`` is what the source recommends for tests at a larger size.  ``bytes`` are those of the tensors,
    a little less than the file's.  ``classes`` is 0 where the weight has no classifier.
    """

    source: Source
    model: str
    tag: str
    file: str = HUB_FILE
    repository: str | None = None
    """On the hub; None for a file of torchvision's."""
    bytes: int
    licence: str | None
    classes: int
    input: Input
    larger: Input | None = None
    top1: float | None = None
    resolution: int | None = None
    top1_source: str | None = None
    default: bool = False

    @property
    def name(self) -> str:
        """As ``vertebra.load`` takes it: ``torchvision:IMAGENET1K_V2``."""
        return f"{self.source}:{self.tag}"

    @property
    def sha256(self) -> str:
        """The beginning of the file's SHA-256, where its name holds it; the hub gives the whole when asked."""
        found = _HASH.search(self.file)
        return found[1] if found else ""

    @property
    def free(self) -> bool:
        """Whether its licence is known and leaves the use free, as far as the licence's name says."""
        return self.licence is not None and not RESTRICTED.search(self.licence)

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of its classes, where they are known: ImageNet's thousand."""
        return imagenet() if self.classes == IMAGENET else None


class _File(msgspec.Struct, frozen=True):
    made_from: dict[str, str]
    weights: tuple[Weight, ...]


class _Labels(msgspec.Struct, frozen=True):
    source: str
    classes: tuple[str, ...]


@cache
def everything() -> tuple[Weight, ...]:
    """Every weight of the data file, of networks that the registry has not too."""
    return msgspec.json.decode(_data("catalogue.json"), type=_File).weights


@cache
def imagenet() -> tuple[str, ...]:
    """The names of ImageNet's thousand classes, in the order of the outputs."""
    return msgspec.json.decode(_data("imagenet1k.json"), type=_Labels).classes


@cache
def known() -> dict[str, tuple[Weight, ...]]:
    """The weights of each architecture of the registry that has any, torchvision's first."""
    held: dict[tuple[str, str], list[Weight]] = {}
    for weight in everything():
        held.setdefault((weight.source, weight.model), []).append(weight)
    found = {}
    for family in families():
        for one in family.entries:
            of = [weight for source, peer in one.peers.items() for weight in held.get((source, peer.name), ())]
            if of:
                found[one.name] = tuple(of)
    return found


def weights_of(name: str) -> tuple[Weight, ...]:
    """Every weight of an architecture, by its name or an alias; raises UnknownNameError for another name."""
    return known().get(entry(name)[1].name, ())


def find(name: str, weight: str) -> Weight:
    """The weight of an architecture that is called ``torchvision:TAG`` or ``timm:TAG``.

    ``DEFAULT`` as a tag is the source's own choice.  Raises UnknownNameError for the architecture, WeightsError with
    the nearest names for the weight.
    """
    of = weights_of(name)
    source, _, tag = weight.partition(":")
    for one in of:
        if one.name == weight or (tag == DEFAULT and one.source == source and one.default):
            return one
    raise WeightsError(
        f"no weight {brief(weight)} is known for {name}",
        allowed=f"{', '.join(nearest(weight, [one.name for one in of], cutoff=0))}, ..." if of else "none is known",
        remedy=f"see `vertebra weights {name}`" if of else "see `vertebra weights`",
    )


def best(name: str) -> Weight:
    """The weight of the highest published top-1 among those with a classifier and a free licence.

    Where no licence is free, among all; where no accuracy is known, the source's own choice.  Raises UnknownNameError
    for the architecture, WeightsError where it has no weights.
    """
    of = weights_of(name)
    if not of:
        raise WeightsError(f"no weights are known for {name}", remedy="see `vertebra weights`")
    rated = [one for one in of if one.top1 is not None]
    if not rated:
        return max(of, key=lambda one: (one.classes > 0, one.free, one.default))
    return max([one for one in rated if one.free] or rated, key=lambda one: one.top1 or 0)


def usual(name: str, source: str) -> tuple[Input, bool] | None:
    """What the weights that ``source`` has of an architecture want of a picture, for a file that does not say it.

    That of the source's own choice, and whether mean and deviation are the same for all of them: a fact of the source
    then, else an assumption.  None where it has published none, or for a name that is not registered.
    """
    of = [one for one in known().get(name, ()) if one.source == source and one.classes]
    if not of:
        return None
    chosen = max(of, key=lambda one: one.default).input
    return chosen, all((one.input.mean, one.input.std) == (chosen.mean, chosen.std) for one in of)


def _data(name: str) -> bytes:
    return files("vertebra.weights").joinpath(name).read_bytes()

"""How well a checkpoint fits one set of names: what pairs, what is missing, too many or of a wrong shape."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec
from torch import Tensor, int64, zeros

from vertebra.arch.architecture import Architecture
from vertebra.errors import some
from vertebra.weights.checkpoint import AVERAGED, PREFIXES, Checkpoint
from vertebra.weights.naming import Naming, as_saved, classifier_of, respelt, weights_of
from vertebra.weights.report import Left, Pair, Report

COUNTER = "num_batches_tracked"
FAIR = 0.25
"""Part of a checkpoint's tensors; a network whose counters were left out has four fifths of its twin's."""
AUXILIARY = ("aux", "aux1", "aux2", "AuxLogits", "aux_head", "aux_logits", "aux_classifier")
"""First segments of heads that help while training and that the network proper has not."""


class Reading(msgspec.Struct, frozen=True):
    """One way to look at a checkpoint: its tensors, or those below one prefix, and what is then left."""

    tensors: Mapping[str, Tensor]
    prefix: str = ""
    left: tuple[Left, ...] = ()


def readings(given: Checkpoint) -> Iterator[Reading]:
    """The whole checkpoint, then each part of it below a wrapper's prefix, or below whatever most of it lies.

    Where most of it lies below one, another that holds a fair part may be the same network once more.
    """
    whole = respelt(given)
    yield Reading(whole)
    counts = Counter(name.partition(".")[0] for name in whole)
    fair = len(whole) * (FAIR if any(2 * number >= len(whole) for number in counts.values()) else 1)
    for first, number in counts.items():
        if first in PREFIXES or number >= fair:
            inside = {name.removeprefix(f"{first}."): t for name, t in whole.items() if name.startswith(f"{first}.")}
            left = [Left(name, f"outside {first}") for name in whole if not name.startswith(f"{first}.")]
            yield Reading(inside, f"{first}.", tuple(left))


class Fit(msgspec.Struct, frozen=True):
    """A checkpoint under one set of names."""

    naming: Naming
    reading: Reading
    variant: Architecture
    pairs: tuple[Pair, ...]
    tensors: dict[str, Tensor]
    left: tuple[Left, ...]
    made: tuple[str, ...]
    absent: tuple[str, ...]
    faults: str
    """What is wrong, as an error says it; empty where all is well."""
    known: float
    """The part of the names that the checkpoint has."""

    def report(self, given: Checkpoint) -> Report:
        """What was found, for reading."""
        return Report(
            name=self.variant.name,
            naming=self.naming.source,
            pairs=self.pairs,
            left=(*given.left, *self.reading.left, *self.left),
            made=self.made,
            absent=self.absent,
            unwrapped=(*given.unwrapped, *([self.reading.prefix] if self.reading.prefix else [])),
        )


def fit(naming: Naming, reading: Reading) -> Fit:
    """What of ``reading`` stands under the names of ``naming``, and what is wrong with it."""
    tensors = reading.tensors
    variant = as_saved(naming, tensors)
    pairs: list[Pair] = []
    found: dict[str, Tensor] = {}
    missing: list[str] = []
    made: list[str] = []
    wrong: list[str] = []
    strange: list[str] = []
    for ours, weight in weights_of(variant).items():
        theirs = naming.names[ours]
        if theirs not in tensors:
            (made if weight.role == "counter" else missing).append(ours)
            continue
        tensor = tensors[theirs]
        shaped = reshaped(tensor, weight.shape)
        if shaped is None:
            wrong.append(f"{_both(ours, theirs)} is {tuple(tensor.shape)} for {weight.shape}")
            continue
        if not (weight.role == "counter" or tensor.is_floating_point()):
            strange.append(f"{_both(ours, theirs)} is {tensor.dtype}")
            continue
        found[ours] = shaped
        same = tuple(tensor.shape) == weight.shape
        pairs.append(Pair(ours, theirs, "name", tuple(tensor.shape), None if same else weight.shape))
    classifier = set(classifier_of(variant))
    absent = tuple(ours for ours in missing if ours in classifier) if classifier <= set(missing) else ()
    missing = [ours for ours in missing if ours not in absent]
    left, extra = _beyond(naming, tensors)
    found.update({ours: zeros((), dtype=int64) for ours in made})
    whole = len(naming.names) - len(made)
    faults = [
        f"{len(names)} of the {len(total)} tensors {what}: {some(names)}"
        for names, total, what in (
            ([_both(ours, naming.names[ours]) for ours in missing], naming.names, "of the network are missing"),
            (extra, tensors, "in it are not the network's"),
        )
        if names
    ]
    kinds = (("wrong shapes", wrong), ("no floating-point numbers", strange))
    faults += [f"{what}: {some(names)}" for what, names in kinds if names]
    return Fit(
        naming=naming,
        reading=reading,
        variant=variant,
        pairs=tuple(pairs),
        tensors=found,
        left=tuple(left),
        made=tuple(made),
        absent=absent,
        faults=", and ".join(faults),
        known=len(pairs) / whole if whole else 0.0,
    )


def reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor | None:
    """The tensor in another shape of the same values in the same order; None where it is not the same thing.

    Extents of 1 may come and go (Linear and 1x1 convolution, (C,) and (C, 1, 1)), and a Linear over a flattened map is
    a convolution as large as the map.
    """
    given = tuple(tensor.shape)
    if given == shape:
        return tensor
    same = [extent for extent in given if extent != 1] == [extent for extent in shape if extent != 1]
    flattened = {len(given), len(shape)} == {2, 4} and given[0] == shape[0]
    return tensor.reshape(shape) if same or (flattened and math.prod(given) == math.prod(shape)) else None


def _beyond(naming: Naming, tensors: Mapping[str, Tensor]) -> tuple[list[Left], list[str]]:
    """Tensors that the names don't speak of: those that may be left, with the reason, and those that may not."""
    known = set(naming.names.values())
    left, extra = [], []
    for name in tensors:
        if name in known:
            continue
        if name in naming.beyond:
            left.append(Left(name, "head, which the architecture was asked for without"))
        elif name.partition(".")[0] in AUXILIARY:
            left.append(Left(name, "auxiliary head"))
        elif name.endswith(COUNTER) or name == AVERAGED:
            left.append(Left(name, "counter"))
        else:
            extra.append(name)
    return left, extra


def _both(ours: str, theirs: str) -> str:
    return ours if ours == theirs else f"{theirs} (our {ours})"

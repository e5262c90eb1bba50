"""What is published of the networks that variants were scaled from, and between which of them a variant stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.costs.count import cost
from vertebra.scale.bases import Base
from vertebra.scale.variants import Variants
from vertebra.zoo.entry import Family
from vertebra.zoo.registry import architecture


class Reference(msgspec.Struct, frozen=True):
    """A published network: its top-1 in percent, and its costs at the resolution at which that was measured.

    ``task``: the classes of the data set that it was measured on; accuracies on several cannot be compared.  Counts are
    those of the network with the variants' classes and channels.
    """

    name: str
    family: str
    top1: float
    source: str
    resolution: int
    task: int | None
    params: int
    macs: int
    activations: int


def references(found: Iterable[Family], *, classes: int | None = None, channels: int = 3) -> tuple[Reference, ...]:
    """Every member of these families whose accuracy is published, in ascending order of it."""
    known = []
    for family in found:
        for entry in family.entries:
            accuracy = entry.accuracy
            if accuracy is None:
                continue
            arch = Base.of(family, entry, classes=classes, channels=channels).arch
            counts = cost(arch, resolution=accuracy.resolution)
            known.append(
                Reference(
                    name=entry.name,
                    family=family.name,
                    top1=accuracy.top1,
                    source=accuracy.source,
                    resolution=accuracy.resolution,
                    task=architecture(entry.name).classes,
                    params=counts.params,
                    macs=counts.macs,
                    activations=counts.activations,
                )
            )
    return tuple(sorted(known, key=lambda one: one.top1))


class Bracket(msgspec.Struct, frozen=True, eq=False):
    """For each variant the places of two members of its family among ``references``, -1 where there is none.

    ``above``: the best that it holds: no less of parameters, MACs and activations than it.  ``below``: the least good
    that holds it.
    """

    references: tuple[Reference, ...]
    above: NDArray[np.int64]
    below: NDArray[np.int64]

    def above_of(self, index: int) -> Reference | None:
        """The best published member that a variant holds."""
        return self._at(self.above[index])

    def below_of(self, index: int) -> Reference | None:
        """The least good published member that holds a variant."""
        return self._at(self.below[index])

    @property
    def top1(self) -> NDArray[np.float64]:
        """The published top-1 of what each variant holds, not a number where it holds none."""
        known = np.array([*(one.top1 for one in self.references), np.nan])
        return known[self.above]

    def _at(self, place: np.int64) -> Reference | None:
        return None if place < 0 else self.references[int(place)]


def bracketed(variants: Variants, known: Sequence[Reference]) -> Bracket:
    """Between which published members of its family each variant stands, by all three counts.

    Counts are all that is compared: of two networks of one family the one that holds the other in every count is
    usually the more accurate, if both are trained alike.  That is a hint, not a promise.  Where strides were taken away
    for small pictures, counts say nothing of accuracies on large ones: such a variant has neither.
    """
    above, below = (np.full(len(variants), -1, np.int64) for _ in range(2))
    family, places = variants.family, {name: place for place, name in enumerate(variants.families)}
    columns = np.stack([variants.params, variants.macs, variants.activations])
    as_published = np.array([one.reduction is None for one in variants.networks], bool)[variants.network]
    holds = [(as_published & (family == places.get(one.family, -1)), _counts(one)) for one in known]
    for place, (own, counts) in enumerate(holds):  # the better ones last
        above[own & (columns >= counts).all(axis=0)] = place
    for place, (own, counts) in reversed(tuple(enumerate(holds))):
        below[own & (columns <= counts).all(axis=0) & (place > above)] = place
    return Bracket(tuple(known), above, below)


def _counts(one: Reference) -> NDArray[np.int64]:
    return np.array([[one.params], [one.macs], [one.activations]])

"""What variants are scaled from: the registered networks, made for the classes and the pictures at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import nearest
from vertebra.costs.count import cost
from vertebra.errors import ShapeError, UnknownNameError
from vertebra.scale.counting import last_rows
from vertebra.zoo.entry import Entry, Family
from vertebra.zoo.registry import architecture, families

LAST_MAP = 4
"""Rows that the last map keeps: pictures of 32 px would leave one value of a network that divides by 32."""


class Base(msgspec.Struct, frozen=True):
    """A registered network with the classes and channels asked for; strides and widths are as published."""

    family: str
    name: str
    arch: Architecture
    measured_at: int | None = None
    """Side in px at which its published accuracy was measured."""

    @property
    def home(self) -> int:
        """Side in px that it is meant for."""
        return self.arch.resolution

    @property
    def own(self) -> tuple[int, ...]:
        """The resolutions at which something is known of it."""
        return (self.home,) if self.measured_at is None else (self.home, self.measured_at)

    @classmethod
    def of(cls, family: Family, entry: Entry, *, classes: int | None = None, channels: int = 3) -> Base:
        """Of a registered network; its own classes by default."""
        arch = architecture(entry.name).with_channels(channels)
        arch = arch if classes is None else arch.with_classes(classes)
        measured_at = None if entry.accuracy is None else entry.accuracy.resolution
        return cls(family.name, entry.name, arch, measured_at)


def every_member(found: Iterable[Family], *, classes: int | None = None, channels: int = 3) -> tuple[Base, ...]:
    """Every member of these families."""
    return tuple(Base.of(family, one, classes=classes, channels=channels) for family in found for one in family.entries)


def smallest_members(found: Iterable[Family], *, classes: int | None = None, channels: int = 3) -> tuple[Base, ...]:
    """The member of each family with the fewest MACs at its own resolution."""
    return tuple(
        Base.of(
            family,
            min(family.entries, key=lambda one: cost(architecture(one.name)).macs),
            classes=classes,
            channels=channels,
        )
        for family in found
    )


def families_named(names: Sequence[str] | None) -> tuple[Family, ...]:
    """The families of these names, each once; all of them for None.  Raises UnknownNameError with the nearest names."""
    known = {family.name: family for family in families()}
    if names is None:
        return tuple(known.values())
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"unknown family {name!r}",
                where="--families",
                allowed=f"{', '.join(nearest(name, known, cutoff=0))}, ...",
                remedy="`vertebra list` shows them",
            )
    return tuple(known[name] for name in dict.fromkeys(names))


def stride_for(arch: Architecture, resolution: int, *, rows: int = LAST_MAP) -> int | None:
    """The largest total stride, a power of two, that leaves ``rows`` rows of the last map of so many px; None where the
    network's own does.

    Raises TransformError where strides cannot be taken away, ShapeError where even without them fewer rows are left.
    """
    if last_rows(arch, resolution) >= rows:
        return None
    factor = arch.reduction
    while factor > 1:
        factor = 1 << (factor - 1).bit_length() - 1
        if last_rows(arch.with_reduction(factor), resolution) >= rows:
            return factor
    raise ShapeError(f"{arch.name} leaves fewer than {rows} rows of {resolution} px", remedy="enlarge them")

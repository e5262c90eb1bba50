"""The space of scaled networks: widths, depths and resolutions around every base, laid out and costed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from vertebra.arch.architecture import Architecture
from vertebra.errors import ArchitectureError, ShapeError, TransformError
from vertebra.scale.bases import LAST_MAP, Base, stride_for
from vertebra.scale.counting import Counter, Whole
from vertebra.scale.grid import DEPTHS, LOPSIDED, WIDTHS, around, divided, lopsidedness, sides_between, some, spaced
from vertebra.scale.variants import Scaled, Variants


class Source(msgspec.Struct, frozen=True):
    """A base and the multipliers that make a network of it."""

    base: Base
    width: float
    depth: float

    def is_published(self, side: int) -> bool:
        """Whether the base stands at this resolution as it is registered."""
        return (self.width, self.depth, self.base.home) == (1, 1, side)


Sides = Callable[[Source], Iterable[int]]
"""The resolutions in px at which a scaled base is tried."""


class Form(msgspec.Struct, frozen=True):
    """A network of one width and depth, whatever its resolution, and all that it can be scaled from."""

    arch: Architecture
    sources: tuple[Source, ...]


def space(found: Sequence[Base], *, variants: int, sides: tuple[int, int] | None = None) -> Variants:
    """About so many variants of these bases: widths, depths and resolutions on a grid around each.

    ``sides``: the least and the largest resolution in px; without it each network's own, from half of it to one and a
    half times, with the strides that it has.  Every base stands in it as it was published, where its resolution is
    allowed.  No variant is more LOPSIDED than that; resolutions that were asked for do not count in this.  Equal
    networks are one.
    """
    possible = sides_between(*sides) if sides else around(max(base.home for base in found))
    widths, depths = divided(max(1, variants // len(found)), len(possible))
    scales = [(width, depth) for width in spaced(*WIDTHS, widths) for depth in spaced(*DEPTHS, depths)]
    forms = formed(found, [scale for scale in scales if lopsidedness(*scale) <= LOPSIDED])
    count = math.ceil(variants / len(forms))
    laid_out = sum(len(_by_side(form, _Around(sides, count))) for form in forms)
    around_each = _Around(sides, math.ceil(count * variants / max(1, laid_out)))
    return costed(forms, around_each, rows=1 if sides is None else LAST_MAP)


class _Around(msgspec.Struct, frozen=True):
    """So many resolutions around a base, or within ``limits``; its own ones if they are allowed."""

    limits: tuple[int, int] | None
    number: int

    def __call__(self, source: Source) -> Iterator[int]:
        base, limits = source.base, self.limits
        if limits is not None:
            yield from some(sides_between(*limits), self.number)
            yield from (side for side in base.own if limits[0] <= side <= limits[1])
            return
        for side in (*some(around(base.home), self.number), *base.own):
            if lopsidedness(source.width, source.depth, side / base.home) <= LOPSIDED:
                yield side


def formed(found: Sequence[Base], scales: Iterable[tuple[float, float]]) -> tuple[Form, ...]:
    """Every base times every (width, depth), equal networks once; unscaled ones come first.

    What cannot be scaled so (a group that no longer divides its channels) is left out.
    """
    forms: dict[tuple[Any, ...], Form] = {}
    for width, depth in sorted(set(scales), key=lambda pair: (pair != (1, 1), pair)):
        for base in found:
            try:
                arch = base.arch.scaled(width=width, depth=depth)
            except (ArchitectureError, TransformError):
                continue
            key = (arch.stem, arch.stages, arch.head, arch.channels)
            own = Source(base, width, depth)
            old = forms.get(key)
            forms[key] = Form(arch, (own,)) if old is None else Form(old.arch, (*old.sources, own))
    return tuple(forms.values())


def costed(forms: Sequence[Form], sides: Sides, *, rows: int = LAST_MAP) -> Variants:
    """Every form at the resolutions of its bases, with its exact costs.

    Where pictures are so small that fewer than ``rows`` rows of the last map would be left, the earliest strides are
    taken away; where that does not help, there is no variant.
    """
    wanted = [_by_side(one, sides) for one in forms]
    every = sorted({side for one in wanted for side in one})
    places = {side: place for place, side in enumerate(every)}
    counter, strides = Counter(every), _Strides(rows)
    networks: list[Scaled] = []
    parts: list[Whole] = []
    for form, by_side in zip(forms, wanted, strict=True):
        for network, own in strides.networks(form, by_side):
            counts = counter.counts(network.arch)
            at = np.array([places[side] for side in own])
            at = at[counts.rows[at] > 0]
            if len(at):
                index = np.full(len(at), len(networks))
                parts.append(np.stack([index, np.take(every, at), *(column[at] for column in counts[:3])]))
                networks.append(network)
    table = np.concatenate(parts, axis=1) if parts else np.empty((5, 0), np.int64)
    return Variants(tuple(networks), table[0].astype(np.int32), table[1].astype(np.int32), table[2], table[3], table[4])


def _by_side(form: Form, sides: Sides) -> dict[int, Source]:
    """What a form is scaled from at each resolution: where a base is registered at it, that base."""
    found: dict[int, Source] = {}
    for source in form.sources:
        for side in sides(source):
            if side not in found or source.is_published(side):
                found[side] = source
    return dict(sorted(found.items()))


class _Strides:
    """The networks that a form becomes at small resolutions; what a base becomes is worked out once."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._strides: dict[tuple[str, int], tuple[int | None, ...]] = {}
        self._reduced: dict[tuple[str, int], Architecture] = {}

    def networks(self, form: Form, by_side: dict[int, Source]) -> Iterator[tuple[Scaled, list[int]]]:
        """Each network with the resolutions that are meant for it."""
        groups: dict[tuple[Source, int | None], list[int]] = {}
        for side, source in by_side.items():
            for stride in self._stride(source.base, side):
                groups.setdefault((source, stride), []).append(side)
        for (source, stride), own in groups.items():
            arch = form.arch
            if stride is not None:
                arch = self._less(source.base, stride).scaled(width=source.width, depth=source.depth)
            yield Scaled(source.base, source.width, source.depth, stride, arch), own

    def _stride(self, base: Base, side: int) -> tuple[int | None, ...]:
        """The stride that it keeps there, None for its own; empty where it sees nothing in pictures this small."""
        key = (base.name, side)
        if key not in self._strides:
            try:
                self._strides[key] = (stride_for(base.arch, side, rows=self._rows),)
            except (ShapeError, TransformError):
                self._strides[key] = ()
        return self._strides[key]

    def _less(self, base: Base, stride: int) -> Architecture:
        key = (base.name, stride)
        if key not in self._reduced:
            self._reduced[key] = base.arch.with_reduction(stride)
        return self._reduced[key]

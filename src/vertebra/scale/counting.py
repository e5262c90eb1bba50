"""The counts of one network at many resolutions at once.

A subtree's counts are a few numbers for one position of each of its grids (costs/profile.py), and only the extents of
these grids follow the resolution.  Networks of one make share how they follow, whatever their widths and depths.  So
the positions are worked out once, and the counts at all resolutions are one product of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.arch.shapes import UNKNOWN, Shape, Step, after
from vertebra.costs.count import cost
from vertebra.costs.profile import Grid, Profile, profile, stage_profile
from vertebra.errors import ShapeError

Whole = NDArray[np.int64]


class Counts(NamedTuple):
    """Of one network, a value for each resolution; ``rows`` are those of its last map, 0 where it does not fit."""

    params: Whole
    macs: Whole
    activations: Whole
    rows: Whole


class _Extents(NamedTuple):
    """A map at each resolution, and whether everything up to it fits."""

    rows: Whole
    columns: Whole
    fits: NDArray[np.bool_]


class _Passage(NamedTuple):
    """What becomes of a map in a part: the positions of each of the part's grids, and the map that leaves it."""

    positions: Whole
    leaves: int


class _Key(NamedTuple):
    """All that the passage of a map through a part depends on."""

    place: int
    grids: tuple[Grid, ...]
    alike: frozenset[tuple[int, int]]
    last: int
    known: Shape | None
    """Extents that leave it, where they do not depend on those that enter."""


class Counter:
    """Counts networks at these ``resolutions`` (px), the same as ``costs.cost`` does one by one.

    It remembers how maps shrink, so that many networks of one family are counted with one of it.
    """

    def __init__(self, resolutions: Sequence[int]) -> None:
        self.resolutions = tuple(resolutions)
        side = np.array(self.resolutions, np.int64)
        self._maps = [_Extents(side, side, side > 0)]
        self._passages: dict[_Key, _Passage] = {}

    def counts(self, arch: Architecture) -> Counts:
        """The counts of a network at each resolution; never raises for one that does not fit."""
        if arch.output_stride is not None:
            return self._one_by_one(arch)
        try:
            return self._together(arch)
        except ShapeError:  # an extent that no profile knows: each resolution by itself
            return self._one_by_one(arch)

    def _together(self, arch: Architecture) -> Counts:
        sums = np.zeros((2, len(self.resolutions)), np.int64)
        params, place, rows = 0, 0, self._maps[0].rows
        shape: Shape = (arch.channels, UNKNOWN, UNKNOWN)
        for part in _parts(arch):
            rows = self._maps[place].rows
            one = part(shape)
            passage = self._passage(one, place)
            sums += np.array((one.macs, one.activations), np.int64) @ passage.positions
            params += one.params
            place = passage.leaves
            shape = (one.leaves[0], UNKNOWN, UNKNOWN) if len(one.leaves) == 3 else one.leaves
        fits = self._maps[place].fits
        return Counts(np.full(len(fits), params, np.int64), sums[0], sums[1], np.where(fits, rows, 0))

    def _passage(self, one: Profile, place: int) -> _Passage:
        known = None if UNKNOWN in one.leaves else one.leaves[1:]
        key = _Key(place, tuple(one.grids), one.alike, one.last, known)
        passage = self._passages.get(key)
        if passage is None:
            passage = self._passages[key] = self._passed(key)
        return passage

    def _passed(self, key: _Key) -> _Passage:
        enters = self._maps[key.place]
        point = np.ones_like(enters.rows)
        rows, columns, fits = [point, enters.rows], [point, enters.columns], enters.fits
        for parent, down, across in key.grids:
            rows.append(after_each(rows[parent], down))
            columns.append(after_each(columns[parent], across))
            fits = fits & (rows[-1] > 0) & (columns[-1] > 0)
        for one, other in key.alike:
            fits = fits & (rows[one] == rows[other]) & (columns[one] == columns[other])
        if key.known is None:
            leaves = _Extents(rows[key.last], columns[key.last], fits)
        else:
            high, wide = key.known if len(key.known) == 2 else (1, 1)
            leaves = _Extents(point * high, point * wide, fits)
        self._maps.append(leaves)
        return _Passage(np.stack(rows) * np.stack(columns), len(self._maps) - 1)

    def _one_by_one(self, arch: Architecture) -> Counts:
        columns = []
        for resolution in self.resolutions:
            try:
                one = cost(arch, resolution=resolution)
                columns.append((one.params, one.macs, one.activations, last_rows(arch, resolution)))
            except ShapeError:
                columns.append((0, 0, 0, 0))
        return Counts(*np.array(columns, np.int64).T)


def last_rows(arch: Architecture, resolution: int) -> int:
    """Rows of the last map for a picture of ``resolution`` px, 1 for a vector; 0 where a map would vanish before.

    Windows without padding take more rows than their strides say.
    """
    try:
        leaves = cost(arch.without_head(), resolution=resolution).leaves
    except ShapeError:
        return 0
    return leaves[1] if len(leaves) == 3 else 1


def _parts(arch: Architecture) -> Iterator[Callable[[Shape], Profile]]:
    """Stem, stages and head, each as a function from the shape that enters to its profile."""
    yield partial(profile, arch.stem)
    for stage in arch.stages:
        yield partial(stage_profile, stage)
    yield partial(profile, arch.head)


def after_each(sizes: Whole, step: Step) -> Whole:
    """What a step leaves of each of these extents; below 1 where it does not fit."""
    return np.array([after(int(size), step) for size in sizes], np.int64)

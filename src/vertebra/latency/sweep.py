"""Latencies of many networks at many resolutions at once.

Of a unit only the extents follow the resolution.  So a network is walked once for all resolutions, with the place of
each map's grid in the stead of its extents; what the grids come to is worked out once, and every distinct unit is
estimated once.  It says what ``Predictor`` says of each network, many times as quickly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.errors import ShapeError
from vertebra.latency.estimator import Parts, Ready
from vertebra.latency.features import Columns, Whole, columns_of
from vertebra.latency.grids import Tallies
from vertebra.latency.profile import Profile
from vertebra.latency.units import Unit, tally

CHUNK = 4096
"""Units that are estimated together: their numbers stay in the cache."""


class Sweep:
    """Predicts by a profile; see above."""

    def __init__(self, estimator: Ready) -> None:
        self._estimator = estimator

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Raises ProfileError where the profile's arrays do not fit together."""
        return cls(profile.estimator.ready())

    def __call__(
        self, archs: Sequence[Architecture], sides: Sequence[Sequence[int]]
    ) -> tuple[NDArray[np.float64], ...]:
        """Milliseconds of each architecture at each of its ``sides`` (px); raises ShapeError where one does not fit."""
        every = sorted({side for own in sides for side in own})
        places = {side: place for place, side in enumerate(every)}
        at = [np.array([places[side] for side in own], np.intp) for own in sides]
        tallies = Tallies()
        counted = [tallies.of(arch) for arch in archs]
        needed = np.zeros((len(tallies.units), len(every)), bool)
        for counts, own in zip(counted, at, strict=True):
            if counts is not None:
                needed[np.ix_(counts.units, own)] = True
        rows, columns = tallies.grids.extents(every)
        parts = self._parts(tallies.units, needed, rows, columns)
        return tuple(
            self._one_by_one(arch, own)
            if counts is None
            else self._estimator.total(*(counts.times @ part[np.ix_(counts.units, here)] for part in parts))
            for arch, own, counts, here in zip(archs, sides, counted, at, strict=True)
        )

    def _parts(self, units: Iterable[Unit], needed: NDArray[np.bool_], rows: Whole, columns: Whole) -> Parts:
        """Of each unit at each side at which it is needed, [units, sides]."""
        made = columns_of(units)
        unit, side = np.nonzero(needed)
        if (
            min(rows[made.out_rows[unit], side].min(initial=1), columns[made.out_columns[unit], side].min(initial=1))
            < 1
        ):
            raise ShapeError("a map vanishes at one of the resolutions", remedy="use larger ones")
        one, which = _distinct(made, unit, side, rows, columns)
        own = Columns(*(column[unit[one]] for column in made))
        here = side[one]
        estimated = Parts(np.empty(len(one)), np.empty(len(one)))
        for start in range(0, len(one), CHUNK):
            part = slice(start, start + CHUNK)
            some, at = Columns(*(column[part] for column in own)), here[part]
            placed = some._replace(
                rows=rows[some.rows, at],
                columns=columns[some.columns, at],
                out_rows=rows[some.out_rows, at],
                out_columns=columns[some.out_columns, at],
            )
            for every, some_of in zip(estimated, self._estimator.of_columns(placed), strict=True):
                every[part] = some_of
        found = Parts(np.full(needed.shape, np.nan), np.full(needed.shape, np.nan))
        for table, every in zip(found, estimated, strict=True):
            table[unit, side] = every[which]
        return found

    def _one_by_one(self, arch: Architecture, sides: Iterable[int]) -> NDArray[np.float64]:
        found = []
        for side in sides:
            counts = tally(arch, side)
            times = np.fromiter(counts.values(), np.float64, len(counts))
            found.append(self._estimator.total(*(part @ times for part in self._estimator.parts(counts))))
        return np.array(found)


class _Extents(NamedTuple):
    """The number of each (grid, side) among the distinct extents, and how many of these there are."""

    number: Whole
    many: int


def _distinct(
    made: Columns, unit: Whole, side: Whole, rows: Whole, columns: Whole
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The first of each distinct (unit, side), and for all of them which it is: late maps are alike at many sides."""
    extents = _numbered(rows, columns)
    plain = made._replace(rows=made.kind * 0, columns=made.kind * 0, out_rows=made.kind * 0, out_columns=made.kind * 0)
    kind = np.unique(np.stack(plain), axis=1, return_inverse=True)[1].ravel()[unit]
    entering, leaving = extents.number[made.rows[unit], side], extents.number[made.out_rows[unit], side]
    key = (kind * extents.many + entering) * extents.many + leaving
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    return first, which


def _numbered(rows: Whole, columns: Whole) -> _Extents:
    found, number = np.unique(np.stack([rows.ravel(), columns.ravel()]), axis=1, return_inverse=True)
    return _Extents(number.reshape(rows.shape), found.shape[1])

"""The Pareto set: what nothing else is at least as good as in everything, and better in something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

CHUNK = 256
"""Points that are compared with the set at once: a table of so many rows stays in the cache."""
FIRST = 512
"""Members of the set that every point is compared with first: most points are beaten by one of them."""


def pareto(columns: Sequence[ArrayLike]) -> NDArray[np.bool_]:
    """Which points are beaten by none: a mask [n] for columns [n], in each of which less is better.

    A point is beaten by one that is nowhere larger and somewhere smaller; equal points stay together.  (For a quantity
    of which more is better, hand in its negative.)  Raises ValueError without a column, for columns of several lengths,
    and for a value that is no number.
    """
    points = _ranked(columns)
    # What beats a point has a smaller sum of ranks, so each point is compared with those before it alone.
    order = np.argsort(points[-1], kind="stable")
    mask = np.zeros(len(order), bool)
    kept = points[:, :0]
    for start in range(0, len(order), CHUNK):
        places = order[start : start + CHUNK]
        for others in (kept[:, :FIRST], kept[:, FIRST:], None):
            places = places[~_beaten(points[:, places], points[:, places] if others is None else others)]
        mask[places] = True
        kept = np.concatenate([kept, points[:, places]], axis=1)
    return mask


def _ranked(columns: Sequence[ArrayLike]) -> NDArray[np.int32]:
    """Each column's values by their ranks, equal ones alike, and last the sum of a point's ranks: [columns + 1, n].

    Ranks are small and exact, whatever the values are.
    """
    arrays: list[NDArray[Any]] = [np.asarray(column) for column in columns]
    if not arrays or any(array.ndim != 1 or len(array) != len(arrays[0]) for array in arrays):
        raise ValueError("the Pareto set needs columns of one length")
    if any(np.isnan(array).any() for array in arrays if array.dtype.kind == "f"):
        raise ValueError("a column holds what is no number")
    ranks = np.stack([np.unique(array, return_inverse=True)[1] for array in arrays]).astype(np.int32)
    return np.concatenate([ranks, ranks.sum(axis=0, keepdims=True, dtype=np.int32)])


def _beaten(points: NDArray[np.int32], others: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which points are beaten by one of the others: nowhere larger, and smaller in the sum."""
    found = others[-1] < points[-1][:, None]
    for own, theirs in zip(points[:-1], others[:-1], strict=True):
        found &= theirs <= own[:, None]
    return np.asarray(found.any(axis=1))

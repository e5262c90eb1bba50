"""Two sequences laid side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import TypeVar

T = TypeVar("T")

MOST = 250_000
"""Above so many pairs, elements are laid beside one another place by place."""


def aligned(
    before: Sequence[T], after: Sequence[T], likeness: Callable[[T, T], int]
) -> Iterator[tuple[T | None, T | None]]:
    """The elements of both in their order, side by side, so that the sum of ``likeness`` over the pairs is largest.

    An element without a counterpart has None beside it, and a likeness of 0 makes no pair.  With 1 for equal elements
    and 0 for others the pairs are a longest common subsequence (Needleman and Wunsch 1970).
    """
    if len(before) * len(after) > MOST:
        yield from zip_longest(before, after)
        return
    alike = [[likeness(one, other) for other in after] for one in before]
    best = _best(alike, len(after))
    row = column = 0
    while row < len(before) and column < len(after):
        here = alike[row][column]
        if here and best[row][column] == here + best[row + 1][column + 1]:
            yield before[row], after[column]
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            yield before[row], None
            row += 1
        else:
            yield None, after[column]
            column += 1
    for one in before[row:]:
        yield one, None
    for other in after[column:]:
        yield None, other


def _best(alike: Sequence[Sequence[int]], columns: int) -> list[list[int]]:
    """The most that the sequences can have in common from each row and column on."""
    best = [[0] * (columns + 1) for _ in range(len(alike) + 1)]
    for row in reversed(range(len(alike))):
        for column in reversed(range(columns)):
            here = alike[row][column]
            paired = here + best[row + 1][column + 1] if here else 0
            best[row][column] = max(best[row + 1][column], best[row][column + 1], paired)
    return best

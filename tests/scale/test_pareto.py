"""The Pareto set, against a comparison of every point with every other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.scale import pareto as module
from vertebra.scale.pareto import pareto

VALUES = st.integers(-3, 3) | st.floats(-3, 3).map(lambda value: round(value, 1))


def brute(points: list[tuple[float, ...]]) -> list[bool]:
    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return all(a <= b for a, b in zip(one, other, strict=True)) and one != other

    return [not any(beats(other, one) for other in points) for one in points]


@given(st.integers(1, 4).flatmap(lambda size: st.lists(st.tuples(*[VALUES] * size), min_size=1, max_size=60)))
def test_it_is_what_none_beats(points: list[tuple[float, ...]]) -> None:
    assert pareto(list(zip(*points, strict=True))).tolist() == brute(points)


def test_many_points_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).integers(0, 12, (700, 4))
    expected = brute([tuple(row) for row in points.tolist()])
    for chunk in (1, 7, 256, 1000):
        monkeypatch.setattr(module, "CHUNK", chunk)
        assert pareto(list(points.T)).tolist() == expected


def test_large_counts_are_compared_exactly() -> None:
    """Beyond 2**53 neighbouring integers are one float."""
    big = 2**60
    assert pareto([np.array([big, big + 1]), np.array([1, 1])]).tolist() == [True, False]
    assert pareto([np.array([big + 1, big, big])]).tolist() == [False, True, True]


def test_no_points_and_infinities() -> None:
    assert pareto([[], []]).tolist() == []
    assert pareto([[np.inf, 1.0, -np.inf], [0.0, 1.0, 2.0]]).tolist() == [True, True, True]


@pytest.mark.parametrize("columns", [[], [[1.0, 2.0], [1.0]], [[[1.0]]], [[1.0, float("nan")]]])
def test_what_cannot_be_compared(columns: list[list[float]]) -> None:
    with pytest.raises(ValueError):
        pareto(columns)

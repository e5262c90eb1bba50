"""Medians, quantiles, and calls in turn.  No time is asserted: only what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.engines.timing import Timing, interleaved, measure


def test_counts() -> None:
    calls = []
    timing = measure(lambda: calls.append(1), warmup=2, repeats=5)
    assert (len(calls), timing.n) == (7, 5)
    assert 0 <= timing.p10_ms <= timing.median_ms <= timing.p90_ms


def test_in_turn() -> None:
    order: list[str] = []
    timings = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, warmup=1, repeats=3)
    assert order == ["a", "b"] * 4
    assert {name: timing.n for name, timing in timings.items()} == {"a": 3, "b": 3}


def test_limits() -> None:
    assert measure(lambda: None, warmup=0, repeats=3, max_seconds=0).n == 1
    assert measure(lambda: None, repeats=1, min_seconds=0.01).n > 1
    assert interleaved({}) == {}


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30))
def test_quantiles_are_numpys(times: list[int]) -> None:
    timing = Timing.of(times)
    expected = np.quantile(np.array(times, np.float64), (0.5, 0.1, 0.9)) / 1e6
    assert (timing.median_ms, timing.p10_ms, timing.p90_ms) == pytest.approx(tuple(expected), rel=1e-9)


def test_no_calls() -> None:
    with pytest.raises(ValueError, match="at least one call"):
        Timing.of([])

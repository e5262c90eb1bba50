from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.errors import VertebraError
from vertebra.report.intervals import wilson


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion: comparison of seven methods",
        # Statistics in Medicine 17, table I, method 3 (Wilson's score method without continuity correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@given(n=st.integers(1, 10**7), share=st.floats(0, 1))
def test_the_bounds_solve_wilsons_equation(n: int, share: float) -> None:
    """Wilson 1927: a bound p is where |k/n - p| = z sqrt(p (1 - p) / n)."""
    k = round(share * n)
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    for bound in (low, high):
        assert abs(k / n - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / n), rel=1e-4, abs=1e-9)


def test_it_is_symmetric() -> None:
    low, high = wilson(3, 50)
    assert wilson(47, 50) == (pytest.approx(1 - high), pytest.approx(1 - low))


def test_nothing_seen_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (0, -1)])
def test_what_is_no_proportion_is_refused(k: int, n: int) -> None:
    with pytest.raises(VertebraError, match="not a proportion"):
        wilson(k, n)

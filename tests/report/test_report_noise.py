"""Noise between repeated runs: against Tukey's printed table, SciPy and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vertebra.errors import VertebraError
from vertebra.report.noise import honest_difference, pooled, studentised_range


@pytest.mark.parametrize(
    ("means", "freedom", "printed"),
    # Pearson and Hartley, Biometrika Tables for Statisticians, table 29: upper 5% points of the studentised range.
    [(2, 10, 3.15), (3, 10, 3.88), (3, 5, 4.60), (4, 12, 4.20), (5, 20, 4.23), (10, 20, 5.01)],
)
def test_the_printed_table(means: int, freedom: int, printed: float) -> None:
    assert studentised_range(means, freedom) == pytest.approx(printed, abs=0.0051)


@pytest.mark.parametrize("freedom", [1, 2, 5, 17, 120])
def test_two_means_are_students_t(freedom: int) -> None:
    """The range of two is |t| sqrt(2)."""
    student = float(stats.t.ppf(0.975, freedom))
    assert studentised_range(2, freedom) == pytest.approx(math.sqrt(2) * student, rel=2e-3)


@pytest.mark.parametrize(("means", "freedom"), [(16, 17), (17, 34), (30, 3)])
def test_scipys_quantiles(means: int, freedom: int) -> None:
    assert studentised_range(means, freedom) == pytest.approx(
        float(stats.studentized_range.ppf(0.95, means, freedom)), rel=1e-3
    )


def test_chance_makes_the_honest_difference_once_in_twenty() -> None:
    """8 networks of one true accuracy, 2 runs each, 4,000 times: the share is within four standard errors of 5%."""
    runs = np.random.default_rng(0).normal(0.6, 0.01, (4000, 8, 2))
    spreads = np.sqrt(runs.var(axis=2, ddof=1).mean(axis=1))
    ranges = np.ptp(runs.mean(axis=2), axis=1)
    beyond = np.mean(ranges > honest_difference(1.0, 8, 8, 2) * spreads)
    assert beyond == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4000))


@settings(max_examples=50)
@given(st.lists(st.lists(st.floats(0, 1), max_size=4), max_size=6))
def test_the_pooled_spread_is_that_of_the_residuals(groups: list[list[float]]) -> None:
    """The root of the residual sum of squares over N minus the number of groups, of those with two values or more."""
    spread, freedom = pooled(groups)
    several = [np.array(group) for group in groups if len(group) > 1]
    assert freedom == sum(len(group) for group in several) - len(several)
    residuals = sum(float(((group - group.mean()) ** 2).sum()) for group in several)
    assert spread == pytest.approx(math.sqrt(residuals / freedom) if freedom else 0.0, abs=1e-9)


def test_no_range_of_one() -> None:
    for means, freedom in ((1, 5), (3, 0)):
        with pytest.raises(VertebraError, match="allowed: from 2 and from 1"):
            studentised_range(means, freedom)

"""Budgets as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.costs.budget import Budgets, parse_budgets
from vertebra.errors import BudgetError


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("5ms", 5), ("5 ms", 5), ("0.005s", 5), ("800us", 0.8), ("1.5MS", 1.5), (2, 2)]
)
def test_latency(text: str | float, milliseconds: float) -> None:
    assert parse_budgets(latency=text).latency_ms == pytest.approx(milliseconds)


def test_counts_and_sizes() -> None:
    found = parse_budgets(params="1.5M", macs="2G", size="4MB")
    assert found == Budgets(params=1_500_000, macs=2_000_000_000, bytes=4_000_000)
    assert parse_budgets(size="1MiB").bytes == 1 << 20
    assert parse_budgets().said() == ()


@pytest.mark.parametrize("text", ["5 sec", "5", "-1ms", "ms", "", "0ms", "1e999s", "nan", "5msms", "five"])
def test_a_misspelt_latency_says_what_is_allowed(text: str) -> None:
    with pytest.raises(BudgetError, match=r"--latency: .*allowed"):
        parse_budgets(latency=text)


@given(st.text(max_size=12))
def test_any_text_is_a_budget_or_the_typed_error(text: str) -> None:
    try:
        found = parse_budgets(size=text)
    except BudgetError:
        return
    assert found.bytes is not None and found.bytes >= 0

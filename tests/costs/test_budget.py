"""Budgets as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.costs.budget import QUANTITIES, Budgets, parse_budgets, parse_quantity, parse_range
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


def test_memory_and_activations() -> None:
    assert parse_budgets(memory="200MB") == Budgets(memory_bytes=200_000_000)
    assert parse_budgets(memory="1GiB").said() == ("at most 1,073,741,824 bytes of memory",)
    assert parse_quantity("activations", "5M") == 5_000_000


@pytest.mark.parametrize(
    ("name", "text", "least", "most"),
    [
        ("latency", "1ms..50ms", 1, 50),
        ("latency", " 500us .. 0.05s ", 0.5, 50),
        ("latency", "..50ms", 0, 50),
        ("latency", "1ms..", 1, math.inf),
        ("latency", "50ms", 0, 50),
        ("latency", 50, 0, 50),
        ("params", "1M..5M", 1e6, 5e6),
        ("macs", ".5G..1.5G", 5e8, 1.5e9),
        ("memory", "1MB..1MB", 1e6, 1e6),
    ],
)
def test_ranges(name: str, text: str | float, least: float, most: float) -> None:
    found = parse_range(name, text)
    assert (found.least, found.most) == (pytest.approx(least), pytest.approx(most))
    assert least in found and (most + 1 not in found or most == math.inf)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("latency", "50ms..1ms", "--latency: '50ms..1ms' holds nothing; write the smaller first: 1ms..50ms"),
        ("latency", "1..50ms", "--latency: '1' is not understood (allowed: 5ms, 0.01s, 800us)"),
        ("latency", "1ms..5 sec", "--latency: '5 sec' is not understood (allowed: 5ms, 0.01s, 800us)"),
        ("latency", "..", "--latency: '..' is not understood (allowed: 5ms, 0.01s, 800us)"),
        ("latency", "-1ms..5ms", "--latency: '-1ms' is not understood (allowed: 5ms, 0.01s, 800us)"),
        ("latency", "1ms..2ms..3ms", "--latency: '2ms..3ms' is not understood (allowed: 5ms, 0.01s, 800us)"),
        ("macs", "0..1M", "--macs: '0' is no budget (allowed: a number above 0)"),
    ],
)
def test_ranges_that_make_no_sense(name: str, text: str, said: str) -> None:
    with pytest.raises(BudgetError) as caught:
        parse_range(name, text)
    assert str(caught.value) == said


@given(st.sampled_from(sorted(QUANTITIES)), st.text(alphabet="0123456789.eEmskMGBib -µ", max_size=14))
def test_any_text_is_a_range_or_the_typed_error(name: str, text: str) -> None:
    try:
        found = parse_range(name, text)
    except BudgetError as error:
        assert "\n" not in str(error)
    else:
        assert 0 <= found.least <= found.most and found.most > 0

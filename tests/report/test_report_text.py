from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.report import text


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (272_474, "272 k"),
        (999_600, "1.00 M"),
        (4_100_000, "4.10 M"),
        (4_089_184_256, "4.09 G"),
        (40_551_040, "40.6 M"),
    ],
)
def test_short(number: int, shown: str) -> None:
    assert text.short(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"), (4.1, "4.10"), (-4.126, "-4.13"), (9.996, "10.0"), (99.96, "100"), (0.5, "0.500"), (0.0123, "0.0123"),
        (0.9996, "1.00"), (12345.0, "12345"), (math.inf, text.NONE),
    ],
)  # fmt: skip
def test_figures_are_three_and_zeros_count(number: float, shown: str) -> None:
    assert text.figures(number) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [("10.0 MB", "10 MB"), ("1.50 M", "1.5 M"), ("500 k", "500 k"), ("0.010", "0.01"), ("100 px", "100 px")],
)
def test_a_tick_has_no_zeros_behind_it(said: str, shown: str) -> None:
    assert text.trimmed(said) == shown


def test_listed() -> None:
    assert [text.listed(["a", "b", "c"][:count]) for count in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(("octets", "shown"), [(512, "512 B"), (1_093_112, "1.09 MB"), (12_000, "12.0 kB")])
def test_size(octets: int, shown: str) -> None:
    assert text.size(octets) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.05, "0.050 ms"), (0.675, "0.675 ms"), (0.9996, "1.00 ms"), (1, "1.00 ms"), (12.34, "12.3 ms"), (250, "250 ms")],
)
def test_ms(value: float, shown: str) -> None:
    assert text.ms(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.412, "0.41 s"),
        (5.25, "5.2 s"),
        (47.2, "47 s"),
        (59.9, "1 min 00 s"),
        (187, "3 min 07 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_duration(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_what_is_no_number_is_a_dash() -> None:
    bad = math.nan
    assert {text.short(bad), text.size(bad), text.ms(bad), text.ms(None), text.duration(bad), text.percent(bad)} == {
        text.NONE
    }


def test_percent_has_the_decimals_that_the_sample_carries() -> None:
    assert text.percent(0.98519, 270) == "98.5%"
    assert text.percent(0.98519, 10_000) == "98.52%"
    assert text.percent(1.0, 270) == "100%"


@given(st.text(), st.integers(3, 40))
def test_shortened_text_fits_and_is_one_line(words: str, limit: int) -> None:
    short = text.shortened(words, limit)
    assert text.columns(short) <= limit
    assert len(short.splitlines()) <= 1


def test_shortened_text_keeps_both_ends() -> None:
    assert text.shortened("Staffordshire bull terrier 19", 15) == "Staffor…rier 19"


def test_wide_letters_take_two_columns() -> None:
    assert text.columns("猫a") == 3


def test_control_characters_and_lone_surrogates_are_made_visible() -> None:
    assert text.visible("a\x00b\x1bc\udcffd\ne") == "a\ufffdb\ufffdc\ufffdd\ne"

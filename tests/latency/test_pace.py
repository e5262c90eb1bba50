"""What a time is at a machine's usual pace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.latency.pace import MOST_STARTS, Pace, Window

USUAL = Pace(work_ms=2.0, start_ms=0.01)
UNITS = 20


def network(work: float, start: float, *, own: float = 1.0) -> Window:
    """A network of UNITS units and ``own`` ms of work, where work takes ``work`` times and a start ``start`` times as
    long as usual.
    """
    taken = own * work + UNITS * USUAL.start_ms * start
    return Window(taken, USUAL.work_ms * work, USUAL.start_ms * start)


def test_the_usual_pace_is_the_median() -> None:
    windows = [Window(9.0, 1.0, 0.3), Window(9.0, 2.0, 0.1), Window(9.0, 9.0, 0.2)]
    assert Pace.usual(windows) == Pace(2.0, 0.2)


@given(slower=st.floats(0.5, 4), own=st.floats(0.01, 100))
def test_a_machine_that_is_slower_in_all_counts_for_nothing(slower: float, own: float) -> None:
    """By proportion, whatever part the starts are."""
    expected = network(1, 1, own=own).ms
    assert USUAL.ms([network(slower, slower, own=own)], UNITS) == pytest.approx(expected)


@given(work=st.floats(0.5, 3), start=st.floats(0.5, 3))
def test_starts_and_work_go_apart(work: float, start: float) -> None:
    """Each slows its own part, by the part that it has now: of t = work + 0.2 start the two have work / t and the rest,
    so it is t / (work / t * work + 0.2 start / t * start).
    """
    taken = work + 0.2 * start
    assert network(work, start).ms == pytest.approx(taken)
    assert USUAL.ms([network(work, start)], UNITS) == pytest.approx(taken**2 / (work**2 + 0.2 * start**2))


def test_a_disturbed_window_changes_nothing() -> None:
    windows = [network(1, 1), network(1, 1), network(1, 1)._replace(ms=50.0)]
    assert USUAL.ms(windows, UNITS) == pytest.approx(1.2)


def test_starts_are_never_all_of_a_time() -> None:
    """A network of more units than its time allows for: the work's pace counts for the rest."""
    window = Window(1.0, 2 * USUAL.work_ms, USUAL.start_ms)
    assert USUAL.ms([window], 10_000) == pytest.approx(1 / (2 * (1 - MOST_STARTS) + MOST_STARTS))

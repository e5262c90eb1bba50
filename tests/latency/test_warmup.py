"""Warm-up ends when the median falls no more.  Time is the test's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from vertebra.latency.warmup import MOST_CALLS, MOST_SECONDS, STEADY, WINDOW, warm_up


class Machine:
    """Calls that take these milliseconds, the last one again and again; and the clock that they move."""

    def __init__(self, times: Iterable[float]) -> None:
        self.times: Iterator[float] = iter(times)
        self.latest = 0.0
        self.now = 0

    def call(self) -> None:
        self.latest = next(self.times, self.latest)
        self.now += int(self.latest * 1e6)

    def clock(self) -> int:
        return self.now


def calls(times: Iterable[float]) -> int:
    machine = Machine(times)
    return warm_up(machine.call, clock=machine.clock)


def test_a_network_that_is_warm_at_once() -> None:
    """One window to compare with, and the windows that do not fall."""
    assert calls([10.0]) == (1 + STEADY) * WINDOW


def test_a_slow_first_call_moves_no_median() -> None:
    assert calls([500.0, 10.0]) == (1 + STEADY) * WINDOW


def test_it_goes_on_while_the_median_falls() -> None:
    """Windows at 100, 90, 80 and 70 ms, then steady: four falls, and the windows that do not fall."""
    falling = [ms for ms in (100.0, 90.0, 80.0, 70.0) for _ in range(WINDOW)]
    assert calls([*falling, 70.0]) == (4 + STEADY) * WINDOW


def test_a_rise_is_no_fall() -> None:
    """After 10 ms nothing is below it: 20 ms, then 15, are two windows without a fall."""
    assert calls([*[10.0] * WINDOW, *[20.0] * WINDOW, *[15.0] * WINDOW, 1.0]) == 3 * WINDOW


def test_a_fall_within_the_noise_is_none() -> None:
    assert calls([*[10.0] * WINDOW, *[9.9] * WINDOW, 9.8]) == 3 * WINDOW


def test_it_is_bounded_in_calls() -> None:
    assert calls(1000 * 0.9**index for index in range(10_000)) <= MOST_CALLS
    assert calls(0.97**index for index in range(1000)) == MOST_CALLS


def test_it_is_bounded_in_seconds() -> None:
    assert calls([1000 * MOST_SECONDS]) == 2
    assert calls([1000 * MOST_SECONDS / 4]) == 5


@given(st.lists(st.floats(0.001, 10_000), min_size=1, max_size=300))
def test_any_times(times: list[float]) -> None:
    machine = Machine(times)
    count = warm_up(machine.call, clock=machine.clock)
    assert 2 <= count <= MOST_CALLS
    assert count == 2 or machine.now <= MOST_SECONDS * 1e9 + machine.latest * 1e6 + 1

"""How long a call takes: medians, and side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns

import msgspec

Call = Callable[[], object]
NS_PER_MS = 1e6


class Timing(msgspec.Struct, frozen=True):
    """The times of ``n`` calls in ms: the median, and the 10th and 90th percentile."""

    median_ms: float
    p10_ms: float
    p90_ms: float
    n: int

    @classmethod
    def of(cls, nanoseconds: list[int]) -> Timing:
        """From the time of each call; raises ValueError without any."""
        if not nanoseconds:
            raise ValueError("a timing needs at least one call")
        ordered = sorted(nanoseconds)
        median, low, high = (quantile(ordered, q) / NS_PER_MS for q in (0.5, 0.1, 0.9))
        return cls(median, low, high, len(ordered))


def quantile(ordered: list[int], q: float) -> float:
    """The ``q`` quantile of sorted values, linear between neighbours (NumPy's default)."""
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def measure(
    call: Call, *, warmup: int = 3, repeats: int = 20, min_seconds: float = 0.0, max_seconds: float = float("inf")
) -> Timing:
    """Time ``call`` after ``warmup`` calls: at least ``repeats`` times and ``min_seconds``, at most ``max_seconds``.

    One call is always timed, and one always warms up unless ``warmup`` is 0.
    """
    timings = interleaved({"": call}, warmup=warmup, repeats=repeats, min_seconds=min_seconds, max_seconds=max_seconds)
    return timings[""]


def interleaved(
    calls: Mapping[str, Call],
    *,
    warmup: int = 3,
    repeats: int = 20,
    min_seconds: float = 0.0,
    max_seconds: float = float("inf"),
) -> dict[str, Timing]:
    """Time several calls in turn, one of each a round, so that a machine that slows down favours none.

    The limits are of the rounds altogether: see :func:`measure`.
    """
    start = perf_counter_ns()
    for turn in range(warmup):
        if turn and _seconds_since(start) >= max_seconds:
            break
        for call in calls.values():
            call()
    taken: dict[str, list[int]] = {name: [] for name in calls}
    start, rounds = perf_counter_ns(), 0
    while rounds == 0 or _wants_more(rounds, _seconds_since(start), repeats, min_seconds, max_seconds):
        for name, call in calls.items():
            before = perf_counter_ns()
            call()
            taken[name].append(perf_counter_ns() - before)
        rounds += 1
    return {name: Timing.of(times) for name, times in taken.items()}


def _wants_more(rounds: int, seconds: float, repeats: int, min_seconds: float, max_seconds: float) -> bool:
    return seconds < max_seconds and (rounds < repeats or seconds < min_seconds)


def _seconds_since(start: int) -> float:
    return (perf_counter_ns() - start) / 1e9

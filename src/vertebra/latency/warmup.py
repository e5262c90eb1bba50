"""How many calls a network takes until it is warm: found, not guessed."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter_ns

from vertebra.engines.timing import Call

WINDOW = 5
"""Calls whose median is compared."""

FALL = 0.02
"""Of a median: a smaller fall is noise."""

STEADY = 2
"""Windows in a row that fall no more."""

MOST_CALLS = 200
MOST_SECONDS = 3.0

Clock = Callable[[], int]
"""Nanoseconds."""


def warm_up(call: Call, *, clock: Clock = perf_counter_ns) -> int:
    """Call until the median time of ``WINDOW`` calls falls no more; gives the number of calls.

    The first calls of an engine are slow: it lays out memory, chooses kernels, compiles.  A median counts as falling
    where it is more than ``FALL`` below every earlier one; ``STEADY`` windows without a fall end it, or
    ``MOST_CALLS``, or ``MOST_SECONDS`` after two calls.
    """
    begun = clock()
    times: list[int] = []
    best = float("inf")
    steady = 0
    while len(times) < MOST_CALLS:
        before = clock()
        call()
        now = clock()
        times.append(now - before)
        if len(times) >= 2 and now - begun > MOST_SECONDS * 1e9:
            break
        if len(times) % WINDOW:
            continue
        latest = median(times[-WINDOW:])
        steady = 0 if latest < best * (1 - FALL) else steady + 1
        best = min(best, latest)
        if steady == STEADY:
            break
    return len(times)

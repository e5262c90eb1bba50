"""At what pace a machine runs, and what a time is at its usual one.

A machine that others share changes its pace within hundredths of a second, and a quiet moment may not come for minutes.
It does so in two ways that go apart: how fast it computes, and how long it takes to start an operation (to wake its
other threads above all).  So two small networks, the probes of ``probes``, are timed around whatever is timed: one that
computes, one of many operations with next to nothing in them.  What that brings: ``docs/benchmarks.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from statistics import median
from typing import Annotated, NamedTuple, Self

import msgspec
from msgspec import Meta

MOST_STARTS = 0.8
"""The part of a time that starting operations takes at most: some work is in each."""

Milliseconds = Annotated[float, Meta(gt=0)]


class Window(NamedTuple):
    """Milliseconds of a call, and around it of the probe that computes and of one operation of the other probe."""

    ms: float
    work_ms: float
    start_ms: float


class Pace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Milliseconds of the probe that computes, and of one operation of the other probe."""

    work_ms: Milliseconds
    start_ms: Milliseconds

    @classmethod
    def usual(cls, windows: Iterable[Window]) -> Self:
        """The medians of many windows."""
        _, work, start = zip(*windows, strict=True)
        return cls(median(work), median(start))

    def ms(self, windows: Collection[Window], units: int) -> float:
        """What a network of so many units takes at this pace, in milliseconds: the median over its windows."""
        starts = min(MOST_STARTS, median(units * one.start_ms / one.ms for one in windows))
        return median(one.ms / self._slower(one, starts) for one in windows)

    def _slower(self, window: Window, starts: float) -> float:
        """How many times as long as at this pace something took of which ``starts`` is the part that starts."""
        return (1 - starts) * window.work_ms / self.work_ms + starts * window.start_ms / self.start_ms

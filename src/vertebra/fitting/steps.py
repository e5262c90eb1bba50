"""The steps of a job and how long each took, over all the times that it was resumed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from vertebra.report.study import Step


class Stopwatch:
    """Times named steps; the same name again adds to it.  ``spent`` is what a stopped job had used."""

    def __init__(self, spent: Mapping[str, float] | None = None) -> None:
        self._start = time.monotonic()
        self._before = dict(spent or {})
        self._seconds = dict(self._before)
        self._open: tuple[str, float] | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block under this name, whatever ends it."""
        begin = time.monotonic()
        self._open = (name, begin)
        try:
            yield
        finally:
            self._open = None
            self._seconds[name] = self._seconds.get(name, 0.0) + time.monotonic() - begin

    @property
    def elapsed(self) -> float:
        """Seconds that the job has used."""
        return sum(self._before.values()) + time.monotonic() - self._start

    @property
    def spent(self) -> dict[str, float]:
        """Seconds of each step, the one under way included."""
        seconds = dict(self._seconds)
        if self._open is not None:
            name, begin = self._open
            seconds[name] = seconds.get(name, 0.0) + time.monotonic() - begin
        return seconds

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step in the order of its first appearance."""
        return tuple(Step(name=name, seconds=seconds) for name, seconds in self._seconds.items())

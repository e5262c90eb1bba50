"""The steps of a job and how long each took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from vertebra.report.study import Step


class Stopwatch:
    """Times named steps; the same name again adds to it."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block under this name, whatever ends it."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.monotonic() - begin

    @property
    def elapsed(self) -> float:
        """Seconds since the job began."""
        return time.monotonic() - self.start

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step in the order of its first appearance."""
        return tuple(Step(name=name, seconds=seconds) for name, seconds in self._seconds.items())

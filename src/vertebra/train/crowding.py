"""Fewer threads while other programs hold the cores.

Every operation of a network waits for its slowest thread, and a thread whose core another program holds waits for a
time slice: measured on two cores with one busy, 8 ms for an operation of 0.1 ms.  Training ResNet-20 at 32 px then made
6 to 126 images/s with two threads, 300 to 350 with one; alone it makes 1,000 with two and 500 with one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import torch

PROBE = 1 << 20
"""Numbers that the probe adds 1 to: long enough to be shared among threads, 0.1 ms."""
PROBE_SECONDS = (0.04, 0.01)
"""Of probing with all threads, and with fewer."""
CROWDED = 3.0
"""All threads must be this many times slower to be too many."""
SUSPICIOUS = 1.6
"""A step this many times slower than the fastest makes us look."""
LOOK_AGAIN = (1.0, 8.0)
"""Seconds between two looks; the pause doubles while nothing has changed."""


def crowded(most: int, fewer: int) -> bool:
    """Whether a small operation is much slower with ``most`` threads than with ``fewer``; takes 0.05 s, leaves
    ``fewer`` set."""
    numbers = torch.zeros(PROBE)
    took = []
    for threads, limit in zip((most, fewer), PROBE_SECONDS, strict=True):
        torch.set_num_threads(threads)
        numbers.add_(1)
        count, begin = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < limit:
            numbers.add_(1)
            count += 1
        took.append(elapsed / max(count, 1))
    return took[0] > CROWDED * took[1]


class Threads:
    """Keeps torch at all its threads, or at half of them while the cores are crowded.  A context, which gives them
    back.

    Results differ in the last bits with the number of threads, so it is for work whose length is a time anyway.
    """

    def __init__(
        self,
        most: int | None = None,
        *,
        set_threads: Callable[[int], None] = torch.set_num_threads,
        is_crowded: Callable[[int, int], bool] = crowded,
    ) -> None:
        self.most = most or torch.get_num_threads()
        self.fewer = max(1, self.most // 2)
        self.now = self.most
        self._set, self._is_crowded = set_threads, is_crowded
        self._fastest = float("inf")
        self._looked, self._pause = 0.0, LOOK_AGAIN[0]

    def __enter__(self) -> Self:
        self.look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.now = self.most
        self._set(self.most)

    def look(self, clock: float | None = None) -> None:
        """Probes the cores and sets the number of threads."""
        if self.most == self.fewer:
            return
        before = self.now
        self.now = self.fewer if self._is_crowded(self.most, self.fewer) else self.most
        self._set(self.now)
        self._pause = LOOK_AGAIN[0] if self.now != before else min(2 * self._pause, LOOK_AGAIN[1])
        self._looked = time.monotonic() if clock is None else clock

    def took(self, seconds: float, clock: float | None = None) -> None:
        """Notes a step; looks where it was slow, and now and then while there are fewer threads."""
        now = time.monotonic() if clock is None else clock
        if self.now == self.most:
            self._fastest = min(self._fastest, seconds)
            if seconds < SUSPICIOUS * self._fastest:
                return
        if now - self._looked > self._pause:
            self.look(clock)

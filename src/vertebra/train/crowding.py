"""Fewer threads while other programs hold the cores.

Every operation of a network waits for its slowest thread.  Measured on two cores with another busy process on one of
them: 347 images/s with one thread, 25 to 126 with two (ResNet-20 at 32 px, bfloat16; 1,037 with two and nobody else).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

STEPS = 3
"""Of which the median counts; the step after a change, which prepares kernels, does not."""
RETRY = (4.0, 60.0)
"""Seconds after which all threads are tried again: first, and (doubling) at most."""
WORTH = 0.9
"""Fewer threads must take at most this fraction of the time."""


class Threads:
    """Watches the seconds that steps take, and halves torch's threads while that is faster.

    Use it as a context, which gives the threads back.  Results differ in the last bits with the number of threads, so
    this is for cycles whose length is a time anyway.
    """

    def __init__(self, set_threads: Callable[[int], None] = torch.set_num_threads, most: int | None = None) -> None:
        self.most = most or torch.get_num_threads()
        self.fewer = max(1, self.most // 2)
        self.now = self.most
        self._set = set_threads
        self._recent: list[float] = []
        self._typical: dict[int, float] = {}
        self._fresh = True
        self._retry_after = RETRY[0]
        self._switched = 0.0

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *_: object) -> None:
        self._use(self.most, 0.0)

    def took(self, seconds: float, clock: float | None = None) -> None:
        """Notes a step, and changes the number of threads where that seems faster."""
        now = time.monotonic() if clock is None else clock
        if self.most == self.fewer or self._was_fresh():
            return
        other = self.fewer if self.now == self.most else self.most
        if self.now == self.most and self._is_hopeless(seconds):
            self._back_off(now)
            return
        self._recent = [*self._recent, seconds][-STEPS:]
        if len(self._recent) < STEPS:
            return
        self._typical[self.now] = statistics.median(self._recent)
        if other not in self._typical:
            self._use(other, now)
        elif self.now == self.most and self._typical[self.fewer] < WORTH * self._typical[self.most]:
            self._use(self.fewer, now)
        elif self.now == self.most:
            self._retry_after = RETRY[0]
        elif self._typical[self.most] * WORTH <= self._typical[self.fewer] or now - self._switched > self._retry_after:
            self._use(self.most, now)

    def _was_fresh(self) -> bool:
        fresh, self._fresh = self._fresh, False
        return fresh

    def _is_hopeless(self, seconds: float) -> bool:
        """Whether one step with all threads is so slow that a second is not waited for."""
        return self.fewer in self._typical and seconds > 2 * self._typical[self.fewer]

    def _back_off(self, now: float) -> None:
        self._typical[self.most] = 2 * self._typical[self.fewer]
        self._retry_after = min(2 * self._retry_after, RETRY[1])
        self._use(self.fewer, now)

    def _use(self, threads: int, now: float) -> None:
        if threads != self.now:
            self._set(threads)
        self.now, self._recent, self._fresh, self._switched = threads, [], True, now

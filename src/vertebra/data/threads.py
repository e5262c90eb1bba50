"""The same work on many items, by threads: decoding leaves the interpreter to others while it runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Progress = Callable[[int, int], None]
"""Called from the caller's thread with the number of items done and the number of all."""

CHUNK = 64
MOST_THREADS = 8


def cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    progress: Progress | None = None,
    threads: int | None = None,
) -> list[Result]:
    """``work`` of every item, in the items' order.

    The first error (Ctrl-C too) stops every thread after the item in its hands, and is raised.
    """
    stop = threading.Event()

    def some(start: int) -> list[Result]:
        results = []
        for item in items[start : start + CHUNK]:
            if stop.is_set():
                break
            results.append(work(item))
        return results

    done: list[Result] = []
    with ThreadPoolExecutor(threads or min(cores(), MOST_THREADS), thread_name_prefix="vertebra-data") as pool:
        futures: list[Future[list[Result]]] = []
        try:
            futures += [pool.submit(some, start) for start in range(0, len(items), CHUNK)]
            for future in futures:
                done += future.result()
                if progress is not None:
                    progress(len(done), len(items))
        finally:
            stop.set()
            for future in futures:
                future.cancel()
    return done

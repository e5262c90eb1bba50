"""What else the machine did while something was measured."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

import msgspec

STAT = Path("/proc/stat")

BUSY = 0.1
"""Cores that others may keep busy before a measurement is doubted."""

QUEUE = 0.5
"""Running tasks, of others, by the system's average over a minute; asked where BUSY cannot be."""

DRIFT = 0.05
"""Change of speed within a measurement before it is doubted."""

KEYS = 8
"""Columns of a processor's line in /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (proc(5))."""

IDLE = (3, 4)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The machine while a group of networks was measured.

    ``before`` and ``after``: running tasks on average over the last minute (the work measured counts afterwards).
    ``others``: cores that other processes, or other guests of a virtual machine's host, kept busy meanwhile.
    ``drift``: by how much the second half of the calls was slower than the first, in the median over the networks.
    None where the system does not say.
    """

    before: float | None = None
    after: float | None = None
    others: float | None = None
    drift: float = 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the measurement is to be doubted; empty where it is not."""
        found = []
        if self.others is not None and self.others > BUSY:
            found.append(f"the machine was busy: other processes used {self.others:.2g} cores meanwhile")
        elif self.others is None and self.before is not None and self.before > QUEUE:
            found.append(f"the machine was busy: {self.before:.2g} tasks were running on average before")
        if abs(self.drift) > DRIFT:
            slower = "slower" if self.drift > 0 else "faster"
            found.append(f"the machine became {abs(self.drift):.0%} {slower} meanwhile")
        return tuple(found)


class Moment(msgspec.Struct, frozen=True):
    """Seconds: of the clock, of this process on all cores, of everything on its cores; and the average of tasks."""

    wall: float
    own: float
    busy: float | None
    average: float | None


def moment() -> Moment:
    """Now."""
    return Moment(time.perf_counter(), time.process_time(), _busy(), _average())


def between(start: Moment, end: Moment, drift: float = 0.0) -> Load:
    """What happened from one moment to another."""
    others = None
    if start.busy is not None and end.busy is not None and end.wall > start.wall:
        others = max(0.0, (end.busy - start.busy - (end.own - start.own)) / (end.wall - start.wall))
    return Load(before=start.average, after=end.average, others=others, drift=drift)


def busy_seconds(text: str, processors: Collection[int], ticks: int) -> float | None:
    """Seconds that these processors were not idle since the system began, by the text of /proc/stat; None without."""
    total, seen = 0, False
    for line in text.splitlines():
        name, *columns = line.split() or [""]
        if not name.startswith("cpu") or not name[3:].isdigit() or int(name[3:]) not in processors:
            continue
        if len(columns) < KEYS or not all(column.isdigit() for column in columns[:KEYS]):
            return None
        seen = True
        total += sum(int(column) for place, column in enumerate(columns[:KEYS]) if place not in IDLE)
    return total / ticks if seen and total else None


def _busy() -> float | None:
    try:
        text = STAT.read_text(encoding="ascii", errors="replace")
        return busy_seconds(text, os.sched_getaffinity(0), os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, ValueError):  # not on macOS and Windows
        return None


def _average() -> float | None:
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):  # not on Windows
        return None

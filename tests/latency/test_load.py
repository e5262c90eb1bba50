"""What others did meanwhile, by the kernel's counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from vertebra.latency import load
from vertebra.latency.load import Load, Moment, between, busy_seconds, moment

# user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); guest time is within user.
STAT = """cpu  999 9 99 9999 9 9 9 9 0 0
cpu0 100 10 20 5000 70 1 2 3 40 5
cpu1 200 0 0 5000 0 0 0 0 0 0
cpu10 7 0 0 0 0 0 0 0 0 0
intr 12345
"""


def test_busy_seconds() -> None:
    """By hand, at 100 ticks a second: 100 + 10 + 20 + 1 + 2 + 3 = 136 of cpu0."""
    assert busy_seconds(STAT, {0}, 100) == 1.36
    assert busy_seconds(STAT, {0, 1}, 100) == 3.36
    assert busy_seconds(STAT, {10}, 1) == 7


@pytest.mark.parametrize("text", ["", "cpu0", "cpu0 1 2", "cpu0 a b c d e f g h", "cpu0 0 0 0 0 0 0 0 0", "\n\n"])
def test_what_the_kernel_does_not_say(text: str) -> None:
    assert busy_seconds(text, {0}, 100) is None


def test_others() -> None:
    """Two seconds in which 3.5 s of work were done, 2 of them by this process: others kept 0.75 cores busy."""
    start, end = Moment(10.0, 5.0, 100.0, 0.1), Moment(12.0, 7.0, 103.5, 2.1)
    found = between(start, end, 0.01)
    assert (found.others, found.before, found.after, found.drift) == (0.75, 0.1, 2.1, 0.01)
    assert found.warnings == ("the machine was busy: other processes used 0.75 cores meanwhile",)


def test_ticks_are_coarse() -> None:
    """The kernel may have counted less than the process did: that is no negative load."""
    assert between(Moment(0.0, 0.0, 0.0, None), Moment(1.0, 1.0, 0.99, None)).others == 0


def test_without_counters_the_average_is_asked() -> None:
    quiet, busy = Moment(0.0, 0.0, None, 0.2), Moment(0.0, 0.0, None, 1.7)
    end = Moment(1.0, 2.0, None, 1.9)
    assert between(quiet, end).warnings == ()
    assert between(busy, end).warnings == ("the machine was busy: 1.7 tasks were running on average before",)


def test_the_average_does_not_count_where_the_counters_say_quiet() -> None:
    """An earlier measurement leaves an average behind."""
    assert Load(before=2.0, others=0.01).warnings == ()


def test_drift() -> None:
    assert Load(drift=0.12).warnings == ("the machine became 12% slower meanwhile",)
    assert Load(drift=-0.12).warnings == ("the machine became 12% faster meanwhile",)
    assert Load(drift=0.02).warnings == ()


def test_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = moment()
    assert sum(range(1000)) and moment().wall > first.wall
    monkeypatch.setattr(load, "STAT", tmp_path / "absent")
    assert moment().busy is None

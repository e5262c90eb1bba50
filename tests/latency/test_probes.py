"""Times between probes, by a clock of the test's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.latency.small import small
from vertebra.arch.blocks.residual import BasicResidual
from vertebra.costs.count import cost
from vertebra.latency import probes
from vertebra.latency.engines import session
from vertebra.latency.pace import Window
from vertebra.latency.probes import Probes, start_probe, warmed, work_probe
from vertebra.latency.setting import Setting
from vertebra.latency.units import tally


class Clock:
    """Time passes in calls alone."""

    def __init__(self) -> None:
        self.ns = 0
        self.calls: list[str] = []

    def call(self, name: str, ms: Callable[[], float]) -> Callable[[], None]:
        def run() -> None:
            self.calls.append(name)
            self.ns += round(ms() * 1e6)

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(probes, "perf_counter_ns", lambda: clock.ns)
    return clock


def made(clock: Clock, monkeypatch: pytest.MonkeyPatch, work: Iterator[float], start: Iterator[float]) -> Probes:
    """Probes whose calls, once they are warm, take what these give."""
    times = {work_probe().name: work, start_probe().name: start}
    ready = False

    class Runner:
        def __init__(self, arch: Any, setting: Setting) -> None:
            self.run = clock.call("probe", lambda: next(times[arch.name]) if ready else 10.0)

    monkeypatch.setattr(probes, "runner", Runner)
    found = Probes(Setting())
    ready = True
    clock.calls.clear()
    return found


def test_a_visit(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each probe's four calls the first two are not counted; a window has the means of those before and after it."""
    starts = sum(tally(start_probe()).values())
    work = iter([99, 88, 1, 3, 99, 88, 4, 4, 99, 88, 7, 9])  # 2, 4, 8
    start = iter([99, 88, starts, starts, 99, 88, 3 * starts, 3 * starts, 99, 88, 5 * starts, 5 * starts])
    own = iter([99.0, 50.0, 99.0, 1.0, 2.0])  # a long call is a window; the first one before it is not counted
    found = made(clock, monkeypatch, work, start)
    monkeypatch.setattr(probes, "WINDOW_MS", 2.5)
    assert found.visit(clock.call("own", lambda: next(own))) == (
        Window(50.0, 3.0, 2.0), Window(1.5, 6.0, 4.0),
    )  # fmt: skip
    assert "".join(name[0] for name in clock.calls) == "pppppppp" + "oo" + "pppppppp" + "ooo" + "pppppppp"


def test_a_window_is_a_median_and_its_first_call_does_not_count(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([50.0, 9.0])
    call = clock.call("own", lambda: next(times, 4.0))
    monkeypatch.setattr(probes, "WINDOW_MS", 20.0)
    assert (probes._window(call), len(clock.calls)) == (4.0, 5)  # 9, 4 and 4 ms are too few, another 4 enough


def test_calls_until_warm(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "WARM", 0.01)
    warmed(clock.call("own", lambda: 4.0))
    assert len(clock.calls) == 3
    warmed(clock.call("own", lambda: 40.0))
    assert len(clock.calls) == 4


def test_what_the_probes_are() -> None:
    """Plain convolutions; one computes, the other has more operations and next to no work."""
    for arch in (work_probe(), start_probe()):
        assert all(isinstance(stage.block, BasicResidual) for stage in arch.stages)
    work, start = cost(work_probe()), cost(start_probe())
    assert work.macs > 15 * start.macs and 1e6 < start.macs < 4e6
    assert 20 <= sum(tally(start_probe()).values()) <= 30


def test_they_see_one_image_whatever_the_batch(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many the second would compute."""
    batches: list[int] = []

    class Runner:
        def __init__(self, arch: Any, setting: Setting) -> None:
            batches.append(setting.batch)
            self.run = clock.call("probe", lambda: 20.0)

    monkeypatch.setattr(probes, "runner", Runner)
    Probes(Setting(batch=64))
    assert batches == [1, 1]


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_really_timed(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, arch in (("work_probe", small("work")), ("start_probe", small("start"))):
        monkeypatch.setattr(probes, name, lambda arch=arch: arch)
    setting = Setting(engine=engine, threads=1)
    with session(setting):
        windows = Probes(setting).visit(probes.runner(small(), setting).run)
    assert len(windows) == probes.WINDOWS and min(min(one) for one in windows) > 0

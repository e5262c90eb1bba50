"""Timing networks for a profile: now and again later, between probes, and without those that the engine cannot load."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, cycle
from typing import Any

import msgspec
import pytest

from tests.latency.small import small
from vertebra.engines.operations import TIMERS
from vertebra.engines.timing import Call
from vertebra.errors import ArchitectureError, EngineError
from vertebra.latency import building, noting, probes
from vertebra.latency.building import Timed, timings
from vertebra.latency.learning import FEWEST
from vertebra.latency.pace import Window
from vertebra.latency.probes import Probes
from vertebra.latency.sampling import Sample
from vertebra.latency.setting import Setting
from vertebra.latency.units import placed


def counted(count: int) -> Callable[[], bool]:
    """Going until it was asked so often."""
    asked = iter(range(count - 1))
    return lambda: next(asked, None) is not None


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One window of a call for each visit."""
    for module, name, value in (
        (probes, "WARM", 0.0), (probes, "WINDOW_MS", 0.0), (probes, "WINDOWS", 1), (noting, "RUNS", 1),
        (probes, "work_probe", lambda: small("work")), (probes, "start_probe", lambda: small("start")),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def visits(quick: None, monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """What the probes gave, made up: one, two, ... milliseconds."""
    given: list[Window] = []

    def visit(self: Probes, call: Call) -> tuple[Window, ...]:
        given.append(Window(len(given) + 1.0, 1.0, 1.0))
        return (given[-1],)

    monkeypatch.setattr(building.Probes, "visit", visit)
    return given


def sample(name: str, whole: bool = False) -> Sample:
    return Sample(small(name), "own", whole)


def names(found: list[Timed]) -> list[str]:
    return [one.sample.arch.name for one in found]


def own(found: list[Timed]) -> list[list[float]]:
    return [[window.ms for window in one.windows] for one in found]


TORCH = Setting(engine="torch", threads=1)


@pytest.mark.parametrize("engine", TIMERS)
def test_networks_are_really_timed(quick: None, engine: str) -> None:
    setting = Setting(engine=engine, threads=1)
    shallow, whole = timings(setting, cycle([sample("shallow"), sample("whole", True)]), counted(2))
    assert [unit for unit, _ in shallow.noted] == [one.unit for one in placed(small())]
    assert sum(ms for _, ms in shallow.noted) > 0 and min(min(one) for one in shallow.windows) > 0
    assert whole.noted == () and whole.sample == sample("whole", True)


def test_an_engine_that_notes_nothing(quick: None) -> None:
    (found,) = timings(TORCH, cycle([sample("net")]), counted(1))
    assert found.noted == () and len(found.windows) == 1


def test_networks_are_visited_again_later(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times, two others apart; the last ones as often as there was time for."""
    monkeypatch.setattr(building, "SPACING", 2)
    found = timings(TORCH, (sample(f"net{place}") for place in count()), counted(6))
    assert names(found) == [f"net{place}" for place in range(6)]
    # 1; 2; 3 and net0; 5 and net1; 7, net2 and net0; 10, net3 and net1
    assert own(found) == [[1, 4, 9], [2, 6, 12], [3, 8], [5, 11], [7], [10]]


def test_the_probes_are_loaded_anew_now_and_then(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    real = probes.runner
    monkeypatch.setattr(probes, "runner", lambda arch, setting: (loaded.append(arch.name), real(arch, setting))[1])
    monkeypatch.setattr(building, "PROBED", 2)
    timings(TORCH, cycle([sample("net")]), counted(5))
    assert loaded == ["work", "start"] * 3


def test_no_more_are_ready_than_the_engine_allows(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile compiles a code only so often; the probes count too.  Two beside the newest: two later visits."""
    monkeypatch.setattr(building, "SPACING", 1)
    monkeypatch.setattr(building, "VISITS", 9)
    monkeypatch.setitem(building.WAYS, "torch", msgspec.structs.replace(building.WAYS["torch"], most=5))
    assert [len(one) for one in own(timings(TORCH, cycle([sample("net")]), counted(9)))] == [3] * 7 + [2, 1]
    monkeypatch.setitem(building.WAYS, "torch", msgspec.structs.replace(building.WAYS["torch"], most=3))
    assert [len(one) for one in own(timings(TORCH, cycle([sample("net")]), counted(9)))] == [1] * 9


def test_no_more_are_ready_than_the_memory_holds(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "SPACING", 1)
    monkeypatch.setattr(building, "READY_BYTES", 1.5 * building.footprint(small(), TORCH, None))
    assert [len(one) for one in own(timings(TORCH, cycle([sample("net")]), counted(4)))] == [2, 2, 2, 1]


def test_ctrl_c_ends_the_timing_early(visits: list[Window]) -> None:
    def interrupted(after: int) -> Callable[[], bool]:
        going = counted(after)

        def asked() -> bool:
            if not going():
                raise KeyboardInterrupt
            return True

        return asked

    assert len(timings(TORCH, cycle([sample("net")]), interrupted(2 * FEWEST))) == 2 * FEWEST
    with pytest.raises(KeyboardInterrupt):
        timings(TORCH, cycle([sample("net")]), interrupted(2 * FEWEST - 1))


@pytest.mark.parametrize("error", [EngineError, ArchitectureError])
def test_what_cannot_be_run_is_passed_over(
    visits: list[Window], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    real, tried = building.ready, []

    def ready(one: Sample, setting: Setting) -> Any:
        tried.append(one.arch.name)
        if one.arch.name == "bad":
            raise error("not this one")
        return real(one, setting)

    monkeypatch.setattr(building, "ready", ready)
    monkeypatch.setattr(building, "FAILURES", 3)
    seldom = cycle([*[sample("bad")] * 2, sample("good")])
    assert names(timings(TORCH, seldom, counted(4))) == ["good"] * 4, "eight in all, two in a row"
    tried.clear()
    with pytest.raises(error, match="not this one"):
        timings(TORCH, cycle([sample("bad")]), counted(1))
    assert tried == ["bad"] * 3, "after as many in a row the fault is the engine's"

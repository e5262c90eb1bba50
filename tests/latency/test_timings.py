"""Timing networks for a profile: now and again later, between probes, and without those that the engine cannot load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, cycle
from typing import Any

import msgspec
import pytest

from tests.latency.small import small
from vertebra.engines.operations import TIMERS
from vertebra.engines.timing import Call
from vertebra.errors import ArchitectureError, EngineError, Interrupted, ProfileError
from vertebra.latency import noting, probes
from vertebra.latency import timings as module
from vertebra.latency.pace import Window
from vertebra.latency.probes import Probes
from vertebra.latency.sampling import Sample
from vertebra.latency.setting import Setting
from vertebra.latency.timings import ENOUGH, Timed, timings
from vertebra.latency.units import placed


def counted(count: int) -> Callable[[int], bool]:
    """Going until so many are timed."""
    return lambda timed: timed < count


def run(drawn: Iterator[Sample], going: Callable[[int], bool], setting: Setting | None = None) -> list[Timed]:
    return timings(setting or TORCH, drawn, going, lambda line: pytest.fail(line))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One window of a call for each visit."""
    for place, name, value in (
        (probes, "WARM", 0.0), (probes, "WINDOW_MS", 0.0), (probes, "WINDOWS", 1), (noting, "RUNS", 1),
        (probes, "work_probe", lambda: small("work")), (probes, "start_probe", lambda: small("start")),
    ):  # fmt: skip
        monkeypatch.setattr(place, name, value)


@pytest.fixture
def visits(quick: None, monkeypatch: pytest.MonkeyPatch) -> list[Window]:
    """What the probes gave, made up: one, two, ... milliseconds."""
    given: list[Window] = []

    def visit(self: Probes, call: Call) -> tuple[Window, ...]:
        given.append(Window(len(given) + 1.0, 1.0, 1.0))
        return (given[-1],)

    monkeypatch.setattr(module.Probes, "visit", visit)
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
    shallow, whole = run(cycle([sample("shallow"), sample("whole", True)]), counted(2), setting)
    assert [unit for unit, _ in shallow.noted] == [one.unit for one in placed(small())]
    assert sum(ms for _, ms in shallow.noted) > 0 and min(min(one) for one in shallow.windows) > 0
    assert whole.noted == () and whole.sample == sample("whole", True)


def test_an_engine_that_notes_nothing(quick: None) -> None:
    (found,) = run(cycle([sample("net")]), counted(1))
    assert found.noted == () and len(found.windows) == 1


def test_networks_are_visited_again_later(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times, two others apart; the last ones as often as there was time for."""
    monkeypatch.setattr(module, "SPACING", 2)
    found = run((sample(f"net{place}") for place in count()), counted(6))
    assert names(found) == [f"net{place}" for place in range(6)]
    # 1; 2; 3 and net0; 5 and net1; 7, net2 and net0; 10, net3 and net1
    assert own(found) == [[1, 4, 9], [2, 6, 12], [3, 8], [5, 11], [7], [10]]


def test_the_probes_are_loaded_anew_now_and_then(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    real = probes.runner
    monkeypatch.setattr(probes, "runner", lambda arch, setting: (loaded.append(arch.name), real(arch, setting))[1])
    monkeypatch.setattr(module, "PROBED", 2)
    run(cycle([sample("net")]), counted(5))
    assert loaded == ["work", "start"] * 3


def test_no_more_are_ready_than_the_engine_allows(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile compiles a code only so often; the probes count too.  Two beside the newest: two later visits."""
    monkeypatch.setattr(module, "SPACING", 1)
    monkeypatch.setattr(module, "VISITS", 9)
    monkeypatch.setitem(module.ENGINES, "torch", msgspec.structs.replace(module.ENGINES["torch"], most=5))
    assert [len(one) for one in own(run(cycle([sample("net")]), counted(9)))] == [3] * 7 + [2, 1]
    monkeypatch.setitem(module.ENGINES, "torch", msgspec.structs.replace(module.ENGINES["torch"], most=3))
    assert [len(one) for one in own(run(cycle([sample("net")]), counted(9)))] == [1] * 9


def test_no_more_are_ready_than_the_memory_holds(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPACING", 1)
    monkeypatch.setattr(module, "ready_bytes", lambda: 1.5 * module.footprint(small(), TORCH, None))
    assert [len(one) for one in own(run(cycle([sample("net")]), counted(4)))] == [2, 2, 2, 1]


def stopped(after: int) -> Callable[[int], bool]:
    """Ctrl-C after so many networks."""

    def going(timed: int) -> bool:
        if timed == after:
            raise KeyboardInterrupt
        return True

    return going


def test_ctrl_c_ends_the_timing_early(visits: list[Window]) -> None:
    said: list[str] = []
    assert len(timings(TORCH, cycle([sample("net")]), stopped(ENOUGH), said.append)) == ENOUGH == 60
    assert said == ["stopped: a profile is made of the 60 networks that were timed; Ctrl-C again drops them"]


def test_an_early_ctrl_c_says_what_is_lost(visits: list[Window]) -> None:
    with pytest.raises(Interrupted) as found:
        run(cycle([sample("net")]), stopped(ENOUGH - 1))
    assert str(found.value) == (
        "stopped: 59 networks were timed, and no profile is made of them (allowed: 60 networks or more)"
    )


# -- failures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [EngineError, ArchitectureError])
def test_what_cannot_be_loaded_is_left_out(
    visits: list[Window], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    real, tried, said = module.ready, [], []

    def ready(one: Sample, setting: Setting) -> Any:
        tried.append(one.arch.name)
        if one.arch.name == "bad":
            raise error("not this one")
        return real(one, setting)

    monkeypatch.setattr(module, "ready", ready)
    monkeypatch.setattr(module, "FAILURES", 3)
    seldom = cycle([*[sample("bad")] * 2, sample("good")])
    assert names(timings(TORCH, seldom, counted(4), said.append)) == ["good"] * 4, "eight in all, two in a row"
    assert said == ["8 networks are left out that torch could not run, the last bad: not this one"]
    tried.clear()
    with pytest.raises(EngineError) as found:
        run(cycle([sample("bad")]), counted(1))
    assert tried == ["bad"] * 3, "after as many in a row the fault is the engine's"
    assert str(found.value) == (
        "torch could not run 3 networks in a row, the last bad: not this one; "
        "see whether `vertebra measure resnet18 --engine torch` works"
    )


class Fragile:
    """Stands for ``Probes``: networks run, until it is the turn of the ``fails``-th visit of those named bad."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: int) -> None:
        self.fails, self.seen, self.loaded = fails, 0, 0
        real = module.ready
        monkeypatch.setattr(module, "ready", lambda one, setting: real(one, setting)._replace(run=self._call(one)))
        monkeypatch.setattr(module, "warmed", lambda call: None)
        monkeypatch.setattr(module, "Probes", self._probes)

    def _probes(self, setting: Setting) -> Fragile:
        self.loaded += 1
        return self

    def _call(self, one: Sample) -> Call:
        def call() -> None:
            self.seen += one.arch.name == "bad"
            if one.arch.name == "bad" and self.seen == self.fails:
                raise EngineError("it broke")

        return call

    def visit(self, call: Call) -> tuple[Window, ...]:
        call()
        return (Window(1.0, 1.0, 1.0),)


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_network_that_fails_in_the_midst_is_left_out(
    quick: None, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    """At whichever visit; the others are timed as if it had not been, with probes that are loaded anew."""
    monkeypatch.setattr(module, "SPACING", 2)
    fragile, said = Fragile(monkeypatch, fails), []
    drawn = iter([sample("bad"), *(sample(f"net{place}") for place in range(7))])
    found = timings(TORCH, drawn, counted(7), said.append)
    assert names(found) == [f"net{place}" for place in range(7)]
    assert max(len(one.windows) for one in found) == 3
    assert said == ["a network is left out that torch could not run, the last bad: it broke"]
    assert fragile.loaded == 2


def test_an_engine_that_breaks_for_good(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks load, and none runs: it does not go on until the time is up."""

    class Broken(Fragile):
        def visit(self, call: Call) -> tuple[Window, ...]:
            raise EngineError("out of memory")

    Broken(monkeypatch, 0)
    monkeypatch.setattr(module, "FAILURES", 4)
    with pytest.raises(EngineError, match="torch could not run 4 networks in a row, the last net: out of memory"):
        run(cycle([sample("net")]), counted(1))  # nothing is said beside


def test_what_an_engine_cannot_tell_afterwards(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    def noted() -> Any:
        raise EngineError("no times")

    real, said = module.ready, []
    fails = {"bad": noted}
    monkeypatch.setattr(
        module, "ready", lambda one, setting: real(one, setting)._replace(noted=fails.get(one.arch.name, tuple))
    )
    found = timings(TORCH, iter([sample("good"), sample("bad")]), counted(2), said.append)
    assert names(found) == ["good"]
    assert said == ["a network is left out that torch could not run, the last bad: no times"]


def test_the_time_is_asked_for_after_failures_too(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine may take long to fail."""
    asked: list[int] = []

    def ready(one: Sample, setting: Setting) -> Any:
        raise EngineError("no")

    def going(timed: int) -> bool:
        asked.append(timed)
        return len(asked) < 5

    monkeypatch.setattr(module, "ready", ready)
    assert timings(TORCH, cycle([sample("net")]), going, lambda line: None) == []
    assert asked == [0] * 5


def test_what_was_left_out_is_said_whatever_ended_it(visits: list[Window], monkeypatch: pytest.MonkeyPatch) -> None:
    def ready(one: Sample, setting: Setting) -> Any:
        raise EngineError("no")

    def going(timed: int) -> bool:
        raise ProfileError("it will not be enough")

    monkeypatch.setattr(module, "ready", ready)
    said: list[str] = []
    with pytest.raises(ProfileError, match="it will not be enough"):
        timings(TORCH, cycle([sample("net")]), going, said.append)
    assert said == ["a network is left out that torch could not run, the last net: no"]

"""Building a profile: what is timed, what is learned of it, what is held back, and what ends it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np
import pytest

from tests.latency.made_up import made_up_profile
from tests.latency.small import small
from vertebra.arch.architecture import Architecture
from vertebra.engines.device import describe
from vertebra.engines.operations import TIMERS
from vertebra.errors import (
    ArchitectureError,
    EngineError,
    MissingExtraError,
    ProfileError,
    UnknownNameError,
    UsageError,
)
from vertebra.latency import building, noting
from vertebra.latency.building import CALIBRATING, FAILURES, GROUP, INTERVAL, NEIGHBOURS, Timed, build, learned, timings
from vertebra.latency.estimator import Estimator
from vertebra.latency.learning import FEWEST
from vertebra.latency.predictor import Predictor
from vertebra.latency.profile import Profile
from vertebra.latency.sampling import Sample
from vertebra.latency.setting import Setting
from vertebra.latency.units import placed, tally
from vertebra.zoo.registry import families

SETTING = Setting(threads=1)
UNIT_MS, NOTED_MS, START = 0.5, 0.75, 2.0
"""Of every unit as it runs and as it is noted, and of a run."""

ESTIMATOR = made_up_profile().estimator


def timed(count: int, slow: frozenset[int] = frozenset()) -> list[Timed]:
    """As many networks; at the places in ``slow`` the machine takes twice as long for everything."""
    found = []
    for place in range(count):
        arch = small(f"net{place}", 4 + place)
        speed = 2.0 if place in slow else 1.0
        noted = tuple((one.unit, NOTED_MS * speed) for one in placed(arch)) if place % 3 != 2 else ()
        ms = (START + UNIT_MS * sum(tally(arch).values())) * speed
        found.append(Timed(Sample(arch, "own", place % 3 == 2), ms, 10.0 * speed, noted))
    return found


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was to be learned, instead of learning it."""
    given: list[tuple[Any, ...]] = []

    def learn(units: Any, networks: Any, *, advance: Any = None) -> Estimator:
        if len(networks) < FEWEST:
            raise ProfileError(f"{len(networks)} networks were timed")
        given.append((units, networks))
        if advance is not None:
            advance(1, 2)
            advance(2, 2)
        return ESTIMATOR

    monkeypatch.setattr(building, "learn", learn)
    return given


# -- from times to a profile --------------------------------------------------------------------------------------


def test_a_profile_of_what_was_timed(lessons: list[tuple[Any, ...]]) -> None:
    profile = learned(SETTING, timed(48), 12.5)
    assert (profile.device, profile.setting, profile.seconds) == (describe(), SETTING, 12.5)
    assert profile.version.startswith("onnxruntime ") and profile.made.endswith("+00:00")
    assert profile.reference_ms == 10.0 and len(profile.networks) == 48
    for network, one in zip(profile.networks, timed(48), strict=True):
        counts = {profile.units[place].unit: times for place, times in network.units}
        assert counts == tally(one.sample.arch)
        assert (network.name, network.family, network.whole, network.ms) == (
            one.sample.arch.name, "own", one.sample.whole, one.ms,
        )  # fmt: skip
    assert Profile.of(profile.stored()) == profile
    assert Predictor.of(profile).predict(small()).ms > 0


def test_what_is_held_back_is_not_learned_from(lessons: list[tuple[Any, ...]]) -> None:
    """Neither the network's time nor its units'; the interval is of the ratios that it shows."""
    rows = timed(48)
    profile = learned(SETTING, rows, 1.0)
    ((units, networks),) = lessons
    held = rows[::CALIBRATING]
    assert len(networks) == 42 and not {one.name for one in networks} & {one.sample.arch.name for one in held}
    others = {unit for place, one in enumerate(rows) if place % CALIBRATING for unit, _ in one.noted}
    alone = {unit for one in held for unit, _ in one.noted} - others
    assert alone and all((one.ms is None) == (one.unit not in others) for one in units)
    ratios = [one.ms / Predictor.of(profile).predict(one.sample.arch).ms for one in held]
    assert profile.interval == pytest.approx(tuple(np.quantile(ratios, INTERVAL)), rel=1e-4)


def test_a_unit_has_the_median_of_its_times(lessons: list[tuple[Any, ...]]) -> None:
    learned(SETTING, timed(48), 1.0)
    ((units, _),) = lessons
    assert all(one.ms == pytest.approx(NOTED_MS) for one in units if one.ms is not None)
    assert any(one.times > 1 for one in units) and all(one.times == 0 for one in units if one.ms is None)


def test_a_unit_that_was_noted_within_a_burst(lessons: list[tuple[Any, ...]]) -> None:
    """One network was disturbed while its units were noted, and not while it was timed."""
    rows = timed(48)
    rows[1] = rows[1]._replace(noted=tuple((unit, 3 * ms) for unit, ms in rows[1].noted))
    learned(SETTING, rows, 1.0)
    ((units, _),) = lessons
    assert all(one.ms == pytest.approx(NOTED_MS) for one in units if one.ms is not None)


def test_a_machine_that_was_slow_for_a_while_counts_for_none(lessons: list[tuple[Any, ...]]) -> None:
    """By the reference network: those that were timed at half the speed give the times of the others."""
    reach = NEIGHBOURS * GROUP
    slow = frozenset(range(reach + 1, 2 * reach + 5))
    count = 4 * reach + 5
    assert [one.ms for one in learned(SETTING, timed(count, slow), 1.0).networks] == [one.ms for one in timed(count)]


def test_one_disturbed_reference_changes_nothing(lessons: list[tuple[Any, ...]]) -> None:
    rows = timed(50)
    rows[30] = rows[30]._replace(reference_ms=100.0)
    assert [one.ms for one in learned(SETTING, rows, 1.0).networks] == [one.ms for one in timed(50)]


def test_too_few_networks() -> None:
    for count in (0, 1, FEWEST):
        with pytest.raises(ProfileError, match=r"networks were timed \(allowed: at least 30\); give it more minutes"):
            learned(SETTING, timed(count), 1.0)


def test_really_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units that take half a millisecond each, whatever they are."""
    monkeypatch.setattr(building, "learn", partial(building.learn, members=1, steps=150))
    profile = learned(SETTING, timed(48), 1.0)
    low, high = profile.interval
    assert 0.7 < low <= high < 1.4
    arch = small("new", 23)
    expected = START + UNIT_MS * sum(tally(arch).values())
    assert Predictor.of(profile).predict(arch).ms == pytest.approx(expected, rel=0.2)


# -- the time that it takes ---------------------------------------------------------------------------------------


def stream(rows: list[Timed], ends: type[BaseException] | None = None) -> Any:
    def timings(setting: Setting, drawn: Iterator[Sample]) -> Iterator[Timed]:
        yield from rows
        if ends is not None:
            raise ends

    return timings


def test_it_ends_when_the_time_is_up(lessons: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which each network takes a second: 85 of 100 seconds are for timing."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(building, "perf_counter_ns", lambda: next(ticks) * 10**9)
    monkeypatch.setattr(building, "timings", stream(timed(200)))
    told: list[tuple[int, int]] = []
    profile = build(SETTING, seconds=100, progress=lambda done, total: told.append((done, total)))
    assert len(profile.networks) == 86 and profile.seconds == 87.0
    assert told == sorted(told) and told[0] == (10, 1000) and told[-1] == (1000, 1000)


def test_ctrl_c_ends_the_timing_early(lessons: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "timings", stream(timed(2 * FEWEST), KeyboardInterrupt))
    assert len(build(SETTING).networks) == 2 * FEWEST
    monkeypatch.setattr(building, "timings", stream(timed(2 * FEWEST - 1), KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build(SETTING)


def test_families_that_are_left_out(lessons: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sample] = []

    def timings(setting: Setting, drawn: Iterator[Sample]) -> Iterator[Timed]:
        seen.extend(islice(drawn, 40))
        yield from timed(48)

    monkeypatch.setattr(building, "timings", timings)
    without = [one.name for one in families() if one.name not in ("resnet", "mobilenet_v2")]
    build(SETTING, without=without)
    assert {one.family for one in seen} == {"resnet", "mobilenet_v2"}
    with pytest.raises(UnknownNameError, match=r"without: unknown family 'resnett' \(allowed: alexnet, "):
        build(SETTING, without=("resnet", "resnett"))


@pytest.mark.parametrize("seconds", [0, -1, 0.5, float("nan"), float("inf"), 86_401, True, "60", None])
def test_strange_seconds(seconds: Any) -> None:
    with pytest.raises(UsageError, match=r"^seconds: .* \(allowed: from 1 to 86,400\)$"):
        build(SETTING, seconds=seconds)


def test_without_torch_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(building, "timings", lambda setting, drawn: pytest.fail("it was timed"))
    with pytest.raises(MissingExtraError):
        build(SETTING)


# -- the times ----------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of two, one turn of a call or two for each."""
    for name, value in {"WARM": 0.0, "WINDOW": 0.0, "GROUP": 2, "ROUNDS": 1}.items():
        monkeypatch.setattr(building, name, value)
    monkeypatch.setattr(noting, "RUNS", 1)
    monkeypatch.setattr(building, "reference_network", lambda: small("reference"))


def sample(name: str, whole: bool = False) -> Sample:
    return Sample(small(name), "own", whole)


@pytest.mark.parametrize("engine", TIMERS)
def test_networks_are_really_timed(quick: None, engine: str) -> None:
    setting = Setting(engine=engine, threads=1)
    shallow, whole = islice(timings(setting, cycle([sample("shallow"), sample("whole", True)])), 2)
    assert [unit for unit, _ in shallow.noted] == [one.unit for one in placed(small())]
    assert sum(ms for _, ms in shallow.noted) > 0 and shallow.ms > 0 and shallow.reference_ms > 0
    assert whole.noted == () and whole.sample == sample("whole", True)


def test_an_engine_that_notes_nothing(quick: None) -> None:
    found = next(timings(Setting(engine="torch", threads=1), cycle([sample("net")])))
    assert found.noted == () and found.ms > 0


def test_the_quickest_of_rounds_that_lie_apart(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rounds of the reference and two networks; each was disturbed in another one."""
    turns = iter([1.0, 20.0, 3.0, 10.0, 2.0, 30.0, 1.5, 2.5, 4.0])
    monkeypatch.setattr(building, "ROUNDS", 3)
    monkeypatch.setattr(building, "_window", lambda call: next(turns))
    found = islice(timings(Setting(engine="torch", threads=1), cycle([sample("one"), sample("two")])), 2)
    assert [(one.ms, one.reference_ms) for one in found] == [(2.0, 1.0), (3.0, 1.0)]


def test_the_reference_is_loaded_anew_for_each_group(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real, loaded = building.runner, []

    def runner(arch: Architecture, setting: Setting) -> Any:
        loaded.append(arch.name)
        return real(arch, setting)

    monkeypatch.setattr(building, "runner", runner)
    list(islice(timings(Setting(engine="torch", threads=1), cycle([sample("net")])), 6))
    assert loaded == ["reference"] * 3


@pytest.mark.parametrize("error", [EngineError, ArchitectureError])
def test_what_cannot_be_run_is_passed_over(
    quick: None, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    real, tried = building.ready, []

    def ready(one: Sample, setting: Setting) -> Any:
        tried.append(one.arch.name)
        if one.arch.name == "bad":
            raise error("not this one")
        return real(one, setting)

    monkeypatch.setattr(building, "ready", ready)
    found = islice(timings(SETTING, cycle([sample("bad"), sample("good")])), 4)
    assert [one.sample.arch.name for one in found] == ["good"] * 4
    tried.clear()
    with pytest.raises(error, match="not this one"):
        next(timings(SETTING, cycle([sample("bad")])))
    assert tried == ["bad"] * FAILURES, "after as many in a row the fault is the engine's"


def test_a_turn_is_a_median_and_its_first_call_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now, calls = 0, 0

    def call() -> None:
        nonlocal now, calls
        calls += 1
        now += {1: 50, 2: 9}.get(calls, 4) * 10**6

    monkeypatch.setattr(building, "perf_counter_ns", lambda: now)
    monkeypatch.setattr(building, "WINDOW", 0.02)
    assert (building._window(call), calls) == (4.0, 5)  # 9 + 4 + 4 ms are too few, another 4 enough
    monkeypatch.setattr(building, "WINDOW", 0.0)
    assert (building._window(call), calls) == (4.0, 7)


def test_the_reference_is_made_of_plain_convolutions() -> None:
    kinds = {unit.kind for unit in tally(building.reference_network())}
    assert {"depthwise", "grouped"}.isdisjoint(kinds) and "conv" in kinds

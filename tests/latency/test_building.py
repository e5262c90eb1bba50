"""Building a profile: what is timed, what is learned of it, what is held back, and what ends it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate, islice, takewhile
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.latency.made_up import made_up_profile
from tests.latency.small import small
from vertebra.arch.architecture import Architecture
from vertebra.engines.device import describe
from vertebra.errors import (
    Interrupted,
    MissingExtraError,
    ProfileError,
    UnknownNameError,
    UsageError,
)
from vertebra.latency import building
from vertebra.latency.building import CALIBRATING, INTERVAL, build, learned
from vertebra.latency.estimator import Estimator
from vertebra.latency.learning import FEWEST
from vertebra.latency.pace import Pace, Window
from vertebra.latency.predictor import Predictor
from vertebra.latency.profile import Profile
from vertebra.latency.sampling import Sample
from vertebra.latency.setting import Setting
from vertebra.latency.timings import Timed
from vertebra.latency.units import placed, tally
from vertebra.zoo.registry import families

SETTING = Setting(threads=1)
UNIT_MS, NOTED_MS, START = 0.5, 0.75, 2.0
"""Of every unit as it runs and as it is noted, and of a run."""

PACE = Pace(1.0, 0.01)
"""The usual one of what :func:`timed` makes up."""

ESTIMATOR = made_up_profile().estimator


def own_ms(arch: Architecture) -> float:
    return START + UNIT_MS * sum(tally(arch).values())


def timed(count: int, slow: frozenset[int] = frozenset()) -> list[Timed]:
    """As many networks; at the places in ``slow`` the machine takes twice as long for everything."""
    found = []
    for place in range(count):
        arch = small(f"net{place}", 4 + place)
        slower = 2.0 if place in slow else 1.0
        noted = tuple((one.unit, NOTED_MS * slower) for one in placed(arch)) if place % 3 != 2 else ()
        window = Window(own_ms(arch) * slower, PACE.work_ms * slower, PACE.start_ms * slower)
        found.append(Timed(Sample(arch, "own", place % 3 == 2), (window,) * 3, noted))
    return found


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was to be learned, instead of learning it."""
    given: list[tuple[Any, ...]] = []

    def learn(units: Any, networks: Any, *, left_out: Any, steps: int, advance: Any = None) -> Estimator:
        if len(networks) < FEWEST:
            raise ProfileError(f"{len(networks)} networks were timed")
        given.append((units, networks, left_out))
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
    assert profile.pace == PACE and len(profile.networks) == 48
    for network, one in zip(profile.networks, timed(48), strict=True):
        counts = {profile.units[place].unit: times for place, times in network.units}
        assert counts == tally(one.sample.arch)
        assert (network.name, network.family, network.whole) == (one.sample.arch.name, "own", one.sample.whole)
        assert network.ms == pytest.approx(own_ms(one.sample.arch))
    assert Profile.of(profile.stored()) == profile
    assert Predictor.of(profile).predict(small()).ms > 0


def test_what_a_member_is_not_taught_tells_the_interval(lessons: list[tuple[Any, ...]]) -> None:
    """Each member leaves other networks out, whole ones; the interval is of the ratios that it shows for them alone."""
    rows = timed(48)
    profile = learned(SETTING, rows, 1.0)
    ((_, networks, left_out),) = lessons
    whole = [place for place, one in enumerate(rows) if one.sample.whole]
    assert [sorted(places) for places in left_out] == [whole[0::CALIBRATING], whole[1::CALIBRATING]]
    assert len(networks) == 48 and len(left_out) == len(ESTIMATOR.members)
    ratios = []
    for member, places in zip(ESTIMATOR.members, left_out, strict=True):
        alone = msgspec.structs.replace(profile, estimator=msgspec.structs.replace(ESTIMATOR, members=(member,)))
        archs = [rows[place].sample.arch for place in sorted(places)]
        ratios += [own_ms(arch) / Predictor.of(alone).predict(arch).ms for arch in archs]
    assert profile.interval == pytest.approx(tuple(np.quantile(ratios, INTERVAL)), rel=1e-4)


def test_a_unit_has_the_median_of_its_times(lessons: list[tuple[Any, ...]]) -> None:
    learned(SETTING, timed(48), 1.0)
    ((units, _, _),) = lessons
    assert all(one.ms == pytest.approx(NOTED_MS) for one in units if one.ms is not None)
    assert any(one.times > 1 for one in units) and all(one.times == 0 for one in units if one.ms is None)


def test_a_unit_that_was_noted_within_a_burst(lessons: list[tuple[Any, ...]]) -> None:
    """One network was disturbed while its units were noted, and not while it was timed."""
    rows = timed(48)
    rows[1] = rows[1]._replace(noted=tuple((unit, 3 * ms) for unit, ms in rows[1].noted))
    learned(SETTING, rows, 1.0)
    ((units, _, _),) = lessons
    assert all(one.ms == pytest.approx(NOTED_MS) for one in units if one.ms is not None)


def test_a_machine_that_was_slow_for_a_while_counts_for_none(lessons: list[tuple[Any, ...]]) -> None:
    """By the probes: networks that were timed at half the pace give the times of the others, and so do their units."""
    profile = learned(SETTING, timed(60, frozenset(range(20, 35))), 1.0)
    expected = [own_ms(one.sample.arch) for one in timed(60)]
    assert [one.ms for one in profile.networks] == pytest.approx(expected)
    ((units, _, _),) = lessons
    assert all(one.ms == pytest.approx(NOTED_MS) for one in units if one.ms is not None)


def test_one_disturbed_window_changes_nothing(lessons: list[tuple[Any, ...]]) -> None:
    rows = timed(50)
    rows[30] = rows[30]._replace(windows=(*rows[30].windows[:2], Window(100.0, 1.0, 0.01)))
    expected = [own_ms(one.sample.arch) for one in rows]
    assert [one.ms for one in learned(SETTING, rows, 1.0).networks] == pytest.approx(expected)


def test_too_few_networks() -> None:
    for count in (0, 1, FEWEST - 1):
        with pytest.raises(ProfileError, match=r"networks were timed \(allowed: at least 30\); give it more minutes"):
            learned(SETTING, timed(count), 1.0)


def test_really_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units that take half a millisecond each, whatever they are."""
    monkeypatch.setattr(building, "learn", partial(building.learn, steps=150))
    profile = learned(SETTING, timed(48), 1.0)
    low, high = profile.interval
    assert 0.7 < low <= high < 1.4
    arch = small("new", 23)
    assert Predictor.of(profile).predict(arch).ms == pytest.approx(own_ms(arch), rel=0.2)


# -- the time that it takes ---------------------------------------------------------------------------------------


def stream(rows: list[Timed]) -> Any:
    """Timings that give rows for as long as it goes on."""

    def timings(setting: Setting, drawn: Iterator[Sample], going: Callable[[int], bool], say: Any) -> list[Timed]:
        return [one for _, one in takewhile(lambda pair: going(pair[0]), enumerate(rows, 1))]

    return timings


def test_it_ends_when_the_time_is_up(lessons: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which each network takes a second: 88 of 100 seconds are for timing."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(building, "perf_counter_ns", lambda: next(ticks) * 10**9)
    monkeypatch.setattr(building, "timings", stream(timed(200)))
    told: list[tuple[int, int]] = []
    profile = build(SETTING, seconds=100, progress=lambda done, total: told.append((done, total)))
    assert len(profile.networks) == 88 and profile.seconds == 90.0
    assert told == sorted(told) and told[0] == (10, 1000) and told[-1] == (1000, 1000)


def slow(monkeypatch: pytest.MonkeyPatch, seconds: Sequence[float]) -> list[int]:
    """By a clock on which networks take so many seconds; gives how many were timed when it was asked."""
    times = iter([0.0, *accumulate(seconds), *[sum(seconds)] * 9])
    monkeypatch.setattr(building, "perf_counter_ns", lambda: int(next(times) * 1e9))
    asked: list[int] = []

    def timings(setting: Setting, drawn: Iterator[Sample], going: Callable[[int], bool], say: Any) -> list[Timed]:
        for place in range(1, len(seconds) + 1):
            asked.append(place)
            if not going(place):
                break
        return timed(len(asked))

    monkeypatch.setattr(building, "timings", timings)
    return asked


def test_a_time_that_cannot_be_enough_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 264 seconds 100 are gone after two networks; the advice: 1.25 x 30 x 50 s, and the part that learns."""
    asked = slow(monkeypatch, [60, 40, 40])
    with pytest.raises(ProfileError) as found:
        build(Setting(engine="torch.compile", threads=1), seconds=300)
    assert asked == [1, 2]
    assert str(found.value) == (
        "torch.compile fp32, batch 1, 1 thread: 2 networks were timed in 100 s, too slow for 5 minutes "
        "(allowed: at least 30 networks); give it 36 minutes or more"
    )


def test_what_is_advised_is_enough(lessons: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch, [60, 40, *[50] * 40])
    assert len(build(SETTING, seconds=60 * 36).networks) >= FEWEST


def test_slow_networks_among_the_first_end_nothing(
    lessons: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later ones may be twice as quick as the quicker half."""
    asked = slow(monkeypatch, [100, 10, *[4] * 40])
    assert len(build(SETTING, seconds=300).networks) == len(asked) == 41


def test_a_time_that_was_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    slow(monkeypatch, [*[1] * 27, 100])
    with pytest.raises(ProfileError, match=r"28 networks were timed in 127 s, too slow for 1 minute .*give it 4 min"):
        build(SETTING, seconds=60)


def test_ctrl_c_while_it_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    def learned(setting: Setting, timed: Sequence[Timed], seconds: float, *, advance: Any) -> Profile:
        raise KeyboardInterrupt

    monkeypatch.setattr(building, "timings", stream(timed(48)))
    monkeypatch.setattr(building, "learned", learned)
    with pytest.raises(Interrupted, match=r"^stopped before it had learned what 48 networks tell: no profile is kept$"):
        build(SETTING)


def test_families_that_are_left_out(lessons: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sample] = []

    def timings(setting: Setting, drawn: Iterator[Sample], going: Callable[[int], bool], say: Any) -> list[Timed]:
        seen.extend(islice(drawn, 40))
        return timed(48)

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
    monkeypatch.setattr(building, "timings", lambda setting, drawn, going, say: pytest.fail("it was timed"))
    with pytest.raises(MissingExtraError):
        build(SETTING)

"""How a profile is built: random networks are timed for some minutes, and an estimator is learned of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

import msgspec
import numpy as np

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import brief
from vertebra.data.threads import Progress
from vertebra.engines.device import describe
from vertebra.engines.timing import Call
from vertebra.errors import ArchitectureError, EngineError, UnknownNameError, UsageError
from vertebra.latency.engines import runner, session, torch_module, version
from vertebra.latency.learning import FEWEST, learn
from vertebra.latency.noting import Ready, UnitTimes, ready
from vertebra.latency.profile import Profile, TimedNetwork, TimedUnit
from vertebra.latency.sampling import Sample, samples
from vertebra.latency.setting import Setting
from vertebra.latency.units import Unit, tally
from vertebra.zoo.entry import Family
from vertebra.zoo.registry import architecture, families

SECONDS = 300.0
LEARNING = 0.15
"""Part of the time that is kept for learning."""

GROUP, ROUNDS = 8, 5
"""Networks that are ready at once, and the rounds in which they take turns with the reference network.

What disturbs a machine comes in bursts and only ever slows it down: of rounds that lie apart the quickest is its own.
"""

WARM, WINDOW = 0.015, 0.01
"""Seconds of calls before the rounds, and of each turn."""

NEIGHBOURS = 2
"""Groups before and after whose reference times are looked at for the machine's speed."""

CALIBRATING = 8
"""Every so many networks one is not learned from, and tells how wide the interval is."""

INTERVAL = (0.05, 0.95)

FAILURES = 50
"""Networks in a row that the engine cannot run: then the fault is not theirs."""


class Timed(NamedTuple):
    """A network as it was timed: its milliseconds, the reference network's, and its units' where they were noted."""

    sample: Sample
    ms: float
    reference_ms: float
    noted: UnitTimes

    @property
    def surplus_ms(self) -> float:
        """Of each noted unit over its part of the network's time, on average."""
        return (sum(ms for _, ms in self.noted) - self.ms) / len(self.noted)


def build(
    setting: Setting | None = None,
    *,
    seconds: float = SECONDS,
    without: Sequence[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> Profile:
    """Time random networks for about so many ``seconds`` in all, and learn.  Ctrl-C ends the timing early.

    ``without`` leaves families out.  ``progress`` is told of thousandths.  Needs torch, to learn, and onnx.
    Raises ProfileError where too little was timed, EngineError where the engine fails, UsageError for strange seconds,
    UnknownNameError for a family that there is not, MissingExtraError, before anything is timed, without torch.
    """
    setting = setting or Setting()
    if type(seconds) not in (int, float) or not 1 <= seconds <= 86_400:
        raise UsageError(f"{seconds!r}", where="seconds", allowed="from 1 to 86,400")
    chosen = _families(without)
    torch_module()
    begun = perf_counter_ns()

    def told(fraction: float) -> None:
        if progress is not None:
            progress(min(round(1000 * fraction), 1000), 1000)

    timed = []
    try:
        for one in timings(setting, samples(chosen, seed)):
            timed.append(one)
            elapsed = (perf_counter_ns() - begun) / 1e9
            told(elapsed / seconds)
            if elapsed > (1 - LEARNING) * seconds:
                break
    except KeyboardInterrupt:
        if len(timed) < 2 * FEWEST:
            raise
    spent = (perf_counter_ns() - begun) / 1e9
    start = min(spent / seconds, 1.0)
    return learned(setting, timed, spent, advance=lambda done, total: told(start + (1 - start) * done / total))


def _families(without: Sequence[str]) -> list[Family]:
    known = {family.name: family for family in families()}
    strange = sorted(set(without) - set(known))
    if strange:
        raise UnknownNameError(f"unknown family {brief(strange[0])}", where="without", allowed=", ".join(known))
    return [family for name, family in known.items() if name not in without]


def timings(setting: Setting, drawn: Iterator[Sample]) -> Iterator[Timed]:
    """Networks timed in groups; one that the engine cannot run is passed over."""
    with session(setting):
        while True:
            yield from _group(setting, drawn)


def reference_network() -> Architecture:
    """Two milliseconds of plain convolutions on a usual machine."""
    return architecture("resnet18").scaled(width=0.5).with_resolution(128)


def _group(setting: Setting, drawn: Iterator[Sample]) -> Iterator[Timed]:
    """The reference network is loaded anew: where a load comes to lie in memory may make it some percent quicker or
    slower for as long as it lives.
    """
    reference = runner(reference_network(), setting).run
    _warmed(reference)
    group: list[Ready] = []
    failed = 0
    while len(group) < GROUP:
        sample = next(drawn)
        try:
            one = ready(sample, setting)
            _warmed(one.run)
            one.warm()
            group.append(one)
        except (EngineError, ArchitectureError):  # it lacks an operation, or ONNX a rule for a user's own kind
            failed += 1
            if failed == FAILURES:
                raise
    calls = [reference, *(one.run for one in group)]
    turns = [[_window(call) for call in calls] for _ in range(ROUNDS)]
    beside, *times = (min(of_call) for of_call in zip(*turns, strict=True))
    for one, ms in zip(group, times, strict=True):
        yield Timed(one.sample, ms, beside, one.noted())


def _warmed(call: Call) -> None:
    end = perf_counter_ns() + WARM * 1e9
    call()
    while perf_counter_ns() < end:
        call()


def _window(call: Call) -> float:
    """The median milliseconds of a turn; the first call, which brings the weights back into the caches, is not one."""
    call()
    taken: list[int] = []
    end = perf_counter_ns() + WINDOW * 1e9
    while not taken or perf_counter_ns() < end:
        before = perf_counter_ns()
        call()
        taken.append(perf_counter_ns() - before)
    return median(taken) / 1e6


def learned(
    setting: Setting, timed: Sequence[Timed], seconds: float, *, advance: Callable[[int, int], None] | None = None
) -> Profile:
    """A profile of what was timed; raises ProfileError for too few networks.  ``advance`` is told of steps."""
    speeds = _speeds(timed)
    surplus = [one.surplus_ms for one in timed if one.noted]
    table = _Units(max(median(surplus), 0.0) if surplus else 0.0)
    networks = [
        table.enter(one, speed, noting=place % CALIBRATING > 0)
        for place, (one, speed) in enumerate(zip(timed, speeds, strict=True))
    ]
    held = networks[::CALIBRATING]
    others = [one for place, one in enumerate(networks) if place % CALIBRATING != 0]
    units = table.rows()
    estimator = learn(units, others, advance=advance)
    profile = Profile(
        device=describe(),
        setting=setting,
        version=version(setting),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        reference_ms=median(one.reference_ms for one in timed),
        units=units,
        networks=tuple(networks),
        estimator=estimator,
        interval=(1.0, 1.0),
    )
    return _with_interval(profile, held)


def _with_interval(profile: Profile, held: Sequence[TimedNetwork]) -> Profile:
    """With the interval that networks which were not learned from show."""
    ready = profile.estimator.ready()
    parts = ready.parts(one.unit for one in profile.units)
    sums = ([sum(part[place] * count for place, count in one.units) for part in parts] for one in held)
    ratios = [one.ms / ready.total(*both) for one, both in zip(held, sums, strict=True)]
    low, high = np.quantile(ratios, INTERVAL)
    return msgspec.structs.replace(profile, interval=(float(low), float(high)))


def _speeds(timed: Sequence[Timed]) -> list[float]:
    """How slow the machine was at each network, as a ratio: by the reference times of the groups around it."""
    times = [one.reference_ms for one in timed]
    usual, reach = median(times) if times else 1.0, NEIGHBOURS * GROUP
    return [median(times[max(0, place - reach) : place + reach + 1]) / usual for place in range(len(times))]


class _Units:
    """The distinct units of what was timed, and their times; noting one takes ``surplus_ms``."""

    def __init__(self, surplus_ms: float) -> None:
        self._surplus = surplus_ms
        self._times: dict[Unit, list[float]] = {}
        self._places: dict[Unit, int] = {}

    def enter(self, one: Timed, speed: float, *, noting: bool = True) -> TimedNetwork:
        """Enter a network's units, their times where ``noting``, at the machine's usual speed; gives the network.

        Units were noted once, perhaps within a burst, which the network's own time shows.
        """
        burst = sum(ms for _, ms in one.noted) / (one.ms + self._surplus * len(one.noted))
        for unit, ms in one.noted if noting else ():
            self._times.setdefault(unit, []).append(ms / speed / burst)
        counts = tally(one.sample.arch)
        pairs = tuple((self._places.setdefault(unit, len(self._places)), times) for unit, times in counts.items())
        return TimedNetwork(one.sample.arch.name, one.sample.family, one.sample.whole, pairs, one.ms / speed)

    def rows(self) -> tuple[TimedUnit, ...]:
        """Every unit with the median of its times."""
        return tuple(
            TimedUnit(unit, median(self._times[unit]), len(self._times[unit]))
            if unit in self._times
            else TimedUnit(unit)
            for unit in self._places
        )

"""How a profile is built: random networks are timed for some minutes, and an estimator is learned of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

import msgspec
import numpy as np

from vertebra.arch.record import brief
from vertebra.data.threads import Progress
from vertebra.engines.device import describe
from vertebra.errors import ArchitectureError, EngineError, UnknownNameError, UsageError
from vertebra.latency.engines import WAYS, session, torch_module, version
from vertebra.latency.estimator import Estimator
from vertebra.latency.learning import FEWEST, MEMBERS, check_enough, learn
from vertebra.latency.measure import READY_BYTES, footprint
from vertebra.latency.noting import Ready, UnitTimes, ready
from vertebra.latency.pace import Pace, Window
from vertebra.latency.probes import PROBES, Probes, warmed
from vertebra.latency.profile import Profile, TimedNetwork, TimedUnit
from vertebra.latency.sampling import Sample, samples
from vertebra.latency.setting import Setting
from vertebra.latency.units import Unit, tally
from vertebra.zoo.entry import Family
from vertebra.zoo.registry import families

SECONDS = 300.0
LEARNING = 0.15
"""Part of the time that is kept for learning."""

VISITS, SPACING = 3, 12
"""Times that each network is timed, and how many others are made ready in between, some seconds: a machine that others
share may be slow for a while in ways that the probes do not show.

More networks tell more than more visits: half as many networks put a tenth fewer predictions within 10%, half as many
visits none.
"""

PROBED = 8
"""Every so many networks the probes are loaded anew: where a load comes to lie in memory may make it some percent
quicker or slower for as long as it lives.
"""

CALIBRATING = 4
"""Of every so many whole networks each member of the estimator does not learn from one; they tell how wide the interval
is.
"""

INTERVAL = (0.05, 0.95)

FAILURES = 50
"""Networks in a row that the engine cannot run: then the fault is not theirs."""


class Timed(NamedTuple):
    """A network as it was timed, and the milliseconds of its units where they were noted."""

    sample: Sample
    windows: tuple[Window, ...]
    noted: UnitTimes

    def ms(self, pace: Pace) -> float:
        """Milliseconds at a pace."""
        return pace.ms(self.windows, sum(tally(self.sample.arch).values()))

    @property
    def surplus_ms(self) -> float:
        """Of each noted unit over its part of the network's time, on average."""
        return (sum(ms for _, ms in self.noted) - median(one.ms for one in self.windows)) / len(self.noted)


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

    def going() -> bool:
        elapsed = (perf_counter_ns() - begun) / 1e9
        told(elapsed / seconds)
        return elapsed <= (1 - LEARNING) * seconds

    timed = timings(setting, samples(chosen, seed), going)
    spent = (perf_counter_ns() - begun) / 1e9
    start = min(spent / seconds, 1.0)
    return learned(setting, timed, spent, advance=lambda done, total: told(start + (1 - start) * done / total))


def _families(without: Sequence[str]) -> list[Family]:
    known = {family.name: family for family in families()}
    strange = sorted(set(without) - set(known))
    if strange:
        raise UnknownNameError(f"unknown family {brief(strange[0])}", where="without", allowed=", ".join(known))
    return [family for name, family in known.items() if name not in without]


def timings(setting: Setting, drawn: Iterator[Sample], going: Callable[[], bool]) -> list[Timed]:
    """Networks timed one after the other and again later, for as long as it is ``going``, or until Ctrl-C where enough
    were timed; one that the engine cannot load is passed over.
    """
    held: deque[_Held] = deque()
    found: list[Timed] = []
    with session(setting):
        try:
            for count, one in enumerate(_readied(setting, drawn)):
                if count % PROBED == 0:
                    probes = Probes(setting)
                held.append(_Held(one, footprint(one.sample.arch, setting, None)))
                for again in list(held)[::-1][::SPACING]:
                    again.windows += probes.visit(again.ready.run)
                while not _fits(held, setting):
                    found.append(held.popleft().timed())
                if not going():
                    break
        except KeyboardInterrupt:
            if len(found) + len(held) < 2 * FEWEST:
                raise
        return found + [one.timed() for one in held if one.windows]


class _Held:
    """A network that is ready, of so many bytes, and how long it took so far."""

    def __init__(self, ready: Ready, size: int) -> None:
        self.ready, self.size = ready, size
        self.windows: list[Window] = []

    def timed(self) -> Timed:
        return Timed(self.ready.sample, tuple(self.windows), self.ready.noted())


def _fits(held: Collection[_Held], setting: Setting) -> bool:
    """Whether another network may be made ready beside these, the youngest of which is due ``VISITS`` times."""
    most = min(SPACING * (VISITS - 1), WAYS[setting.engine].most - PROBES - 1)
    return len(held) <= max(most, 0) and sum(one.size for one in held) <= READY_BYTES


def _readied(setting: Setting, drawn: Iterator[Sample]) -> Iterator[Ready]:
    """Networks that are warm, without end; raises the engine's error after FAILURES of them in a row."""
    failed = 0
    for sample in drawn:
        try:
            one = ready(sample, setting)
            warmed(one.run)
            one.warm()
        except (EngineError, ArchitectureError):  # it lacks an operation, or ONNX a rule for a user's own kind
            failed += 1
            if failed == FAILURES:
                raise
            continue
        failed = 0
        yield one


def learned(
    setting: Setting, timed: Sequence[Timed], seconds: float, *, advance: Callable[[int, int], None] | None = None
) -> Profile:
    """A profile of what was timed; raises ProfileError for too few networks.  ``advance`` is told of steps."""
    check_enough(len(timed))
    pace = Pace.usual(chain.from_iterable(one.windows for one in timed))
    surplus = [one.surplus_ms for one in timed if one.noted]
    table = _Units(pace, max(median(surplus), 0.0) if surplus else 0.0)
    networks = [table.enter(one) for one in timed]
    units, left_out = table.rows(), _left_out(timed)
    estimator = learn(units, networks, left_out=left_out, advance=advance)
    return Profile(
        device=describe(),
        setting=setting,
        version=version(setting),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        pace=pace,
        units=units,
        networks=tuple(networks),
        estimator=estimator,
        interval=_interval(estimator, units, networks, left_out),
    )


def _left_out(timed: Sequence[Timed]) -> tuple[frozenset[int], ...]:
    """For each member of the estimator the places of the networks that it does not learn from: whole ones, as those
    that are asked about, whose units nobody noted; any where there are none.
    """
    places = [place for place, one in enumerate(timed) if one.sample.whole] or range(len(timed))
    return tuple(frozenset(places[member::CALIBRATING]) for member in range(MEMBERS))


def _interval(
    estimator: Estimator,
    units: Sequence[TimedUnit],
    networks: Sequence[TimedNetwork],
    left_out: Sequence[Collection[int]],
) -> tuple[float, float]:
    """What the networks show that a member did not learn from, by that member with the start and streaming of all."""
    ratios = []
    for member, places in zip(estimator.members, left_out, strict=True):
        alone = msgspec.structs.replace(estimator, members=(member,)).ready()
        parts = alone.parts(one.unit for one in units)
        for one in (networks[place] for place in places):
            sums = (sum(part[place] * count for place, count in one.units) for part in parts)
            ratios.append(one.ms / alone.total(*sums))
    low, high = np.quantile(ratios, INTERVAL)
    return float(low), float(high)


class _Units:
    """The distinct units of what was timed, and their times at a pace; noting one takes ``surplus_ms``."""

    def __init__(self, pace: Pace, surplus_ms: float) -> None:
        self._pace, self._surplus_ms = pace, surplus_ms
        self._times: dict[Unit, list[float]] = {}
        self._places: dict[Unit, int] = {}

    def enter(self, one: Timed) -> TimedNetwork:
        """Enter a network's units and their times; gives the network.

        Units were noted at a pace of their own, which the network's time shows.
        """
        own = one.ms(self._pace)
        slower = sum(ms for _, ms in one.noted) / (own + self._surplus_ms * len(one.noted))
        for unit, ms in one.noted:
            self._times.setdefault(unit, []).append(ms / slower)
        counts = tally(one.sample.arch)
        pairs = tuple((self._places.setdefault(unit, len(self._places)), times) for unit, times in counts.items())
        return TimedNetwork(one.sample.arch.name, one.sample.family, one.sample.whole, pairs, own)

    def rows(self) -> tuple[TimedUnit, ...]:
        """Every unit with the median of its times."""
        return tuple(
            TimedUnit(unit, median(self._times[unit]), len(self._times[unit]))
            if unit in self._times
            else TimedUnit(unit)
            for unit in self._places
        )

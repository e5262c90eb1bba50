"""How a profile is built: random networks are timed for some minutes, and an estimator is learned of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from itertools import chain, pairwise
from math import ceil
from statistics import mean, median
from time import perf_counter_ns

import msgspec
import numpy as np

from vertebra.arch.record import brief
from vertebra.data.threads import Progress
from vertebra.engines.device import describe
from vertebra.errors import Interrupted, ProfileError, UnknownNameError, UsageError
from vertebra.latency.engines import torch_module, version
from vertebra.latency.estimator import Estimator
from vertebra.latency.learning import FEWEST, MEMBERS, STEPS, check_enough, learn
from vertebra.latency.pace import Pace
from vertebra.latency.profile import Profile, TimedNetwork, TimedUnit
from vertebra.latency.sampling import samples
from vertebra.latency.setting import Setting
from vertebra.latency.timings import Say, Timed, timings
from vertebra.latency.units import Unit, tally
from vertebra.zoo.entry import Family
from vertebra.zoo.registry import families

SECONDS = 300.0
LEARNING = 0.12
"""Part of the time that is kept for learning."""

LEAST_STEPS = 0.25
"""Part of the steps of learning that even few networks get: in less time than SECONDS fewer are taken."""

CALIBRATING = 4
"""Of every so many whole networks each member of the estimator does not learn from one; they tell how wide the interval
is.
"""

INTERVAL = (0.05, 0.95)

FEW, QUICKER = 2, 2
"""After so many networks it is foreseen whether the time can be enough; not even where all others are so many times as
quick as the quicker half of them, and it is over.
"""

SPARE = 1.25
"""Times the time that the fewest networks would have taken: what is advised."""

MOST_SECONDS = 86_400


def build(
    setting: Setting | None = None,
    *,
    seconds: float = SECONDS,
    without: Sequence[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
    say: Say | None = None,
) -> Profile:
    """Time random networks for about so many ``seconds`` in all, and learn.  Ctrl-C ends the timing early.

    ``without`` leaves families out.  ``progress`` is told of thousandths.  ``say`` gets lines for the user: what was
    left out, and that it was stopped.  Needs torch, to learn, and onnx.
    Raises ProfileError where the time is too short, as soon as that is foreseen; EngineError where the engine fails;
    Interrupted where Ctrl-C leaves too little, or comes while it learns; UsageError for strange seconds;
    UnknownNameError for a family that there is not; MissingExtraError, before anything is timed, without torch.
    """
    setting = setting or Setting()
    if type(seconds) not in (int, float) or not 1 <= seconds <= MOST_SECONDS:
        raise UsageError(f"{seconds!r}", where="seconds", allowed=f"from 1 to {MOST_SECONDS:,}")
    chosen = _families(without)
    torch_module()

    def told(fraction: float) -> None:
        if progress is not None:
            progress(min(round(1000 * fraction), 1000), 1000)

    budget = _Budget(setting, seconds, told)
    timed = timings(setting, samples(chosen, seed), budget.going, say or _nothing)
    spent = budget.spent()
    if len(timed) < FEWEST:
        raise budget.too_short(len(timed), spent)
    start = min(spent / seconds, 1.0)
    try:
        return learned(setting, timed, spent, advance=lambda done, total: told(start + (1 - start) * done / total))
    except KeyboardInterrupt:
        what = f"stopped before it had learned what {len(timed)} networks tell: no profile is kept"
        raise Interrupted(what) from None


def _nothing(line: str) -> None:
    pass


class _Budget:
    """The seconds that a profile may take."""

    def __init__(self, setting: Setting, seconds: float, told: Callable[[float], object]) -> None:
        self._setting, self._seconds, self._told = setting, seconds, told
        self._begun = perf_counter_ns()
        self._ends = [0.0]
        """When the timing began, and when each network was first timed."""

    def spent(self) -> float:
        return (perf_counter_ns() - self._begun) / 1e9

    def going(self, timed: int) -> bool:
        """Whether there is time for another; raises ProfileError where there cannot be time for FEWEST."""
        spent = self.spent()
        self._told(spent / self._seconds)
        self._ends += [spent] * (timed + 1 - len(self._ends))
        left = (1 - LEARNING) * self._seconds - spent
        if FEW <= timed < FEWEST and (FEWEST - timed) * self._quick() / QUICKER > left:
            raise self.too_short(timed, spent)
        return left >= 0

    def _quick(self) -> float:
        """Seconds of a network: the mean of the quicker half."""
        each = sorted(end - begun for begun, end in pairwise(self._ends))
        return mean(each[: (len(each) + 1) // 2])

    def too_short(self, timed: int, spent: float) -> ProfileError:
        """The error for a time in which so many networks were timed, with the minutes that would do."""
        networks = "network was" if timed == 1 else "networks were"
        what = f"{timed} {networks} timed in {spent:.0f} s, too slow for {_minutes(self._seconds / 60)}"
        minutes = ceil(SPARE * FEWEST * spent / max(timed, 1) / (1 - LEARNING) / 60)
        remedy = "give it more minutes"
        if timed and 60 * minutes <= MOST_SECONDS:
            remedy = f"give it {_minutes(minutes)} or more"
        elif timed:
            remedy = "take another engine, or a smaller batch"
        return ProfileError(what, where=str(self._setting), allowed=f"at least {FEWEST} networks", remedy=remedy)


def _minutes(number: float) -> str:
    return f"{number:g} minute{'s' * (number != 1)}"


def _families(without: Sequence[str]) -> list[Family]:
    known = {family.name: family for family in families()}
    strange = sorted(set(without) - set(known))
    if strange:
        raise UnknownNameError(f"unknown family {brief(strange[0])}", where="without", allowed=", ".join(known))
    return [family for name, family in known.items() if name not in without]


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
    steps = round(STEPS * min(max(seconds / ((1 - LEARNING) * SECONDS), LEAST_STEPS), 1))
    estimator = learn(units, networks, left_out=left_out, steps=steps, advance=advance)
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

"""How well latency is predicted: profiles of five minutes, and at least a hundred networks that they never saw.

    python bench/latency_predictor.py [MINUTES] [NETWORKS] [ENGINE ...]

Six families are tested: two of them (HELD_OUT) are left out of the profile entirely, four are in it.  A third of the
networks are registered ones at their own resolution, the others random relatives (width, depth, resolution).  They are
timed in turn with those of the profile, a visit here and a visit there, so that a machine that grows slower meanwhile
favours neither; the time that this takes is not the profile's, which has its five minutes for itself.  Each is loaded
LOADS times, for where a load comes to lie in memory may make it quicker or slower for as long as it lives, and visited
ROUNDS times a load, between probes that show the machine's pace, as in a profile (``vertebra.latency.pace``): its time
is the median over its windows of what it would have taken at their own usual pace; the minutes are the profile's too.
``as measured`` is held against plain medians of milliseconds.

Prints, for networks of families that the profile knows and does not know: the part within +-10%, the median and 90th
percentile of the error; the rank correlation within each factor-of-two band of latency; beside it what MACs alone and
activations alone give (the best power law through the profile's own networks), and the ceiling: half of the loads
predicting the other half.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from itertools import chain
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np

from vertebra.arch.architecture import Architecture
from vertebra.arch.shapes import elements
from vertebra.costs.count import cost
from vertebra.engines.device import describe
from vertebra.errors import ShapeError
from vertebra.latency.building import LEARNING, learned
from vertebra.latency.engines import runner, session
from vertebra.latency.load import between, moment
from vertebra.latency.pace import Pace, Window
from vertebra.latency.predictor import Predictor
from vertebra.latency.probes import Probes, warmed
from vertebra.latency.profile import Profile, TimedNetwork
from vertebra.latency.sampling import DEPTHS, SIDES, WIDTHS, samples
from vertebra.latency.setting import Setting
from vertebra.latency.timings import timings
from vertebra.latency.units import PRODUCTS, tally
from vertebra.zoo.registry import families

MINUTES, NETWORKS = 5.0, 120
ENGINES = ("onnxruntime", "openvino")
HELD_OUT = ("mobilenet_v3", "resnext")
SEEN = ("resnet", "mobilenet_v2", "efficientnet", "densenet")
REGISTERED = 1 / 3
MOST_MACS, MOST_PARAMS = 4e9, 30e6
LOADS, ROUNDS = 4, 7
PROBED = 16
"""Visits after which the probes are loaded anew."""
SEED = 18
WITHIN = np.log(1.1)


class Case(NamedTuple):
    arch: Architecture
    family: str
    macs: int
    activations: int


Windows = list[list[Window]]
"""Of each load of a network, in order."""


def milliseconds(windows: Sequence[Windows], archs: Sequence[Architecture], pace: Pace) -> np.ndarray:
    """Of each network by all of its windows, [networks]."""
    units = (sum(tally(arch).values()) for arch in archs)
    return np.array([pace.ms(list(chain.from_iterable(own)), count) for own, count in zip(windows, units, strict=True)])


def medians(windows: Sequence[Windows]) -> np.ndarray:
    """Of each network the plain median of its milliseconds, at whatever pace, [networks]."""
    return np.array([median(one.ms for one in chain.from_iterable(own)) for own in windows])


def spread_of_windows(windows: Sequence[Windows], archs: Sequence[Architecture], pace: Pace) -> tuple[float, float]:
    """How far a window lies from its network's median, as a ratio, in the median: plain, and at a pace."""
    plain, paced = [], []
    for own, arch in zip(windows, archs, strict=True):
        units = sum(tally(arch).values())
        logs = np.log([(one.ms, pace.ms([one], units)) for one in chain.from_iterable(own)])
        for found, column in zip((plain, paced), abs(logs - np.median(logs, 0)).T, strict=True):
            found.append(float(np.median(column)))
    return float(np.median(plain)), float(np.median(paced))


def cases(count: int) -> list[Case]:
    """Networks of the six families, as many of each; drawn with another seed than any profile's."""
    draw = random.Random(SEED)
    known = {family.name: family for family in families()}
    found: dict[str, Case] = {}
    while len(found) < count:
        family = known[(*SEEN, *HELD_OUT)[len(found) % (len(SEEN) + len(HELD_OUT))]]
        arch = draw.choice(family.entries).make()
        try:
            if draw.random() > REGISTERED:
                width, depth = (2 ** draw.uniform(*bounds) for bounds in (WIDTHS, DEPTHS))
                arch = arch.scaled(width=width, depth=depth).with_resolution(draw.choice(SIDES))
            costs = cost(arch)
            fits = 1e6 <= costs.macs <= MOST_MACS and costs.params <= MOST_PARAMS
        except ShapeError:
            continue
        if fits:
            found.setdefault(f"{arch.hash}@{arch.resolution}", Case(arch, family.name, costs.macs, costs.activations))
    return list(found.values())


class Truth:
    """The networks whose latency is predicted, timed bit by bit; use it within ``session``."""

    def __init__(self, chosen: Sequence[Case], setting: Setting) -> None:
        self.archs = [case.arch for case in chosen]
        self.windows: list[Windows] = [[[] for _ in range(LOADS)] for _ in chosen]
        self.seconds = 0.0
        """That it took so far."""
        self._setting = setting
        draw = random.Random(SEED)
        self._order = [
            (load, place)
            for load in range(LOADS)
            for _ in range(ROUNDS)
            for place in draw.sample(range(len(chosen)), len(chosen))
        ]
        self._done, self._load = 0, -1

    def advance(self, part: float) -> None:
        """Visit networks in turn until such a part of all visits is done."""
        begun = perf_counter()
        while self._done < min(part, 1) * len(self._order):
            load, place = self._order[self._done]
            if load != self._load:
                self._calls = [runner(arch, self._setting).run for arch in self.archs]
                for call in self._calls:
                    warmed(call)
                self._load = load
            if self._done % PROBED == 0:
                self._probes = Probes(self._setting)
            self.windows[place][load] += self._probes.visit(self._calls[place])
            self._done += 1
        self.seconds += perf_counter() - begun


def ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values)).astype(float)


def banded(predicted: np.ndarray, truth: np.ndarray, least: int = 5) -> list[tuple[float, int, float]]:
    """(lower end in ms, networks, Spearman's rank correlation) of each factor-of-two band."""
    rows = []
    bands = np.floor(np.log2(truth))
    for band in np.unique(bands):
        inside = bands == band
        if inside.sum() >= least:
            value = np.corrcoef(ranks(predicted[inside]), ranks(truth[inside]))[0, 1]
            rows.append((2.0**band, int(inside.sum()), float(value)))
    return rows


def line(name: str, predicted: np.ndarray, truth: np.ndarray) -> None:
    error = np.abs(np.log(predicted / truth))
    print(
        f"  {name:35} n {len(error):3}  within 10% {100 * np.mean(error <= WITHIN):5.1f}%  "
        f"median {100 * np.median(error):4.1f}%  p90 {100 * np.quantile(error, 0.9):5.1f}%  "
        f"bias {100 * np.median(np.log(predicted / truth)):+5.1f}%",
        flush=True,
    )


def power_law(profile: Profile, of: Sequence[Case], column: int) -> np.ndarray:
    """Milliseconds by the best line through the logarithms of a count and of the time, over the profile's networks."""
    rows = [(count_of(profile, one)[column], one.ms) for one in profile.networks]
    counts, times = np.log(np.array(rows, float)).T
    slope, start = np.polyfit(counts, times, 1)
    return np.exp(slope * np.log([(case.macs, case.activations)[column] for case in of]) + start)


def count_of(profile: Profile, network: TimedNetwork) -> tuple[int, int]:
    """MACs and activations of one of the profile's networks, by its units."""
    macs = activations = 0
    for place, times in network.units:
        unit = profile.units[place].unit
        if unit.kind in PRODUCTS:
            entering = unit.enters[0] if unit.kind != "linear" else elements(unit.enters)
            macs += times * elements(unit.leaves) * entering // unit.groups * unit.kernel[0] * unit.kernel[1]
            activations += times * elements(unit.leaves) * (unit.kind != "linear")
    return macs, max(activations, 1)


def run(engine: str, minutes: float, chosen: Sequence[Case]) -> None:
    setting = Setting(engine=engine, threads=2)
    print(f"\n{setting}", flush=True)
    start = moment()
    with session(setting):
        truth = Truth(chosen, setting)
        begun, seconds = perf_counter(), 60 * minutes * (1 - LEARNING)

        def going(_: int) -> bool:
            elapsed = perf_counter() - begun - truth.seconds
            truth.advance(elapsed / seconds)
            return elapsed <= seconds

        timed = timings(setting, samples([one for one in families() if one.name not in HELD_OUT]), going, print)
        spent = perf_counter() - begun - truth.seconds
        truth.advance(1)
    print(f"  {between(start, moment()).warnings or 'quiet'}; {truth.seconds:.0f} s timing what is predicted")
    begun = perf_counter()
    profile = learned(setting, timed, spent)
    print(f"  profile: {len(timed)} networks, {len(profile.units)} units, {spent:.0f} s timing", end="")
    print(
        f" and {perf_counter() - begun:.0f} s learning; interval {profile.interval[0]:.2f} to {profile.interval[1]:.2f}"
    )
    compare(profile, chosen, truth.windows)


def compare(profile: Profile, chosen: Sequence[Case], windows: Sequence[Windows]) -> None:
    """Print the table."""
    archs = [case.arch for case in chosen]
    # By its own windows, not the profile's: how quick a probe is depends a little on what ran before it.
    pace = Pace.usual(chain.from_iterable(chain.from_iterable(windows)))
    ms, plain = milliseconds(windows, archs, pace), medians(windows)
    twice = [milliseconds([own[half::2] for own in windows], archs, pace) for half in range(2)]
    once = np.array([[own[0][6].ms, own[1][6].ms] for own in windows])
    predicted = Predictor.of(profile).many(archs)
    unseen = np.array([case.family in HELD_OUT for case in chosen])
    line("known families", predicted[~unseen], ms[~unseen])
    line("families held out", predicted[unseen], ms[unseen])
    there = milliseconds(windows, archs, profile.pace)
    line("known, at the profile's own pace", predicted[~unseen], there[~unseen])
    line("held out, at the profile's own pace", predicted[unseen], there[unseen])
    line("known, as measured", predicted[~unseen], plain[~unseen])
    line("held out, as measured", predicted[unseen], plain[unseen])
    line("MACs alone", power_law(profile, chosen, 0), ms)
    line("activations alone", power_law(profile, chosen, 1), ms)
    line("measured twice (half the loads)", *twice)
    line("measured twice (3 ms each)", once[:, 0], once[:, 1])
    apart = spread_of_windows(windows, archs, pace)
    print(f"  windows lie {100 * apart[0]:.1f}% from their network's median, at the pace {100 * apart[1]:.1f}%")
    low, high = profile.interval
    print(f"  inside the interval: {100 * np.mean((ms >= low * predicted) & (ms <= high * predicted)):.0f}%")
    for name, values in (("predicted", predicted), ("measured twice", twice[0])):
        rows = "  ".join(f"{low:g} ms: {value:.3f} (n {count})" for low, count, value in banded(values, ms))
        print(f"  rank correlation by band, {name}: {rows}")
    sides = np.array([case.arch.resolution for case in chosen])
    for name, of in (
        ("below 64 px", sides < 64),
        ("64 to 128 px", (sides >= 64) & (sides < 128)),
        ("128 px and more", sides >= 128),
    ):
        line(name, predicted[of], ms[of])
    for family in (*SEEN, *HELD_OUT):
        of = np.array([case.family == family for case in chosen])
        line(f"  {family}", predicted[of], ms[of])


if __name__ == "__main__":
    given = sys.argv[1:]
    numbers = [float(given.pop(0)) for _ in range(2) if given and given[0].replace(".", "").isdigit()]
    minutes, count = [*numbers, *(MINUTES, NETWORKS)[len(numbers) :]]
    print(describe())
    chosen = cases(int(count))
    print(f"{len(chosen)} networks, {sum(case.family in HELD_OUT for case in chosen)} of families held out: {HELD_OUT}")
    for engine in given or ENGINES:
        run(engine, minutes, chosen)

"""How well latency is predicted: profiles of five minutes, and at least a hundred networks that they never saw.

    python bench/latency_predictor.py [MINUTES] [NETWORKS] [ENGINE ...]

Six families are tested: two of them (HELD_OUT) are left out of the profile entirely, four are in it.  A third of the
networks are registered ones at their own resolution, the others random relatives (width, depth, resolution).  Each
network is loaded LOADS times, for where a load comes to lie in memory may make it quicker or slower for as long as it
lives, and timed in ROUNDS rounds a load, all networks in turn, between probes that show the machine's pace
(``vertebra.latency.pace``, as in a profile).  A network's time is the median over its windows of what it would have
taken at the profile's pace.  What is left of the difference between the profile's five minutes and now is told by PANEL
of the profile's own networks, which are timed again among the others: predictions are multiplied by the median of their
ratios.  ``as measured`` compares predictions as they are with plain medians of milliseconds, ``medians at panel's
speed`` after the panel's plain medians told how much slower the machine was.

Prints, for networks of families that the profile knows and does not know: the part within +-10%, the median and 90th
percentile of the error; the rank correlation within each factor-of-two band of latency; beside it what MACs alone and
activations alone give (the best power law through the profile's own networks), and the ceiling: one load predicting
another.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from itertools import chain
from statistics import median
from typing import NamedTuple

import numpy as np

from vertebra.arch.architecture import Architecture
from vertebra.arch.shapes import elements
from vertebra.costs.count import cost
from vertebra.engines.device import describe
from vertebra.errors import ShapeError
from vertebra.latency.building import build
from vertebra.latency.engines import runner, session
from vertebra.latency.load import Moment, between, moment
from vertebra.latency.pace import Pace, Window
from vertebra.latency.predictor import Predictor
from vertebra.latency.probes import Probes, warmed
from vertebra.latency.profile import Profile, TimedNetwork
from vertebra.latency.sampling import DEPTHS, SIDES, WIDTHS, samples
from vertebra.latency.setting import Setting
from vertebra.latency.units import PRODUCTS, tally
from vertebra.zoo.registry import families

MINUTES, NETWORKS = 5.0, 120
ENGINES = ("onnxruntime", "openvino")
HELD_OUT = ("mobilenet_v3", "resnext")
SEEN = ("resnet", "mobilenet_v2", "efficientnet", "densenet")
REGISTERED = 1 / 3
MOST_MACS, MOST_PARAMS = 4e9, 30e6
LOADS, ROUNDS = 2, 14
PANEL = 40
"""Networks of the profile that are timed again."""
SEED = 15
WITHIN = np.log(1.1)


class Case(NamedTuple):
    arch: Architecture
    family: str
    macs: int
    activations: int


Windows = list[list[Window]]
"""Of each load of a network, in order."""


class Truth(NamedTuple):
    """What was measured of each network, and of the panel's."""

    windows: list[Windows]
    panel: list[Windows]


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


def speed(truth: Truth, profile: Profile) -> float:
    """How much longer the profile's own networks take now, at its pace."""
    now = milliseconds(truth.panel, panel_of(profile), profile.pace)
    return float(np.median(now / [one.ms for one in spread(profile)]))


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


def spread(profile: Profile) -> list[TimedNetwork]:
    """PANEL networks from all of the profile's minutes."""
    return list(profile.networks[:: len(profile.networks) // PANEL][:PANEL])


def panel_of(profile: Profile) -> list[Architecture]:
    """The same as architectures: they are drawn again, in the same order."""
    drawn = samples([family for family in families() if family.name not in HELD_OUT])
    return [next(one.arch for one in drawn if one.arch.name == timed.name) for timed in spread(profile)]


def measured(chosen: Sequence[Case], panel: Sequence[Architecture], setting: Setting) -> Truth:
    """Each network in every round of every load; all are ready at once, and the probes are loaded anew each round."""
    archs = (*panel, *(case.arch for case in chosen))
    found: list[Windows] = [[[] for _ in range(LOADS)] for _ in archs]
    with session(setting):
        for load in range(LOADS):
            calls = [runner(one, setting).run for one in archs]
            for call in calls:
                warmed(call)
            for turn in range(ROUNDS):
                probes = Probes(setting)
                for place in range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls))):
                    found[place][load] += probes.visit(calls[place])
    return Truth(found[len(panel) :], found[: len(panel)])


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
        f"  {name:34} n {len(error):3}  within 10% {100 * np.mean(error <= WITHIN):5.1f}%  "
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
    profile = build(setting, seconds=60 * minutes, without=HELD_OUT)
    print(f"  profile: {len(profile.networks)} networks, {len(profile.units)} units, {profile.seconds:.0f} s timing")
    print(f"  interval {profile.interval[0]:.2f} to {profile.interval[1]:.2f}; {_warned(start)}", flush=True)
    start = moment()
    truth = measured(chosen, panel_of(profile), setting)
    print(f"  {PANEL} of the profile's networks take {speed(truth, profile):.3f} times as long now; {_warned(start)}")
    compare(profile, chosen, truth)


def compare(profile: Profile, chosen: Sequence[Case], truth: Truth) -> None:
    """Print the table."""
    now, archs = speed(truth, profile), [case.arch for case in chosen]
    ms = milliseconds(truth.windows, archs, profile.pace)
    twice = [milliseconds([[own[load]] for own in truth.windows], archs, profile.pace) for load in range(LOADS)]
    plain = medians(truth.windows)
    once = np.array([[own[0][6].ms, own[1][16].ms] for own in truth.windows])
    predicted = Predictor.of(profile).many(archs)
    at_speed = predicted * now
    unseen = np.array([case.family in HELD_OUT for case in chosen])
    line("known families", at_speed[~unseen], ms[~unseen])
    line("families held out", at_speed[unseen], ms[unseen])
    line("known, as measured", predicted[~unseen], plain[~unseen])
    line("held out, as measured", predicted[unseen], plain[unseen])
    slower = float(np.median(medians(truth.panel) / [one.ms for one in spread(profile)]))
    line("known, medians at panel's speed", predicted[~unseen] * slower, plain[~unseen])
    line("held out, medians at panel's speed", predicted[unseen] * slower, plain[unseen])
    line("MACs alone", power_law(profile, chosen, 0) * now, ms)
    line("activations alone", power_law(profile, chosen, 1) * now, ms)
    line("measured twice (loads 1 and 2)", *twice)
    line("measured twice (3 ms each)", once[:, 0], once[:, 1])
    apart = spread_of_windows(truth.windows, archs, profile.pace)
    print(f"  windows lie {100 * apart[0]:.1f}% from their network's median, at the pace {100 * apart[1]:.1f}%")
    low, high = profile.interval
    inside = (ms >= low * at_speed) & (ms <= high * at_speed)
    print(f"  inside the interval: {100 * np.mean(inside):.0f}%")
    for name, values in (("predicted", at_speed), ("measured twice", twice[0])):
        rows = "  ".join(f"{low:g} ms: {value:.3f} (n {count})" for low, count, value in banded(values, ms))
        print(f"  rank correlation by band, {name}: {rows}")
    sides = np.array([case.arch.resolution for case in chosen])
    for name, of in (
        ("below 64 px", sides < 64),
        ("64 to 128 px", (sides >= 64) & (sides < 128)),
        ("128 px and more", sides >= 128),
    ):
        line(name, at_speed[of], ms[of])
    for family in (*SEEN, *HELD_OUT):
        of = np.array([case.family == family for case in chosen])
        line(f"  {family}", at_speed[of], ms[of])


def _warned(start: Moment) -> str:
    return "; ".join(between(start, moment()).warnings) or "quiet"


if __name__ == "__main__":
    given = sys.argv[1:]
    numbers = [float(given.pop(0)) for _ in range(2) if given and given[0].replace(".", "").isdigit()]
    minutes, count = [*numbers, *(MINUTES, NETWORKS)[len(numbers) :]]
    print(describe())
    chosen = cases(int(count))
    print(f"{len(chosen)} networks, {sum(case.family in HELD_OUT for case in chosen)} of families held out: {HELD_OUT}")
    for engine in given or ENGINES:
        run(engine, minutes, chosen)

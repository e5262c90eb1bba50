"""How well latency is predicted: profiles of five minutes, and at least a hundred networks that they never saw.

    python bench/latency_predictor.py [MINUTES] [NETWORKS] [ENGINE ...]

Six families are tested: two of them (HELD_OUT) are left out of the profile entirely, four are in it.  A third of the
networks are registered ones at their own resolution, the others random relatives (width, depth, resolution).  Each
network is loaded LOADS times, and timed in ROUNDS rounds a load, all networks in turn.  What disturbs a machine only
ever slows it down, in bursts, so of a load the quickest round counts, as it does in a profile; where a load's weights
and buffers come to lie in memory makes it quicker or slower for as long as it lives, so a network's time is the median
of its loads.  A profile made in five other minutes may have seen a slower or a faster machine, so predictions are taken
at the speed of now, by a reference network that is timed in both.  ``as measured`` compares predictions as they are
with the medians of all rounds.

Prints, for networks of families that the profile knows and does not know: the part within +-10%, the median and 90th
percentile of the error; the rank correlation within each factor-of-two band of latency; beside it what MACs alone and
activations alone give (the best power law through the profile's own networks), and the ceiling: one load predicting
another.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np

from vertebra.arch.architecture import Architecture
from vertebra.arch.shapes import elements
from vertebra.costs.count import cost
from vertebra.engines.device import describe
from vertebra.errors import ShapeError
from vertebra.latency.building import build, reference_network
from vertebra.latency.engines import runner, session
from vertebra.latency.load import Moment, between, moment
from vertebra.latency.predictor import Predictor
from vertebra.latency.profile import Profile, TimedNetwork
from vertebra.latency.sampling import DEPTHS, SIDES, WIDTHS
from vertebra.latency.setting import Setting
from vertebra.latency.units import PRODUCTS
from vertebra.zoo.registry import families

MINUTES, NETWORKS = 5.0, 120
ENGINES = ("onnxruntime", "openvino")
HELD_OUT = ("mobilenet_v3", "resnext")
SEEN = ("resnet", "mobilenet_v2", "efficientnet", "densenet")
REGISTERED = 1 / 3
MOST_MACS, MOST_PARAMS = 4e9, 30e6
LOADS, ROUNDS, WINDOW = 3, 12, 0.03
REFERENCES = 5
"""Loads of the reference network beside each load of the others."""
SEED = 6
WITHIN = np.log(1.1)


class Case(NamedTuple):
    arch: Architecture
    family: str
    macs: int
    activations: int


class Truth(NamedTuple):
    """Milliseconds of each round: of networks [networks, loads, rounds], and of the reference [its loads, rounds]."""

    ms: np.ndarray
    reference: np.ndarray

    def own(self) -> np.ndarray:
        """Of each network undisturbed, [networks]."""
        return np.asarray(np.median(self.loads(), 1))

    def loads(self) -> np.ndarray:
        """The same of each load, [networks, loads]."""
        return np.asarray(self.ms.min(2))

    def usual(self) -> float:
        """The reference's."""
        return float(np.median(self.reference.min(1)))

    def speeds(self) -> np.ndarray:
        """The reference's beside each load of the others, [loads]."""
        return np.asarray(np.median(self.reference.min(1).reshape(LOADS, REFERENCES), 1))


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


def window(call: Callable[[], object], seconds: float) -> float:
    """The median milliseconds of calls for so long, three at least."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 3 or time.perf_counter() < end:
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
    return 1e3 * median(taken)


def measured(chosen: Sequence[Case], setting: Setting) -> Truth:
    """Each network in every round of every load; all are ready at once."""
    archs = (*[reference_network()] * REFERENCES, *(case.arch for case in chosen))
    ms = np.empty((len(archs), LOADS, ROUNDS))
    with session(setting):
        for load in range(LOADS):
            calls = [runner(one, setting).run for one in archs]
            for turn in range(ROUNDS):
                for place in range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls))):
                    calls[place]()
                    ms[place, load, turn] = window(calls[place], WINDOW)
    return Truth(ms[REFERENCES:], ms[:REFERENCES].swapaxes(0, 1).reshape(LOADS * REFERENCES, ROUNDS))


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
    truth = measured(chosen, setting)
    here = truth.usual()
    print(f"  reference {here:.3f} ms here, {profile.reference_ms:.3f} in the profile; {_warned(start)}")
    compare(profile, chosen, truth)


def compare(profile: Profile, chosen: Sequence[Case], truth: Truth) -> None:
    """Print the table."""
    usual = truth.usual()
    ms, plain = truth.own(), np.median(truth.ms, (1, 2))
    predicted = Predictor.of(profile).many([case.arch for case in chosen])
    at_speed = predicted * usual / profile.reference_ms
    unseen = np.array([case.family in HELD_OUT for case in chosen])
    line("known families", at_speed[~unseen], ms[~unseen])
    line("families held out", at_speed[unseen], ms[unseen])
    line("known, as measured", predicted[~unseen], plain[~unseen])
    line("held out, as measured", predicted[unseen], plain[unseen])
    line("MACs alone", power_law(profile, chosen, 0) * usual / profile.reference_ms, ms)
    line("activations alone", power_law(profile, chosen, 1) * usual / profile.reference_ms, ms)
    twice = truth.loads() * usual / truth.speeds()
    for one, other in pairwise(range(LOADS)):
        line(f"measured twice (loads {one + 1} and {other + 1})", twice[:, one], twice[:, other])
    line("measured twice (one round each)", truth.ms[:, 0, 3], truth.ms[:, 1, 8])
    low, high = profile.interval
    inside = (ms >= low * at_speed) & (ms <= high * at_speed)
    print(f"  inside the interval: {100 * np.mean(inside):.0f}%")
    for name, values in (("predicted", at_speed), ("measured twice", twice[:, 0])):
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

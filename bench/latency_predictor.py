"""How well latency is predicted: profiles of five minutes, and at least a hundred networks that they never saw.

    python bench/latency_predictor.py [MINUTES] [NETWORKS] [ENGINE ...]

Six families are tested: two of them (HELD_OUT) are left out of the profile entirely, four are in it.  A third of the
networks are registered ones at their own resolution, the others random relatives (width, depth, resolution).  Each
network is loaded LOADS times, and timed in ROUNDS rounds a load, all networks in turn.  What disturbs a machine only
ever slows it down, in bursts, so of a load the quickest round counts, as it does in a profile; where a load's weights
and buffers come to lie in memory may make it quicker or slower for as long as it lives, so a network's time is the
mean of its loads.  A profile made in five other minutes saw a slower or a faster machine and a quickest round of
fewer, so predictions are taken at the speed of now: PANEL of the profile's own networks are timed again beside the
others, and the median ratio counts.  ``as measured`` compares predictions as they are with the medians of all rounds.

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
from vertebra.latency.predictor import Predictor
from vertebra.latency.profile import Profile, TimedNetwork
from vertebra.latency.sampling import DEPTHS, SIDES, WIDTHS, samples
from vertebra.latency.setting import Setting
from vertebra.latency.units import PRODUCTS
from vertebra.zoo.registry import families

MINUTES, NETWORKS = 5.0, 120
ENGINES = ("onnxruntime", "openvino")
HELD_OUT = ("mobilenet_v3", "resnext")
SEEN = ("resnet", "mobilenet_v2", "efficientnet", "densenet")
REGISTERED = 1 / 3
MOST_MACS, MOST_PARAMS = 4e9, 30e6
LOADS, ROUNDS, WINDOW = 2, 14, 0.03
PANEL = 24
"""Networks of the profile that are timed again."""
SEED = 7
WITHIN = np.log(1.1)


class Case(NamedTuple):
    arch: Architecture
    family: str
    macs: int
    activations: int


class Truth(NamedTuple):
    """Milliseconds of each round: of networks [networks, loads, rounds], and of the panel's [panel, loads, rounds]."""

    ms: np.ndarray
    panel: np.ndarray

    def own(self) -> np.ndarray:
        """Of each network undisturbed, [networks]."""
        return np.asarray(self.loads().mean(1))

    def loads(self) -> np.ndarray:
        """The same of each load, [networks, loads]."""
        return np.asarray(self.ms.min(2))

    def speed(self, profile: Profile) -> float:
        """How slow the machine is now, as a ratio to the profile."""
        then = [one.ms for one in profile.networks[:PANEL]]
        return float(np.median(self.panel.min(2).mean(1) / then))


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


def panel_of(profile: Profile) -> list[Architecture]:
    """The first networks that were timed for the profile: they are drawn again."""
    drawn = samples([family for family in families() if family.name not in HELD_OUT])
    return [next(one.arch for one in drawn if one.arch.name == timed.name) for timed in profile.networks[:PANEL]]


def measured(chosen: Sequence[Case], panel: Sequence[Architecture], setting: Setting) -> Truth:
    """Each network in every round of every load; all are ready at once."""
    archs = (*panel, *(case.arch for case in chosen))
    ms = np.empty((len(archs), LOADS, ROUNDS))
    with session(setting):
        for load in range(LOADS):
            calls = [runner(one, setting).run for one in archs]
            for turn in range(ROUNDS):
                for place in range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls))):
                    calls[place]()
                    ms[place, load, turn] = window(calls[place], WINDOW)
    return Truth(ms[len(panel) :], ms[: len(panel)])


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
    print(f"  {PANEL} of the profile's networks take {truth.speed(profile):.3f} times as long now; {_warned(start)}")
    compare(profile, chosen, truth)


def compare(profile: Profile, chosen: Sequence[Case], truth: Truth) -> None:
    """Print the table."""
    speed = truth.speed(profile)
    ms, plain = truth.own(), np.median(truth.ms, (1, 2))
    predicted = Predictor.of(profile).many([case.arch for case in chosen])
    at_speed = predicted * speed
    unseen = np.array([case.family in HELD_OUT for case in chosen])
    line("known families", at_speed[~unseen], ms[~unseen])
    line("families held out", at_speed[unseen], ms[unseen])
    line("known, as measured", predicted[~unseen], plain[~unseen])
    line("held out, as measured", predicted[unseen], plain[unseen])
    line("MACs alone", power_law(profile, chosen, 0) * speed, ms)
    line("activations alone", power_law(profile, chosen, 1) * speed, ms)
    twice = truth.loads()
    line("measured twice (loads 1 and 2)", twice[:, 0], twice[:, 1])
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

"""Learning: times that a formula made are found again, from whole networks, with and without what engines note."""

from __future__ import annotations

import sys
from itertools import islice

import msgspec
import numpy as np
import pytest

from vertebra.arch.shapes import elements
from vertebra.errors import MissingExtraError, ProfileError
from vertebra.latency.estimator import Estimator
from vertebra.latency.features import columns_of, megabytes
from vertebra.latency.learning import FEWEST, learn
from vertebra.latency.profile import TimedNetwork, TimedUnit
from vertebra.latency.sampling import samples
from vertebra.latency.units import PRODUCTS, Unit, tally
from vertebra.zoo.registry import families

START, OVERHEAD = 0.05, 0.004
PER_MB, CACHE = 0.04, 10.0
FACTORS = {"conv": 1.1, "depthwise": 1.3, "linear": 0.9}
"""By which noting makes a kind of unit slower."""

DRAWN = [tally(one.arch) for one in islice(samples(families(), 1), 200)]
UNITS = list(dict.fromkeys(unit for counts in DRAWN for unit in counts))


def truth(unit: Unit) -> float:
    """Milliseconds: so much for a multiply-accumulate, a value that is moved, and a call."""
    macs = elements(unit.leaves) * unit.enters[0] / unit.groups * unit.kernel[0] * unit.kernel[1]
    moved = elements(unit.enters) + elements(unit.leaves) * (1 + unit.joins)
    return (macs / 4e7 if unit.kind in PRODUCTS else 0.0) + moved / 1e7 + 0.002


def network(place: int) -> TimedNetwork:
    counts = DRAWN[place]
    read = sum(megabytes(columns_of([unit]))[0] * times for unit, times in counts.items())
    streamed = PER_MB * max(read - CACHE, 0.0)
    ms = START + sum(truth(unit) * times for unit, times in counts.items()) + streamed
    places = {unit: index for index, unit in enumerate(UNITS)}
    return TimedNetwork(f"net{place}", "own", True, tuple((places[unit], times) for unit, times in counts.items()), ms)


NETWORKS = [network(place) for place in range(len(DRAWN))]
LEARNED, HELD = NETWORKS[:160], NETWORKS[160:]
NOTED = [TimedUnit(unit, truth(unit) * FACTORS.get(unit.kind, 1.2) + OVERHEAD, 2) for unit in UNITS]
SILENT = [TimedUnit(unit) for unit in UNITS]


def errors(estimator: Estimator) -> np.ndarray:
    """Relative errors of the networks that were held out."""
    ready = estimator.ready()
    parts = ready.parts(UNITS)
    sums = [[sum(part[place] * count for place, count in one.units) for part in parts] for one in HELD]
    found = [ready.total(*both) for both in sums]
    return abs(np.array(found) / np.array([one.ms for one in HELD]) - 1)


ONE = (frozenset[int](),)
"""A single member that learns from all."""


@pytest.fixture(scope="module")
def of_noted() -> Estimator:
    return learn(NOTED, LEARNED, left_out=ONE, steps=600)


def test_known_times_are_found_again(of_noted: Estimator) -> None:
    found = errors(of_noted)
    assert np.median(found) < 0.03 and np.quantile(found, 0.9) < 0.1


def test_what_streaming_weights_takes_is_told_apart(of_noted: Estimator) -> None:
    assert of_noted.streaming.ms_per_mb == pytest.approx(PER_MB, rel=0.25)
    assert of_noted.streaming.cache_mb == pytest.approx(CACHE, abs=4)


def test_from_whole_networks_alone() -> None:
    found = errors(learn(SILENT, LEARNED, left_out=ONE, steps=300))
    assert np.median(found) < 0.1 and np.quantile(found, 0.9) < 0.3


def test_units_are_told_apart_as_they_run_and_not_as_they_are_noted(of_noted: Estimator) -> None:
    """The factor of a kind, and the overhead of noting, are not in what is predicted."""
    convs = [unit for unit in UNITS if unit.kind == "conv" and truth(unit) > 0.05]
    ratios = of_noted.ready().parts(convs).ms / [truth(unit) for unit in convs]
    assert abs(np.median(ratios) - 1) < 0.05


def test_the_same_times_give_the_same_estimator() -> None:
    one, other = (learn(NOTED, NETWORKS[:FEWEST], steps=3) for _ in range(2))
    assert one == other
    assert len(one.members) == 2 and one.members[0] != one.members[1]


def test_what_a_member_leaves_out_teaches_it_nothing() -> None:
    """The member that does learn from the network takes another one's time for it."""
    wrong = [msgspec.structs.replace(NETWORKS[3], ms=1e3) if place == 3 else NETWORKS[place] for place in range(FEWEST)]
    one, other = (learn(SILENT, some, left_out=({3}, {5}), steps=3) for some in (NETWORKS[:FEWEST], wrong))
    assert one.members[0] == other.members[0] and one.members[1] != other.members[1]


def test_progress() -> None:
    told: list[tuple[int, int]] = []
    learn(SILENT, LEARNED, steps=3, advance=lambda done, total: told.append((done, total)))
    assert told == [(done, 6) for done in range(1, 7)]


def test_one_outlier_changes_little() -> None:
    broken = [*LEARNED[1:], TimedNetwork("slow", "own", True, LEARNED[0].units, 100 * LEARNED[0].ms)]
    assert np.median(errors(learn(NOTED, broken, left_out=ONE, steps=200))) < 0.06


def test_too_few_networks() -> None:
    line = f"{FEWEST - 1} networks were timed (allowed: at least {FEWEST}); give it more minutes"
    with pytest.raises(ProfileError) as error:
        learn(NOTED, NETWORKS[: FEWEST - 1])
    assert str(error.value) == line


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError):
        learn(NOTED, LEARNED)

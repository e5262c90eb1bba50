"""Latency: by prediction exactly, by measurement in a few tries, and by both."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scale.networks import same
from vertebra.arch import Architecture
from vertebra.costs import cost
from vertebra.errors import BudgetError
from vertebra.scale import to
from vertebra.scale.timing import TRIES
from vertebra.zoo import architecture

BASE = architecture("cifar_resnet20")
Clock = Callable[[Architecture], float]


def clock(per_ms: float, fixed: float = 0.0) -> Clock:
    """MACs at a speed, and a fixed time."""
    return lambda arch: fixed + cost(arch).macs / per_ms


class Counted:
    """A clock that counts how often it is asked."""

    def __init__(self, of: Clock) -> None:
        self.of = of
        self.asked: list[tuple[Architecture, float]] = []

    def __call__(self, arch: Architecture) -> float:
        self.asked.append((arch, self.of(arch)))
        return self.asked[-1][1]


def test_a_prediction_is_one_more_exact_cost() -> None:
    by_macs, by_time = to(BASE, macs=80e6), to(BASE, latency="8ms", predict=clock(10e6))
    assert same(by_macs.arch, by_time.arch) and by_time.phi == by_macs.phi
    assert by_time.binds == ("latency",) and by_time.measured_ms is None
    assert by_time.predicted_ms == cost(by_time.arch).macs / 10e6
    assert re.search(r"\), is estimated at [89](\.\d+)? ms$", by_time.why) and by_time.why.startswith("latency binds: ")


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.1, 1.3, 3.0])
def test_a_prediction_is_verified_and_corrected(factor: float) -> None:
    """Too optimistic or too pessimistic: what is given was measured, within the budget and near it."""
    measure = Counted(clock(10e6 / factor, 0.2))
    solution = to(BASE, latency=8.0, predict=clock(10e6), measure=measure)
    assert solution.measured_ms == measure.of(solution.arch) and 0.9 * 8 < solution.measured_ms <= 8
    assert any(same(arch, solution.arch) for arch, _ in measure.asked)
    assert len(measure.asked) <= 5 and solution.binds == ("latency",)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.3, 300), st.floats(0, 0.2), st.integers(0, 1000))
def test_measurement_alone_needs_few_tries(budget: float, fixed: float, seed: int) -> None:
    """With noise of 3% in each, from a budget that shrinks the base to one that enlarges it a hundredfold."""
    noise = random.Random(seed)
    measure = Counted(lambda arch: clock(10e6, fixed)(arch) * noise.uniform(0.97, 1.03))
    solution = to(BASE, latency=budget, measure=measure)
    assert len({cost(arch).macs for arch, _ in measure.asked}) <= TRIES
    assert solution.measured_ms is not None and solution.measured_ms <= budget
    exact = to(BASE, macs=(budget - fixed) * 10e6)
    assert solution.phi > exact.phi - 0.6  # a unit doubles; steps near 0 and below are coarse
    assert solution.predicted_ms is None


def test_a_measured_network_that_is_too_slow_is_never_given() -> None:
    """What looks slow at random, twice, is not proposed again."""
    noise = random.Random(7)
    measure = Counted(lambda arch: clock(10e6)(arch) * noise.uniform(0.6, 1.4))
    solution = to(BASE, latency=8.0, predict=clock(10e6), measure=measure)
    assert solution.measured_ms is not None and solution.measured_ms <= 8
    assert min(ms for arch, ms in measure.asked if same(arch, solution.arch)) == solution.measured_ms
    times: dict[int, list[float]] = {}
    for arch, ms in measure.asked:
        times.setdefault(cost(arch).macs, []).append(ms)
    assert all(len(each) == (1 if each[0] <= 8 else 2) for each in times.values())


def test_a_hiccup_decides_nothing() -> None:
    """The first time that each network is measured takes twice as long."""
    seen: set[int] = set()

    def hiccups(arch: Architecture) -> float:
        first = cost(arch).macs not in seen
        seen.add(cost(arch).macs)
        return clock(10e6)(arch) * (2 if first else 1)

    solution = to(BASE, latency=8.0, predict=clock(10e6), measure=hiccups)
    assert same(solution.arch, to(BASE, macs=80e6).arch) and len(seen) == 1


def test_a_clock_that_jumps_is_closed_in_on() -> None:
    """From 70 M MACs on twice as slow, as where caches overflow: no one factor corrects the prediction."""

    def jumps(arch: Architecture) -> float:
        return clock(10e6)(arch) * (1 if cost(arch).macs < 70e6 else 2)

    measure = Counted(jumps)
    solution = to(BASE, latency=8.0, predict=clock(10e6), measure=measure)
    exact = to(BASE, latency=8.0, predict=jumps)
    assert solution.phi > exact.phi - 0.1 and cost(solution.arch).macs > 0.85 * cost(exact.arch).macs
    assert len({cost(arch).macs for arch, _ in measure.asked}) <= TRIES
    assert re.search(r"latency binds: the next larger network, .* measured at 1\d(\.\d)? ms", solution.why)


def test_with_another_budget_the_tighter_binds() -> None:
    measure = Counted(clock(10e6))
    solution = to(BASE, latency=8.0, params=300_000, predict=clock(10e6), measure=measure)
    assert solution.binds == ("params",) and len(measure.asked) == 1
    assert cost(solution.arch).params <= 300_000
    solution = to(BASE, latency=8.0, params="1G", measure=clock(10e6))
    assert solution.binds == ("latency",)


def test_a_latency_that_cannot_be_had() -> None:
    """Where even the smallest takes ten milliseconds."""
    for predict in (clock(10e6, 10.0), None):
        with pytest.raises(BudgetError, match=r"no network (fits 8 ms|was measured within 8 ms); "):
            to(BASE, latency="8ms", predict=predict, measure=clock(10e6, 10.0))
    with pytest.raises(BudgetError, match=r"no network fits 8 ms; the nearest, .* has 10 ms: latency binds"):
        to(BASE, latency="8ms", predict=clock(10e6, 10.0))


def test_nothing_is_measured_where_other_budgets_fail() -> None:
    measure = Counted(clock(10e6))
    with pytest.raises(BudgetError, match="params binds"):
        to(BASE, latency="8ms", params=10, measure=measure)
    assert measure.asked == []

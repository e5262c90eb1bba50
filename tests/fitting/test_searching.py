"""Which candidates are measured."""

from __future__ import annotations

import math
import zlib

import pytest

from tests.fitting.plans import Truth, guessed, measured
from vertebra.fitting.forecast import Forecast, learned
from vertebra.fitting.layout import Plan, plans
from vertebra.fitting.measuring import Measured
from vertebra.fitting.searching import CLOSE, FEWEST, PER_FAMILY, Limits, search_family
from vertebra.zoo import families


@pytest.fixture(scope="module")
def found() -> tuple[Plan, ...]:
    return plans(families(), classes=7, side=32, channels=1)


@pytest.fixture(scope="module")
def members(found: tuple[Plan, ...]) -> list[Plan]:
    return [plan for plan in found if plan.family == "resnet"]


def limits(budget: float | None, training: float = 1e9) -> Limits:
    return Limits(latency_ms=budget, images=1000, training=training)


def searched(
    members: list[Plan],
    truth: Truth,
    budget: float,
    *,
    forecast: Forecast | None = None,
    side: int = 16,
    wanted: int = 1,
) -> list[Measured]:
    known = forecast or Forecast(members, learned(members))

    def test(plan: Plan) -> Measured:
        one = measured(plan, truth(plan), budget)
        known.learn(one)
        return one

    return search_family(members, test, known, limits(budget), side=side, wanted=wanted)


def by_macs(plan: Plan) -> float:
    return 1e-6 * plan.macs


def uneven(plan: Plan) -> float:
    """Not as the counts say: each network up to a fifth quicker or slower, each family up to three times."""
    own, family = (zlib.crc32(name.encode()) / 2**32 for name in (plan.name, plan.family))
    return by_macs(plan) ** 0.9 * 1.44 ** (own - 0.5) * 9 ** (family - 0.5)


@pytest.mark.parametrize("part", [0.1, 0.3, 0.9])
def test_a_right_forecast_needs_one_measurement(members: list[Plan], part: float) -> None:
    budget = by_macs(members[int(part * len(members))])
    done = searched(members, by_macs, budget, forecast=guessed(tuple(members), by_macs, interval=(0.98, 1.02)))
    assert len(done) == 1 and done[0].fits
    better = [plan for plan in members if done[0].plan.macs < plan.macs and 1.02 * by_macs(plan) <= budget]
    assert not better  # it stands on the frontier


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_without_a_profile_the_largest_is_found_in_few(members: list[Plan], part: float) -> None:
    budget = by_macs(members[int(part * (len(members) - 1))])
    done = searched(members, by_macs, budget)
    assert len(done) <= PER_FAMILY
    good = [one for one in done if one.fits]
    assert good
    largest = max(one.plan.macs for one in good)
    assert largest >= CLOSE * 1e6 * budget or largest == max(p.macs for p in members if by_macs(p) <= budget)


def test_all_families_cost_fewer_measurements_than_a_bisection_and_find_as_much(found: tuple[Plan, ...]) -> None:
    """One forecast for all of them, as in a job: two measurements each, where a bisection over two dozen takes five."""
    forecast = Forecast(found, learned(found))
    groups = [[plan for plan in found if plan.family == family.name] for family in families()]
    budget = 20.0
    counts, shares = [], []
    for group in groups:
        done = searched(group, uneven, budget, forecast=forecast, side=32)
        whole = [plan for plan in group if plan.resolution >= 32 and uneven(plan) <= budget]
        good = [one for one in done if one.fits]
        if whole:
            assert good and all(one.plan.resolution >= 32 for one in good)
            counts.append(len(done))
            shares.append(max(one.plan.macs for one in good) / max(plan.macs for plan in whole))
    assert len(counts) > 15
    assert sum(counts) / len(counts) < 2.6
    assert sum(shares) / len(shares) > 0.75


def test_where_nothing_fits_the_quickest_says_so(members: list[Plan]) -> None:
    done = searched(members, by_macs, 0.3 * by_macs(members[0]))
    assert not any(one.fits for one in done) and len(done) <= PER_FAMILY
    assert min(one.plan.macs for one in done) <= 2 * members[0].macs
    done = searched(members, by_macs, 0.3 * by_macs(members[0]), forecast=guessed(tuple(members), by_macs))
    assert [one.plan for one in done] == members[:1]


def test_pictures_are_shrunk_only_where_nothing_else_fits(members: list[Plan]) -> None:
    whole = [plan for plan in members if plan.resolution >= 32]
    for budget, expected in ((by_macs(whole[3]), {32}), (0.99 * by_macs(whole[0]), {16, 24, 32})):
        done = searched(members, by_macs, budget, side=32)
        assert {one.plan.resolution for one in done} <= expected
        assert any(one.fits for one in done)


def test_several_are_found_where_several_are_wanted(members: list[Plan]) -> None:
    """Where few families keep the exact budgets there must be something to choose from."""
    budget = by_macs(members[len(members) // 2])

    def test(plan: Plan) -> Measured:
        one = measured(plan, by_macs(plan), budget)
        forecast.learn(one)
        return one

    forecast = guessed(tuple(members), by_macs)
    done = search_family(members, test, forecast, limits(budget), side=16, tests=7, wanted=4)
    assert len([one for one in done if one.fits]) >= 4
    assert len({one.plan.name for one in done}) == len(done) <= 7


def test_a_short_training_makes_large_networks_unsuitable(members: list[Plan]) -> None:
    """1,000 pictures 8 times in 1,600 s at two latencies each: 100 ms."""
    limit = limits(None, training=1600.0)
    assert limit.used(members[0], 50.0, 9900.0) == pytest.approx(0.5)  # preprocessing takes no part in training
    forecast = guessed(tuple(members), by_macs, interval=(0.98, 1.02))

    def test(plan: Plan) -> Measured:
        one = measured(plan, by_macs(plan))
        forecast.learn(one)
        return one

    done = search_family(members, test, forecast, limit, side=16, tests=FEWEST)
    assert max(one.plan.macs for one in done if limit.suits(one)) == max(
        plan.macs for plan in members if by_macs(plan) <= 100 / 1.02
    )


def test_what_breaks_a_budget_of_bytes_is_followed_by_something_smaller(members: list[Plan]) -> None:
    forecast = guessed(tuple(members), by_macs)
    budget = math.inf

    def test(plan: Plan) -> Measured:
        one = measured(plan, by_macs(plan), budget)
        forecast.learn(one)
        broken = "too many bytes" if plan.params > members[4].params else None
        return Measured(plan=plan, latency=one.latency, bytes=one.bytes, over=broken)

    done = search_family(members, test, forecast, limits(None), side=16, tests=5)
    assert not done[0].fits and done[-1].plan.params < done[0].plan.params
    assert done[-1].fits

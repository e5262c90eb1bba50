"""Which candidates are laid out, measured and chosen."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.costs.budget import Budgets
from vertebra.costs.count import cost
from vertebra.errors import BudgetError
from vertebra.fitting.halving import LEAST_EPOCHS, TRAINING_COST, Setting, affordable_ms, foreign, ranked, rounds_for
from vertebra.fitting.layout import LAST_MAP, Plan, breach, plans, resolutions_for, within
from vertebra.fitting.measuring import Latency, Measured, over
from vertebra.fitting.searching import PER_FAMILY, search_family, spread
from vertebra.zoo import families


@pytest.fixture(scope="module")
def found() -> tuple[Plan, ...]:
    return plans(families(), classes=7, side=32, channels=1)


def test_every_family_is_laid_out_for_the_data(found: tuple[Plan, ...]) -> None:
    assert {plan.family for plan in found} == {family.name for family in families()}
    assert all(plan.arch.classes == 7 and plan.arch.channels == 1 for plan in found)
    assert len({plan.name for plan in found}) == len(found)
    assert len({(plan.arch.hash, plan.resolution) for plan in found}) == len(found)
    assert [plan.macs for plan in found] == sorted(plan.macs for plan in found)


def test_small_pictures_keep_a_map_to_the_end(found: tuple[Plan, ...]) -> None:
    for plan in found[::20]:
        assert cost(plan.arch.without_head()).leaves[1] >= LAST_MAP, plan.name


def test_costs_are_those_of_the_architecture(found: tuple[Plan, ...]) -> None:
    for plan in found[::50]:
        exact = cost(plan.arch)
        assert (plan.params, plan.macs) == (exact.params, exact.macs)


@given(st.integers(1, 5000))
def test_there_are_resolutions_for_any_picture(side: int) -> None:
    sizes = resolutions_for(side)
    assert sizes and list(sizes) == sorted(set(sizes))


def test_exact_budgets(found: tuple[Plan, ...]) -> None:
    kept = within(found, Budgets(params=50_000, macs=5_000_000, bytes=150_000))
    assert kept and all(plan.params <= 37_500 and plan.macs <= 5_000_000 for plan in kept)
    left = set(found) - set(kept)
    assert all(breach(plan, Budgets(params=50_000, macs=5_000_000, bytes=150_000)) for plan in left)
    least = min(plan.params for plan in found)
    with pytest.raises(BudgetError, match=f"the smallest found, .*{least:,} parameters"):
        within(found, Budgets(params=least - 1))


def measured(plan: Plan, milliseconds: float, budget: float) -> Measured:
    latency = Latency(network_ms=milliseconds, preprocess_ms=0.0)
    broken = over(latency, plan.bytes, Budgets(latency_ms=budget))
    return Measured(plan=plan, latency=latency, bytes=plan.bytes, over=broken)


@pytest.mark.parametrize("limit", [0.0, 0.3, 4.0, 1e9])
def test_the_bisection_finds_the_largest_good_one(found: tuple[Plan, ...], limit: float) -> None:
    """With latency proportional to MACs."""
    members = [plan for plan in found if plan.family == "resnet"]
    budget = limit * 1e-6 * members[0].macs

    def test(plan: Plan) -> Measured:
        return measured(plan, 1e-6 * plan.macs, budget)

    done = search_family(members, test, lambda one: one.fits, side=16)
    assert done[0].plan == members[0] and len(done) <= PER_FAMILY
    if limit > 1e8:
        assert done[-1].plan.macs > members[-3].macs
    if limit == 0:
        assert not any(one.fits for one in done)


def test_a_guess_near_the_answer_needs_few_tests(found: tuple[Plan, ...]) -> None:
    members = [plan for plan in found if plan.family == "resnet"]
    limit = spread(members, 24)[10].macs

    def test(plan: Plan) -> Measured:
        return measured(plan, 1e-6 * plan.macs, 1e-6 * limit)

    done = search_family(members, test, lambda one: one.fits, side=16, tests=2, guess=1.01 * limit)
    assert done[0].plan.macs == limit and done[0].fits and len(done) == 2
    # Of a guess far too large, the last test is the smallest member, which says whether anything fits.
    done = search_family(members, test, lambda one: one.fits, side=16, tests=2, guess=1e15)
    assert not done[0].fits and done[-1].plan == members[0]


def test_pictures_are_shrunk_only_where_nothing_else_fits(found: tuple[Plan, ...]) -> None:
    members = [plan for plan in found if plan.family == "resnet"]
    whole = [plan for plan in members if plan.resolution >= 32]
    for budget, expected in ((1e-6 * whole[3].macs, {32}), (0.99e-6 * whole[0].macs, {16, 24, 32})):
        done = search_family(
            members,
            lambda plan, budget=budget: measured(plan, 1e-6 * plan.macs, budget),
            lambda one: one.fits,
            side=32,
        )
        assert {one.plan.resolution for one in done} <= expected
        assert any(one.fits for one in done)


def test_contenders_come_from_every_family(found: tuple[Plan, ...]) -> None:
    every = [measured(plan, 1e-9 * plan.macs, 1.0) for plan in found]
    chosen = ranked(every, Setting(images=1000, side=32, seconds=600.0))[: len(families())]
    assert len({one.plan.family for one in chosen}) == len(chosen)
    for one in chosen:
        mine = [m for m in every if m.fits and m.plan.family == one.plan.family]
        assert one.plan.macs == max(m.plan.macs for m in mine)
    # Those that are meant for such pictures come first; among equals, those without normalisation last.
    distances = [foreign(one.plan, 32) for one in chosen]
    assert distances == sorted(distances) and distances[:4] == [0, 0, 0, 0]
    last = [one.plan for one in chosen if foreign(one.plan, 32) == distances[-1]]
    assert [plan.normalised for plan in last] == sorted((plan.normalised for plan in last), reverse=True)


def test_a_short_time_prefers_cheaper_networks(found: tuple[Plan, ...]) -> None:
    every = [measured(plan, 1e-7 * plan.macs, 100.0) for plan in found]
    limit = affordable_ms(10_000, 30.0)
    assert limit * TRAINING_COST * LEAST_EPOCHS * 10_000 == pytest.approx(30e3)
    chosen = ranked(every, Setting(images=10_000, side=32, seconds=30.0))[:6]
    affordable = [one for one in chosen if one.latency.network_ms <= limit]
    assert affordable == chosen[: len(affordable)]


@given(st.floats(0.1, 1e5), st.integers(2, 10**6), st.floats(0.01, 100))
def test_rounds_halve(seconds: float, images: int, latency: float) -> None:
    sizes = rounds_for(seconds, images, latency)
    assert 4 <= sizes[0] <= 8 and sizes[-1] <= 3
    assert all(after == -(-before // 2) for before, after in pairwise(sizes))

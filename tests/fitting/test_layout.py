"""Which candidates are laid out, measured and chosen."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fitting.plans import measured
from vertebra.costs.budget import Budgets
from vertebra.costs.count import cost
from vertebra.errors import BudgetError
from vertebra.fitting.halving import LEAST_EPOCHS, TRAINING_COST, Setting, affordable_ms, foreign, ranked, rounds_for
from vertebra.fitting.layout import Plan, breach, plans, resolutions_for, within
from vertebra.scale.bases import LAST_MAP
from vertebra.scale.grid import LOPSIDED
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


def test_widths_and_depths_keep_together(found: tuple[Plan, ...]) -> None:
    """Multiply-accumulates follow the depth and the width's square: one brings at most LOPSIDED times the other."""
    shares = [plan.depth / plan.width**2 for plan in found]
    assert 1 / LOPSIDED <= min(shares) < max(shares) <= LOPSIDED
    scales = {(plan.width, plan.depth) for plan in found if plan.family == "resnet"}
    assert {(0.25, 0.25), (1.0, 1.0), (2.0, 2.0)} <= scales


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

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertebra.errors import RecipeError
from vertebra.train.cycle import Cycle, cycle_of
from vertebra.train.history import Point
from vertebra.train.schedule import Plan, Revision, factor


def test_factor_against_the_formula():
    # 100 steps, a fifth of them warm-up: linear to the peak, then half a cosine.
    assert [factor(step, 100, 0.2) for step in (0, 9, 19)] == [1 / 20, 10 / 20, 1.0]
    for step in range(20, 100):
        expected = 0.5 * (1 + math.cos(math.pi * (step - 20) / 80))
        assert factor(step, 100, 0.2) == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.data())
def test_factor_is_a_fraction_of_the_peak(steps, warmup, data):
    step = data.draw(st.integers(0, steps - 1))
    assert 0 < factor(step, steps, warmup) <= 1


def test_plans_keep_their_revisions():
    plan = Plan.of(100).revised(10, 80).revised(20, 90).revised(20, 95)
    assert plan.revisions == (Revision(0, 100), Revision(10, 80), Revision(20, 95))
    assert [plan.steps_at(step) for step in (0, 9, 10, 19, 20, 50)] == [100, 100, 80, 80, 95, 95]
    assert plan.steps == 95


@pytest.mark.parametrize("bad", [(), (Revision(1, 5),), (Revision(0, 0),), (Revision(0, 9), Revision(5, 5))])
def test_plans_without_sense(bad):
    with pytest.raises(RecipeError):
        Plan(bad)


@given(st.integers(1, 300), st.integers(1, 20))
def test_evaluations_are_spread_and_the_last_is_at_the_end(steps, evaluations):
    cycle = Cycle(start=0, plan=Plan.of(steps), evaluations=evaluations)
    at = []
    for done in range(steps + 1):
        if cycle.due(done):
            cycle.settle(done, _point(done))
            at.append(done)
    assert at[-1] == steps and at[0] > 0
    assert len(at) == min(steps, evaluations)


def _point(step: int) -> Point:
    return Point(step=step, epoch=0, seconds=0, train_loss=None, val_loss=None, val_accuracy=None, learning_rate=0)


@settings(max_examples=50, deadline=None)
@given(st.floats(1, 200), st.floats(0.05, 2), st.floats(0.2, 5), st.floats(0, 0.05))
def test_a_time_budget_is_kept_whatever_the_first_guess(budget, step, wrong, share):
    """Simulated: steps of ``step`` seconds, four evaluations of ``share`` of the budget each."""
    cycle = cycle_of(
        start=0, evaluations=4, steps_per_epoch=10, step_seconds=step * wrong, seconds=budget, epochs=None, plan=None
    )
    done = 0
    while True:
        if cycle.due(done):
            cycle.settle(done, _point(done))
            cycle.seconds += share * budget
        if done >= cycle.plan.steps_at(done):
            break
        cycle.seconds += step
        done += 1
        if cycle.wants_revision(done):
            cycle.revise(done, step, share * budget)
    assert abs(cycle.seconds - budget) <= 0.05 * budget + 3 * step


@pytest.mark.parametrize(
    "length",
    [
        {},
        {"seconds": 1.0, "epochs": 1.0},
        {"seconds": -1.0},
        {"epochs": math.nan},
        {"seconds": math.inf},
        {"epochs": True},
    ],
)
def test_lengths_without_sense(length):
    both = {"seconds": None, "epochs": None, "plan": None, **length}
    with pytest.raises(RecipeError, match="cycle"):
        cycle_of(start=0, evaluations=1, steps_per_epoch=1, step_seconds=1.0, **both)

"""What other latencies would buy, from made-up times."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from tests.fitting.plans import guessed, measured
from vertebra.fitting.forecast import Forecast
from vertebra.fitting.further import BEYOND, SHARES, further
from vertebra.fitting.halving import Contender
from vertebra.fitting.layout import Plan, plans
from vertebra.fitting.measuring import Measured
from vertebra.report.study import Further, Rung
from vertebra.zoo import families

BUDGET = 5.0


class Entrant(msgspec.Struct):
    """As much of a contender as counts here."""

    measured: Measured
    accuracy: float | None

    @property
    def plan(self) -> Plan:
        return self.measured.plan

    @property
    def rungs(self) -> tuple[Rung, ...]:
        if self.accuracy is None:
            return ()
        return (Rung(round=1, seconds=1.0, epochs=1.0, val_accuracy=self.accuracy),)


def truth(plan: Plan) -> float:
    return (1e-7 if plan.family == "resnet" else 1e-6) * plan.macs


@pytest.fixture(scope="module")
def found() -> tuple[Plan, ...]:
    return plans([one for one in families() if one.name in ("resnet", "cifar_resnet")], classes=7, side=32)


@pytest.fixture
def forecast(found: tuple[Plan, ...]) -> Forecast:
    return guessed(found, truth, interval=(0.9, 1.2))


def entrant(found: tuple[Plan, ...], family: str, near: float, accuracy: float | None) -> Contender:
    plan = min((one for one in found if one.family == family), key=lambda one: abs(truth(one) - near))
    return cast(Contender, Entrant(measured(plan, truth(plan)), accuracy))


def bought(forecast: Forecast, found: tuple[Plan, ...], budget: float | None = BUDGET) -> tuple[Further, list[Any]]:
    field = [
        entrant(found, "resnet", 4.0, 0.97),
        entrant(found, "cifar_resnet", 4.5, 0.99),
        entrant(found, "resnet", 3.0, 0.95),
        entrant(found, "resnet", 2.9, None),
    ]
    for one in field:
        forecast.learn(one.measured)
    return further(forecast, field[0], field, side=32, budget_ms=budget), field


def test_each_allowance_holds_the_largest_of_each_family(forecast: Forecast, found: tuple[Plan, ...]) -> None:
    """Against all candidates one by one."""
    beyond, _ = bought(forecast, found)
    assert beyond.budgeted and beyond.basis_ms == BUDGET
    assert [one.share for one in beyond.allowances] == list(SHARES)
    assert [line.family for line in beyond.lines] == ["resnet", "cifar_resnet"]
    whole = [plan for plan in found if plan.resolution >= 32]
    for allowance in beyond.allowances:
        assert allowance.latency_ms == pytest.approx(allowance.share * BUDGET)
        for family in ("resnet", "cifar_resnet"):
            within = [one for one in whole if one.family == family and truth(one) <= allowance.latency_ms]
            reach = next((one for one in allowance.reaches if one.family == family), None)
            if not within:
                assert reach is None
                continue
            assert reach is not None
            assert reach.macs == max(one.macs for one in within)
            assert reach.ms == pytest.approx(truth(next(one for one in within if one.name == reach.name)))
            assert reach.last == (reach.macs == max(one.macs for one in whole if one.family == family))


def test_what_is_expected_has_an_interval_and_what_was_measured_has_none(
    forecast: Forecast, found: tuple[Plan, ...]
) -> None:
    beyond, field = bought(forecast, found)
    names = {one.plan.name for one in field}
    reaches = [one for allowance in beyond.allowances for one in allowance.reaches]
    for one in reaches:
        assert one.measured == (one.name in names)
        share = (1.0, 1.0) if one.measured else (0.9, 1.2)
        assert (one.low_ms, one.high_ms) == pytest.approx((share[0] * one.ms, share[1] * one.ms))


def test_the_best_that_was_trained_stands_at_its_own_latency(forecast: Forecast, found: tuple[Plan, ...]) -> None:
    beyond, field = bought(forecast, found)
    shown = {one.share: one.trained for one in beyond.allowances}
    best = shown[1.0]  # 4.0 and 4.5 ms
    assert best is not None and (best.name, best.val_accuracy, best.epochs) == (field[1].plan.name, 0.99, 1.0)
    smaller = shown[0.7]  # 3.0 ms; what was not trained has no accuracy
    assert smaller is not None and smaller.val_accuracy == 0.95
    assert [shown[share] for share in (0.5, 1.4, 2.0, 3.0)] == [None] * 4


def test_lines_climb_and_hold_what_nothing_as_quick_holds(forecast: Forecast, found: tuple[Plan, ...]) -> None:
    beyond, _ = bought(forecast, found)
    for line in beyond.lines:
        times, macs = [ms for ms, _, _ in line.points], [held for _, held, _ in line.points]
        assert times == sorted(times) and macs == sorted(set(macs)) and times
        assert SHARES[0] * BUDGET / BEYOND <= times[0] and times[-1] <= SHARES[-1] * BUDGET * BEYOND
        whole = [plan for plan in found if plan.family == line.family and plan.resolution >= 32]
        for ms, held, _ in line.points:
            assert held == max(plan.macs for plan in whole if truth(plan) <= ms + 1e-9)


def test_without_a_budget_the_winner_is_the_basis(forecast: Forecast, found: tuple[Plan, ...]) -> None:
    beyond, field = bought(forecast, found, budget=None)
    assert not beyond.budgeted and beyond.basis_ms == field[0].measured.latency.total_ms
    at_once = next(one for one in beyond.allowances if one.share == 1)
    assert at_once.reaches[0].macs >= field[0].plan.macs

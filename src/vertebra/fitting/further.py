"""What other latencies would buy: the largest network that is expected within each, from the candidates of a job."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vertebra.fitting.forecast import Forecast
from vertebra.fitting.halving import Contender
from vertebra.fitting.layout import Plan, shrinks
from vertebra.report.study import Allowance, Further, Line, Reach, Trained

SHARES = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
"""Of the budget, or of the winner's latency where there is none."""
BEYOND = 1.2
"""By how much a line goes on beyond the first and the last allowance."""


def further(
    forecast: Forecast, winner: Contender, field: Sequence[Contender], *, side: int, budget_ms: float | None
) -> Further:
    """For the families that were trained, the winner's first, under the job's other budgets.

    Counts of one family say what a larger network of it would hold; they are not compared between families.
    """
    latency = winner.measured.latency.total_ms
    basis = latency if budget_ms is None else budget_ms
    families = list(dict.fromkeys([winner.plan.family, *(one.plan.family for one in field)]))
    fronts = {family: _front(forecast, _members(forecast, family, side)) for family in families}
    steps = [share * basis for share in SHARES]
    return Further(
        budgeted=budget_ms is not None,
        basis_ms=basis,
        predicted_by=forecast.guess.said,
        interval=forecast.interval,
        checked=forecast.checked,
        allowances=tuple(
            Allowance(
                latency_ms=most,
                share=share,
                reaches=tuple(one for one in (_reach(forecast, front, most) for front in fronts.values()) if one),
                trained=_trained(field, least, most),
            )
            for share, least, most in zip(SHARES, (0.0, *steps), steps, strict=False)
        ),
        lines=tuple(
            Line(
                family=family,
                points=tuple(
                    (ms, plan.macs, plan.name) for ms, plan in front if steps[0] / BEYOND <= ms <= steps[-1] * BEYOND
                ),
            )
            for family, front in fronts.items()
        ),
    )


def _members(forecast: Forecast, family: str, side: int) -> list[Plan]:
    """The family's plans that see pictures whole; all of them where none does."""
    every = [plan for plan in forecast.plans if plan.family == family]
    return [plan for plan in every if not shrinks(plan, side)] or every


Front = list[tuple[float, Plan]]
"""Expected milliseconds and plans, in ascending order of both."""


def _front(forecast: Forecast, members: Sequence[Plan]) -> Front:
    """What holds more multiply-accumulates than all that is expected to be as quick."""
    times = forecast.total_ms(members)
    found: Front = []
    for place in np.lexsort([np.array([-plan.macs for plan in members]), times]).tolist():
        if not found or members[place].macs > found[-1][1].macs:
            found.append((float(times[place]), members[place]))
    return found


def _reach(forecast: Forecast, front: Front, most: float) -> Reach | None:
    """The last of a frontier within so many ms."""
    within = [(ms, plan) for ms, plan in front if ms <= most]
    if not within:
        return None
    ms, plan = within[-1]
    measured = forecast.was_measured(plan)
    low, high = (1.0, 1.0) if measured else forecast.interval
    return Reach(
        family=plan.family,
        name=plan.name,
        resolution=plan.resolution,
        params=plan.params,
        macs=plan.macs,
        ms=ms,
        low_ms=low * ms,
        high_ms=high * ms,
        measured=measured,
        last=plan is front[-1][1],
    )


def _trained(field: Sequence[Contender], least: float, most: float) -> Trained | None:
    """The best of the candidates above ``least`` and up to ``most`` ms that were trained."""
    found = [
        Trained(
            name=one.plan.name,
            family=one.plan.family,
            latency_ms=one.measured.latency.total_ms,
            val_accuracy=one.rungs[-1].val_accuracy,
            epochs=one.rungs[-1].epochs,
        )
        for one in field
        if one.rungs and least < one.measured.latency.total_ms <= most
    ]
    return max(found, key=lambda one: one.val_accuracy, default=None)

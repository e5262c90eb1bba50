"""Candidates with made-up latencies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vertebra.costs.budget import Budgets
from vertebra.fitting.forecast import Forecast, Guess
from vertebra.fitting.layout import Plan
from vertebra.fitting.measuring import Latency, Measured, over

Truth = Callable[[Plan], float]


def measured(plan: Plan, milliseconds: float, budget: float | None = None, beside: float = 0.0) -> Measured:
    """As if it had been timed: ``milliseconds`` of the network, ``beside`` them the preprocessing."""
    latency = Latency(network_ms=milliseconds, preprocess_ms=beside)
    return Measured(plan=plan, latency=latency, bytes=plan.bytes, over=over(latency, plan.bytes, _budgets(budget)))


def _budgets(budget: float | None) -> Budgets:
    return Budgets(latency_ms=budget)


def guessed(plans: tuple[Plan, ...], truth: Truth, interval: tuple[float, float] = (0.9, 1.1)) -> Forecast:
    """A forecast by a profile that says ``truth``."""
    times = np.array([truth(plan) for plan in plans])
    return Forecast(plans, Guess("a profile made up", interval, lambda places, known: times))

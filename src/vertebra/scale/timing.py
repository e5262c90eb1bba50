"""The largest network within a latency: by prediction, by measurement, or by measurement that prediction leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vertebra.arch.architecture import Architecture
from vertebra.costs.count import cost
from vertebra.errors import BudgetError, UsageError
from vertebra.scale.search import Found, Limit, largest
from vertebra.scale.steps import Network, Path

Clock = Callable[[Architecture], float]
"""The latency of a network at its own resolution, in ms."""
TRIES = 10
"""Networks that are measured at most."""
CLOSE = 0.96
"""Of a budget: a measured network that uses as much is near enough to the largest."""
MARGIN = 0.98
"""Of a budget that the next is to use, when one was measured above it: noise must not decide."""
GROWTH = 4.0
"""By how much the next to be measured may be larger than the last."""


class Timed(NamedTuple):
    """What was found, with its latency in ms as far as it was predicted and measured, and the limit that it kept."""

    found: Found
    predicted_ms: float | None
    measured_ms: float | None
    limit: Limit


def within(path: Path, limits: Sequence[Limit], most_ms: float, predict: Clock | None, measure: Clock | None) -> Timed:
    """The largest network that keeps the limits and a latency; raises BudgetError with the nearest where none does,
    UsageError where it can be neither predicted nor measured.

    Where only ``predict`` is given the search is exact.  With ``measure`` each proposal is measured, and what the
    measurement says corrects the next: a network that is too slow is followed by a smaller one, and one that leaves
    room by a larger one.  Without ``predict`` MACs take its place, so that a few measurements do.
    """
    if measure is None:
        if predict is None:
            raise UsageError("a latency can be neither predicted nor measured", allowed="predict=, measure= or both")
        limit = _limit(most_ms, predict, 1.0)
        found = largest(path, (*limits, limit))
        return Timed(found, predict(found.network.arch), None, limit)
    return _measured(path, limits, most_ms, predict, measure)


def _measured(path: Path, limits: Sequence[Limit], most_ms: float, predict: Clock | None, measure: Clock) -> Timed:
    estimate, rate = predict, 1.0
    if estimate is None:
        if limits:
            largest(path, limits)  # where these alone leave nothing it says so, before anything is measured
        base = path.at(0.0)
        estimate, rate = _macs, most_ms / (base.cost.macs if base else 1)  # begins with the base, or what fits below
    kept: Timed | None = None
    slow: tuple[Network, float] | None = None
    for _ in range(TRIES):
        limit = _limit(most_ms, estimate, rate)
        try:
            found = largest(path, (*limits, limit), slow and slow[0])
        except BudgetError:
            if kept is None:
                raise
            break
        if kept is not None and found.network.phi <= kept.found.network.phi:
            break
        arch = found.network.arch
        guess, ms = estimate(arch), measure(arch)
        rate = max(ms / guess, most_ms / (GROWTH * guess))
        if ms > most_ms:
            slow, rate = (found.network, ms), rate / MARGIN
            continue
        kept = Timed(found, predict and predict(arch), ms, _limit(most_ms, estimate, ms / guess))
        if ms >= CLOSE * most_ms:
            break
    if kept is None:
        name, ms = (slow[0].arch.name, slow[1]) if slow else (path.base.name, float("inf"))
        raise BudgetError(
            f"no network was measured within {_ms(most_ms)}", remedy=f"the last of {TRIES}, {name}, took {_ms(ms)}"
        )
    return kept


def _limit(most_ms: float, estimate: Clock, rate: float) -> Limit:
    return Limit("latency", most_ms, lambda network: rate * estimate(network.arch), _ms)


def _macs(arch: Architecture) -> float:
    return cost(arch).macs


def _ms(value: float) -> str:
    return f"{value:.3g} ms"

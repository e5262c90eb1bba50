"""The largest network within a latency: by prediction, by measurement, or by measurement that prediction leads."""

from __future__ import annotations

import math
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
"""By how much the next to be measured may be larger than the last; and what was measured above as much is too slow."""


class Slow(NamedTuple):
    """A network that was measured above the latency asked for, in ms."""

    network: Network
    ms: float


class Timed(NamedTuple):
    """What was found, with its latency in ms as far as it was predicted and measured, and the limit that it kept.

    ``slow``: the smallest that was measured and too slow.
    """

    found: Found
    predicted_ms: float | None
    measured_ms: float | None
    limit: Limit
    slow: Slow | None = None


def within(path: Path, limits: Sequence[Limit], most_ms: float, predict: Clock | None, measure: Clock | None) -> Timed:
    """The largest network that keeps the limits and a latency; raises BudgetError with the nearest where none does,
    UsageError where it can be neither predicted nor measured.

    Where only ``predict`` is given the search is exact.  With ``measure`` each proposal is measured, and what the
    measurement says corrects the next: a network that is too slow is followed by a smaller one, and one that leaves
    room by a larger one.  What seems too slow is measured twice, and its lesser latency counts: machines hiccup, and
    only upwards.  Without ``predict`` MACs take its place, so that a few measurements do.
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
    slow: Slow | None = None
    for _ in range(TRIES):
        found = _proposed(path, limits, _limit(most_ms, estimate, rate), kept, slow)
        if found is None:
            break
        arch = found.network.arch
        guess, ms = estimate(arch), measure(arch)
        if most_ms < ms <= GROWTH * most_ms:  # no hiccup is longer than that
            ms = min(ms, measure(arch))
        rate = max(ms / guess, most_ms / (GROWTH * guess))
        if ms > most_ms:
            slow, rate = Slow(found.network, ms), rate / MARGIN
            continue
        kept = Timed(found, predict and predict(arch), ms, _limit(most_ms, estimate, ms / guess))
        if ms >= CLOSE * most_ms:
            break
    if kept is None:
        name, ms = (slow.network.arch.name, slow.ms) if slow else (path.base.name, float("inf"))
        raise BudgetError(
            f"no network was measured within {_ms(most_ms)}", remedy=f"the last of {TRIES}, {name}, took {_ms(ms)}"
        )
    return kept._replace(slow=slow)


def _proposed(path: Path, limits: Sequence[Limit], limit: Limit, kept: Timed | None, slow: Slow | None) -> Found | None:
    """What is to be measured next: the largest within the limit by the corrected estimate, or where that is no larger
    than what was kept already, one halfway to what was too slow.  None where there is nothing between.

    Raises BudgetError where nothing fits and nothing was kept.
    """
    below = slow and slow.network
    if kept is None:
        return largest(path, (*limits, limit), below)
    found = _largest(path, (*limits, limit), below)
    if slow is not None and not _above(found, kept):
        least, most = (limit.counted(one) for one in (kept.found.network, slow.network))
        found = _largest(path, (*limits, limit._replace(most=math.sqrt(least * most))), below)
        if not _above(found, kept):  # a step that is higher than half the way
            found = _largest(path, (*limits, limit._replace(most=most)), below)
    return found if _above(found, kept) else None


def _largest(path: Path, limits: Sequence[Limit], below: Network | None) -> Found | None:
    try:
        return largest(path, limits, below)
    except BudgetError:
        return None


def _above(found: Found | None, kept: Timed) -> bool:
    return found is not None and found.network.phi > kept.found.network.phi


def _limit(most_ms: float, estimate: Clock, rate: float) -> Limit:
    return Limit("latency", most_ms, lambda network: rate * estimate(network.arch), _ms)


def _macs(arch: Architecture) -> float:
    return cost(arch).macs


def _ms(value: float) -> str:
    return f"{value:.3g} ms"

"""Whether means of a few repeated runs differ by more than chance."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache

from vertebra.errors import VertebraError

_STEPS = 96  # of each of the two integrals: enough for the third decimal of a quantile


def pooled(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The standard deviation within groups, pooled over them, and its degrees of freedom.

    Groups are taken to share one variance.  (0, 0) where no group has two values.
    """
    several = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if not freedom:
        return 0.0, 0
    return math.sqrt(sum(statistics.variance(group) * (len(group) - 1) for group in several) / freedom), freedom


def honest_difference(spread: float, freedom: int, means: int, runs: int) -> float:
    """The least difference between two of ``means`` means of ``runs`` runs each that chance makes once in twenty.

    Tukey's honestly significant difference: the range of all the means is judged, since the best of many is best
    partly by luck.  ``spread`` and ``freedom`` are :func:`pooled`'s.
    """
    return studentised_range(means, freedom) * spread / math.sqrt(runs)


@lru_cache(maxsize=64)
def studentised_range(means: int, freedom: int, level: float = 0.95) -> float:
    """The quantile of the range of ``means`` normal values over an estimate of their spread with ``freedom`` degrees.

    As Tukey's tables print it (Harter 1960, Annals of Mathematical Statistics 31); to about three decimals for
    ``freedom`` from 2.  Raises VertebraError for fewer than two means or no degree of freedom.
    """
    if means < 2 or freedom < 1:
        what = f"the range of {means} means with {freedom} degrees of freedom"
        raise VertebraError(what, allowed="from 2 and from 1")
    low, high = 0.0, 4.0
    while _below(high, means, freedom) < level:
        high *= 2
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _below(middle, means, freedom) < level else (low, middle)
    return (low + high) / 2


def _below(q: float, means: int, freedom: int) -> float:
    """P(range <= q s) = E over s of k times the integral of phi(z) (Phi(z) - Phi(z - q s))^(k - 1)."""
    spreads = _spreads(freedom)
    whole = sum(density * _range_below(q * s, means) for s, density in spreads)
    return whole / sum(density for _, density in spreads)


def _range_below(width: float, means: int) -> float:
    """P(the range of so many standard normal values <= width)."""
    return means * sum(share * (below - _below_normal(z - width)) ** (means - 1) for z, share, below in _normals())


@lru_cache(maxsize=1)
def _normals() -> tuple[tuple[float, float, float], ...]:
    """Values of a standard normal, the probability of each step around them, and of all below."""
    step = 16 / _STEPS
    values = [-8 + step * (place + 0.5) for place in range(_STEPS)]
    scale = step / math.sqrt(2 * math.pi)
    return tuple((z, scale * math.exp(-z * z / 2), _below_normal(z)) for z in values)


@lru_cache(maxsize=8)
def _spreads(freedom: int) -> tuple[tuple[float, float], ...]:
    """Values of s / sigma with their weights up to a factor: s squared times ``freedom`` is a chi-square.

    Even steps of log s: with few degrees of freedom much depends on small s.
    """
    reach = 8 / math.sqrt(2 * freedom)
    low, high = -max(reach, 20 / freedom), reach
    logs = [low + (high - low) * (place + 0.5) / _STEPS for place in range(_STEPS)]
    # About the peak, or the powers would overflow.
    return tuple((math.exp(log), math.exp(freedom * (log - (math.exp(2 * log) - 1) / 2))) for log in logs)


def _below_normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))

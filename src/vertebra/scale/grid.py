"""Which multipliers and resolutions are tried: near the published networks, as many as are asked for."""

from __future__ import annotations

import math
import re

from vertebra.arch.architecture import MAX_RESOLUTION
from vertebra.arch.record import brief
from vertebra.errors import BudgetError

WIDTHS = (0.35, 1.5)
DEPTHS = (0.5, 2.0)
SHARES = (0.5, 1.5)
"""Of a network's own resolution.  Every published member is a base, so no variant need be far from one."""
LOPSIDED = 4.0
"""How much more MACs one dimension may bring than another.

Dimensions that are scaled together are worth more than one that is scaled far (Tan and Le 2019, section 3.2), and what
is known of a base says little of a network of half its width at twice its depth.
"""
STEP = 8
"""Resolutions are multiples of so many px."""
_SIDES = re.compile(r"\s*([0-9]{1,9})\s*(?:px)?\s*(?:\.\.\s*([0-9]{1,9})\s*(?:px)?\s*)?")


def spaced(low: float, high: float, count: int) -> tuple[float, ...]:
    """``count`` multipliers from ``low`` (below 1) to ``high`` (above 1); 1 is always among them.

    On either side of 1 they are evenly spaced in their logarithms; each is rounded to three digits, so that a name says
    all of it.
    """
    below = count // 2
    above = count - 1 - below
    found = [low ** (step / below) for step in range(below, 0, -1)]
    found += [1.0, *(high ** (step / above) for step in range(1, above + 1))]
    return tuple(dict.fromkeys(float(f"{value:.3g}") for value in found))


def sides_between(low: int, high: int) -> tuple[int, ...]:
    """The multiples of STEP from ``low`` to ``high``; ``high`` alone where there is none."""
    return tuple(range(-(-low // STEP) * STEP, high + 1, STEP)) or (high,)


def some(values: tuple[int, ...], count: int) -> tuple[int, ...]:
    """``count`` of the values, evenly spread, both ends among them; one is the last."""
    if count >= len(values):
        return values
    if count <= 1:
        return values[-1:]
    return tuple(values[round(step * (len(values) - 1) / (count - 1))] for step in range(count))


def around(side: int) -> tuple[int, ...]:
    """The resolutions that are tried of a network that is meant for ``side`` px."""
    return sides_between(math.ceil(SHARES[0] * side), int(SHARES[1] * side))


def lopsidedness(width: float, depth: float, side: float = 1.0) -> float:
    """How much more MACs the dimension that was scaled most brings than the one that was scaled least.

    MACs grow with the depth, and with the squares of width and resolution; ``side`` is the multiplier of the latter.
    """
    factors = (depth, width**2, side**2)
    return max(factors) / min(factors)


def divided(each: int, sides: int) -> tuple[int, int]:
    """How many widths and how many depths make about ``each`` variants of a network, with up to ``sides`` resolutions.

    About as many of each of the three.
    """
    resolutions = max(1, min(sides, round(each ** (1 / 3))))
    left = math.ceil(each / resolutions)
    widths = math.ceil(math.sqrt(left))
    return widths, math.ceil(left / widths)


def sides_of(text: str) -> tuple[int, int]:
    """Resolutions in px as people write them: ``224``, ``96..320``; raises BudgetError for anything else."""
    match = _SIDES.fullmatch(text)
    if match is None:
        raise BudgetError(f"{brief(text)} is not understood", where="--resolution", allowed="224, 96..320 (px)")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= min(low, high) <= max(low, high) <= MAX_RESOLUTION:
        raise BudgetError(f"{brief(text)} px", where="--resolution", allowed=f"from 1 to {MAX_RESOLUTION}")
    if low > high:
        raise BudgetError(
            f"{brief(text)} holds nothing", where="--resolution", remedy=f"write the smaller first: {high}..{low}"
        )
    return low, high

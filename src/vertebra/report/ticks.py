"""Ticks of a logarithmic axis: round numbers with their prefixes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

WIDE = 3.0
"""Decades of which 1, 2 and 5 are written; of more, 1 alone."""


def log_ticks(low: float, high: float, most: int | None = None) -> tuple[float, ...]:
    """The round numbers from ``low`` to ``high``, both above 0: of 1, 2, 5 and 1, 3 and 1 the first that give at most
    ``most``, and of more than that every second, third, ... power of ten.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)

    def ticks(*steps: int) -> tuple[float, ...]:
        return tuple(tick for decade in decades for step in steps if low <= (tick := float(f"{step}e{decade}")) <= high)

    powers = ticks(1)
    finer = [ticks(1, 2, 5), ticks(1, 3)] if math.log10(high / low) <= WIDE else []
    for found in [*finer, powers]:
        if most is None or len(found) <= most:
            return found
    return powers[:: -(-len(powers) // (most or 1))]


def prefixed(tick: float) -> str:
    """``20G``, ``500M``, ``0.5``"""
    pairs = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
    scale, prefix = next((pair for pair in pairs if tick >= pair[0]), (1.0, ""))
    return f"{tick / scale:g}{prefix}"


def log_axis(
    axis: Any, low: float, high: float, said: Callable[[float], str] = prefixed, most: int | None = None
) -> None:
    """Make an axis of matplotlib's logarithmic from ``low`` to ``high``, both above 0; its ticks are ``log_ticks``."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    ticks = log_ticks(low, high, most)
    axis.set_ticks(ticks, labels=[said(tick) for tick in ticks])
    axis.set_ticks([], minor=True)
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})

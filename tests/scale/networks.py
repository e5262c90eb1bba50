"""Networks whose costs are awkward, and brute force over a fine grid of phi."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from vertebra.arch import Architecture, Bottleneck, Conv, GlobalPool, Linear, Rounding, Stage, seq
from vertebra.costs import cost
from vertebra.errors import VertebraError
from vertebra.scale import Compound

HEAD = seq(pool=GlobalPool(), fc=Linear(10))
DIPPING = Architecture(
    "dipping", Conv(12, 1), (Stage(Bottleneck(16)),), HEAD, resolution=8, rounding=Rounding(divisor=8, guard=0.0)
)
"""Just below width 1 the stem has 8 channels and the block, with 16, a projection; just above both have 16, and none:
body 32 + 144 + 64 -> 64 + 144 + 64, projection with norm 160 -> 0, stem 24 -> 48, norms 48, classifier 170.
"""
DIPPING_PARAMS = {"below": 24 + 240 + 48 + 160 + 170, "above": 48 + 272 + 48 + 170}
GROUPED = Architecture("grouped", Conv(24, 1), (Stage(Conv(24, 3, groups=3), 2),), HEAD, resolution=8)
"""Widths in eights of which only some can be split in three."""


class Point(NamedTuple):
    """A network on the grid."""

    phi: float
    arch: Architecture
    params: int
    macs: int
    resolution: int


@cache
def grid(arch: Architecture, coefficients: Compound, low: float, high: float, count: int) -> tuple[Point, ...]:
    """Every network at ``count`` equal steps of phi, written without the code under test."""
    found = []
    for index in range(count + 1):
        phi = low + (high - low) * index / count
        width, depth, resolution = coefficients.beta**phi, coefficients.alpha**phi, coefficients.gamma**phi
        try:
            scaled = arch.scaled(width=width, depth=depth, resolution=resolution)
            found.append(Point(phi, scaled, cost(scaled).params, cost(scaled).macs, scaled.resolution))
        except VertebraError:
            continue
    return tuple(found)


def same(one: Architecture, other: Architecture) -> bool:
    """Whether they are one network, whatever its name."""
    return (one.hash, one.resolution) == (other.hash, other.resolution)

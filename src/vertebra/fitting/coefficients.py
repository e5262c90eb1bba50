"""The candidates of a grid search for alpha, beta and gamma: a base at about twice its cost, spent in many ways.

Tan and Le 2019 (arXiv:1905.11946, section 3.3): with phi = 1, depth times alpha, widths times beta, resolution times
gamma, under alpha * beta^2 * gamma^2 = 2 with none below 1.  Widths, depths and pixels are whole numbers, so the
product alone does not make costs equal: here alpha and beta lie on a grid, and gamma is the resolution at which the
network's exact MACs come nearest to the target.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from vertebra.arch.architecture import MAX_RESOLUTION, Architecture
from vertebra.costs.count import cost
from vertebra.errors import ArchitectureError, BudgetError, ShapeError, TransformError, UsageError

ALPHAS = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
BETAS = (1.0, 1.1, 1.2, 1.3, 1.4)
TARGET = 2.0
"""The paper's: each step of phi doubles the cost."""
TOLERANCE = 0.1
"""A candidate's cost may miss the target by this fraction of it."""
MOST = 4.0
"""The largest coefficient and the largest target: this is a search for one step."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One way to spend the cost; ``gamma`` is what whole pixels make of it, ``cost`` in MACs of the base."""

    alpha: float
    beta: float
    gamma: float
    arch: Architecture
    params: int
    macs: int
    cost: float

    @property
    def key(self) -> str:
        """Tells the networks of one search apart."""
        return f"{self.arch.hash[:16]}-{self.arch.resolution}"

    @property
    def blocks(self) -> int:
        """Of all stages."""
        return sum(stage.depth for stage in self.arch.stages)


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """The base, its candidates, and a sentence for each that rounding keeps from the target."""

    base: Candidate
    candidates: tuple[Candidate, ...]
    left_out: tuple[str, ...]


def coefficients(name: str, values: Sequence[float]) -> tuple[float, ...]:
    """Sorted, each once; raises UsageError where one is no coefficient."""
    allowed = f"numbers from 1 to {MOST:g}, such as 1,1.2,1.4"
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MOST:
            raise UsageError(f"{value!r}", where=f"--{name}", allowed=allowed)
    if not values:
        raise UsageError("no value", where=f"--{name}", allowed=allowed)
    return tuple(sorted({float(value) for value in values}))


def check_target(target: float) -> None:
    """Raises UsageError for what is no multiple of a cost, or too large a one."""
    if isinstance(target, bool) or not isinstance(target, int | float) or not 1 < target <= MOST:
        raise UsageError(f"{target!r}", where="--target", allowed=f"a number above 1, at most {MOST:g}")


def grid(
    base: Architecture,
    *,
    alphas: Sequence[float] = ALPHAS,
    betas: Sequence[float] = BETAS,
    target: float = TARGET,
) -> Grid:
    """Every (alpha, beta) whose network can cost about ``target`` times the base's MACs, with its gamma from 1.

    Raises UsageError for coefficients or a target out of range, BudgetError where rounding leaves no candidate.
    """
    check_target(target)
    origin = _candidate(base, base, 1.0, 1.0)
    found: dict[str, Candidate] = {}
    left_out: list[str] = []
    missed: list[Candidate] = []
    for alpha in coefficients("alphas", alphas):
        for beta in coefficients("betas", betas):
            try:
                one = _fitted(base, alpha, beta, target * origin.macs)
            except (ArchitectureError, ShapeError, TransformError) as error:
                left_out.append(f"alpha {alpha:.3g}, beta {beta:.3g}: {error}")
                continue
            if cost(one.arch, resolution=base.resolution).macs > (1 + TOLERANCE) * target * origin.macs:
                missed.append(one)  # alpha * beta^2 alone is above the target: no candidate under the constraint
                continue
            said = f"{_said(one, base)} has {one.cost:.2f} times the base's MACs"
            if one.key == origin.key:
                left_out.append(f"{_said(one, base)} is the base itself")
            elif abs(one.cost / target - 1) > TOLERANCE:
                missed.append(one)
                left_out.append(f"{said}, and no other resolution comes nearer to {target:g}")
            elif one.key in found:
                left_out.append(f"{_said(one, base)} is the same network as {_said(found[one.key], base)}")
            else:
                found[one.key] = one
    if not found:
        raise _nothing(base, target, missed)
    return Grid(base=origin, candidates=tuple(found.values()), left_out=tuple(left_out))


def _nothing(base: Architecture, target: float, missed: Sequence[Candidate]) -> BudgetError:
    nearest = min(missed, key=lambda one: abs(one.cost - target), default=None)
    said = f"the nearest, {_said(nearest, base)}, costs {nearest.cost:.2f} times as much: " if nearest else ""
    return BudgetError(
        f"no candidate costs about {target:g} times {base.name} at {base.resolution} px",
        remedy=f"{said}name finer --alphas and --betas, or a base with more blocks, channels or pixels to scale",
    )


def _fitted(base: Architecture, alpha: float, beta: float, macs: float) -> Candidate:
    """The base so deep and wide, at the resolution from its own on where it costs nearest to ``macs``."""
    scaled = base.scaled(depth=alpha, width=beta)
    least, most = base.resolution, min(MAX_RESOLUTION, math.ceil(base.resolution * MOST))
    place = bisect_left(range(least, most), macs, key=lambda side: cost(scaled, resolution=side).macs)
    sides = {max(least, least + place - 1), min(most, least + place)}
    side = min(sorted(sides), key=lambda side: abs(cost(scaled, resolution=side).macs - macs))
    return _candidate(base, scaled.scaled(resolution=side / base.resolution), alpha, beta)


def _candidate(base: Architecture, arch: Architecture, alpha: float, beta: float) -> Candidate:
    costs = cost(arch)
    return Candidate(
        alpha=alpha,
        beta=beta,
        gamma=arch.resolution / base.resolution,
        arch=arch,
        params=costs.params,
        macs=costs.macs,
        cost=costs.macs / cost(base).macs,
    )


def _said(one: Candidate, base: Architecture) -> str:
    return f"alpha {one.alpha:.3g}, beta {one.beta:.3g} at {one.arch.resolution} px"

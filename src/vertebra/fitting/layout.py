"""Candidates: every registered family, scaled in width, depth and resolution, for the data at hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import replace
from vertebra.costs.budget import Budgets
from vertebra.costs.count import cost
from vertebra.errors import BudgetError, ShapeError
from vertebra.zoo.entry import Family

WIDTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
DEPTHS = (1 / 3, 2 / 3, 1.0, 2.0)
RESOLUTIONS = (16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320)
LAST_MAP = 4
"""Rows that the last map keeps: pictures of 32 px would leave one value of a network that divides by 32."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate: an architecture for these classes, how it was scaled, and its exact costs."""

    name: str
    family: str
    width: float
    depth: float
    arch: Architecture
    params: int
    macs: int
    activations: int

    @property
    def resolution(self) -> int:
        """Side of its input in px."""
        return self.arch.resolution

    @property
    def bytes(self) -> int:
        """Bytes of its parameters in float32; the artifact is a little larger."""
        return 4 * self.params


def resolutions_for(side: int) -> tuple[int, ...]:
    """Resolutions worth trying for pictures whose shorter side is ``side`` px in the median.

    Larger than the pictures only where those are tiny: enlarging costs multiply-accumulates and adds nothing to see.
    """
    low = min(max(RESOLUTIONS[0], side // 2), 64)
    high = min(max(side, 2 * RESOLUTIONS[0]), RESOLUTIONS[-1])
    return tuple(size for size in RESOLUTIONS if low <= size <= high)


def plans(families: Sequence[Family], *, classes: int, side: int, channels: int = 3) -> tuple[Plan, ...]:
    """Every candidate for pictures of ``side`` px, cheapest first; each network once."""
    found: dict[str, Plan] = {}
    for family in families:
        base = min((entry.make() for entry in family.entries), key=lambda arch: cost(arch).macs)
        for resolution in resolutions_for(side):
            for plan in _scaled(family.name, base.with_channels(channels), classes, resolution):
                found.setdefault(f"{plan.arch.hash}@{resolution}", plan)
    return tuple(sorted(found.values(), key=lambda plan: plan.macs))


def _scaled(family: str, base: Architecture, classes: int, resolution: int) -> Iterator[Plan]:
    reduction = min(base.reduction, 1 << int(math.log2(max(1, resolution // LAST_MAP))))
    fitted = base.with_classes(classes).with_reduction(reduction).with_resolution(resolution)
    for depth in DEPTHS:
        for width in WIDTHS:
            arch = fitted.scaled(width=width, depth=depth)
            name = f"{base.name}-w{width:.3g}-d{depth:.2g}-r{resolution}"
            try:
                costs = cost(arch)
                macs = costs.macs
            except ShapeError:
                continue  # a map would vanish at this resolution: no network, so no candidate
            yield Plan(
                name=name,
                family=family,
                width=width,
                depth=depth,
                arch=replace(arch, name=name),
                params=costs.params,
                macs=macs,
                activations=costs.activations,
            )


def breach(plan: Plan, budgets: Budgets) -> str | None:
    """Which exact budget a plan breaks, as a sentence; None if it keeps all (latency is measured later)."""
    limits = (
        ("parameters", plan.params, budgets.params),
        ("MACs", plan.macs, budgets.macs),
        ("bytes of weights", plan.bytes, budgets.bytes),
    )
    for what, value, limit in limits:
        if limit is not None and value > limit:
            return f"{value:,} {what}, above {limit:,}"
    return None


def within(found: Sequence[Plan], budgets: Budgets) -> tuple[Plan, ...]:
    """The plans that keep the exact budgets; raises BudgetError with the smallest one's cost if there is none."""
    kept = tuple(plan for plan in found if breach(plan, budgets) is None)
    if not kept:
        least = min(found, key=lambda plan: (plan.params, plan.macs))
        raise BudgetError(
            f"nothing fits {' and '.join(budgets.said())}",
            remedy=f"the smallest found, {least.name}, has {breach(least, budgets)}",
        )
    return kept

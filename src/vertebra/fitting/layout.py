"""Candidates: every registered family, scaled in width, depth and resolution, for the data at hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.primitives import Norm
from vertebra.arch.record import replace
from vertebra.costs.budget import Budgets
from vertebra.costs.count import cost
from vertebra.errors import BudgetError, ShapeError, TransformError
from vertebra.fitting.offers import Offer
from vertebra.zoo.entry import Family

WIDTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
DEPTHS = (1 / 3, 2 / 3, 1.0, 2.0)
RESOLUTIONS = (16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320)
LEAST_SIDE = 64
"""Pixels to which any picture may be shrunk."""
LARGER = 1.5
LAST_MAP = 4
"""Rows that the last map keeps: pictures of 32 px would leave one value of a network that divides by 32."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate: an architecture for these classes, how it was scaled, its exact costs, and the weights that it
    starts from (None: it is trained from scratch)."""

    name: str
    family: str
    width: float
    depth: float
    arch: Architecture
    params: int
    macs: int
    activations: int
    home: int
    """Side in px that the member of the family is meant for from which it was scaled."""
    offer: Offer | None = None

    @property
    def resolution(self) -> int:
        """Side of its input in px."""
        return self.arch.resolution

    @property
    def normalised(self) -> bool:
        """Whether anything in it is normalised."""
        return any(isinstance(layer.node, Norm) for layer in self.arch.layers())

    @property
    def bytes(self) -> int:
        """Bytes of its parameters in float32; the artifact is a little larger."""
        return 4 * self.params


def resolutions_for(side: int) -> tuple[int, ...]:
    """Resolutions worth trying for pictures whose shorter side is ``side`` px in the median.

    Larger than the pictures only where those are tiny: enlarging costs multiply-accumulates and adds nothing to see.
    """
    low = min(max(RESOLUTIONS[0], side // 2), LEAST_SIDE)
    high = min(max(side, 2 * RESOLUTIONS[0]), RESOLUTIONS[-1])
    return tuple(size for size in RESOLUTIONS if low <= size <= high)


def shrinks(plan: Plan, side: int) -> bool:
    """Whether a candidate sees small pictures smaller than they are; of those above 64 px every candidate may."""
    return plan.resolution < min(side, LEAST_SIDE)


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
    try:
        fitted = _reduced(base.with_classes(classes), resolution)
    except (ShapeError, TransformError):
        return  # such a network sees nothing in pictures this small
    for depth in DEPTHS:
        for width in WIDTHS:
            arch = fitted.scaled(width=width, depth=depth)
            name = f"{base.name}-w{width:.3g}-d{depth:.2g}-r{resolution}"
            try:
                yield costed(replace(arch, name=name), family=family, width=width, depth=depth, home=base.resolution)
            except ShapeError:
                continue  # a map would vanish at this resolution: no network, so no candidate


def pretrained_plans(offers: Sequence[Offer], *, classes: int, side: int) -> tuple[Plan, ...]:
    """A candidate for each offer of weights and each resolution, cheapest first: the network at its width and depth.

    A resolution is at most LARGER times the one that the weights were made at, since that is the size at which they
    know things; up to there pictures are enlarged.  Offers whose network cannot be had for these data (no classifier,
    strides that stay) are left out.
    """
    found: dict[str, Plan] = {}
    for offer in offers:
        most = max(LARGER * offer.arch.resolution, RESOLUTIONS[0])
        for resolution in RESOLUTIONS:
            if not resolutions_for(side)[0] <= resolution <= min(most, 2 * side):
                continue
            try:
                plan = _whole(offer, classes, resolution)
            except (ShapeError, TransformError):
                continue
            name = plan.name
            while plan.name in found:  # two weights of one network
                plan = msgspec.structs.replace(plan, name=f"{name}-{len(found)}")
            found[plan.name] = plan
    return tuple(sorted(found.values(), key=lambda plan: plan.macs))


def _whole(offer: Offer, classes: int, resolution: int) -> Plan:
    arch = _reduced(offer.arch.with_classes(classes), resolution)
    name = f"{offer.name}-r{resolution}-pretrained"
    return costed(replace(arch, name=name), family=offer.family, home=offer.arch.resolution, offer=offer)


def costed(
    arch: Architecture,
    *,
    family: str,
    home: int,
    width: float = 1.0,
    depth: float = 1.0,
    offer: Offer | None = None,
) -> Plan:
    """An architecture as a candidate under its own name; raises ShapeError where a map would vanish."""
    costs = cost(arch)
    return Plan(
        name=arch.name,
        family=family,
        width=width,
        depth=depth,
        arch=arch,
        params=costs.params,
        macs=costs.macs,
        activations=costs.activations,
        home=home,
        offer=offer,
    )


def _reduced(arch: Architecture, resolution: int) -> Architecture:
    """For ``resolution`` px, with as much of its stride as leaves LAST_MAP rows at the end.

    Raises TransformError where its strides cannot be taken away, ShapeError where even without them fewer are left.
    """
    factor = min(arch.reduction, 1 << int(math.log2(max(1, resolution // LAST_MAP))))
    while True:
        fitted = arch.with_reduction(factor).with_resolution(resolution)
        if _rows(fitted) >= LAST_MAP:
            return fitted
        if factor == 1:
            raise ShapeError(f"{arch.name} leaves fewer than {LAST_MAP} rows of {resolution} px", remedy="enlarge them")
        factor //= 2


def _rows(arch: Architecture) -> int:
    """Of its last map; 0 where a map would vanish before.  Windows without padding take more than their strides."""
    try:
        return cost(arch.without_head()).leaves[1]
    except ShapeError:
        return 0


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

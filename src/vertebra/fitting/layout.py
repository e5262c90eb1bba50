"""Candidates: every registered family, scaled in width, depth and resolution, for the data at hand."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.primitives import Norm
from vertebra.arch.record import replace
from vertebra.costs.budget import Budgets
from vertebra.costs.count import cost
from vertebra.errors import BudgetError, ShapeError, TransformError
from vertebra.fitting.offers import Offer
from vertebra.scale.bases import smallest_members, stride_for
from vertebra.scale.grid import LOPSIDED, lopsidedness, spaced
from vertebra.scale.space import costed as variants_of
from vertebra.scale.space import formed
from vertebra.scale.variants import Variants
from vertebra.zoo.entry import Family

WIDTHS, DEPTHS = spaced(0.25, 2.0, 9), spaced(0.25, 2.0, 5)
"""Of a family's smallest member; farther than a frontier goes from each of its members."""
RESOLUTIONS = (16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320)
LEAST_SIDE = 64
"""Pixels to which any picture may be shrunk."""
LARGER = 1.5


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
    """Every candidate for pictures of ``side`` px, cheapest first; each network once.

    No width is more LOPSIDED than that against its depth.  How the resolution stands to them says nothing here: it
    follows the pictures.
    """
    scales = [(width, depth) for width in WIDTHS for depth in DEPTHS if lopsidedness(width, depth, width) <= LOPSIDED]
    bases, sides = smallest_members(families, classes=classes, channels=channels), resolutions_for(side)
    found = variants_of(formed(bases, scales), lambda _: sides)
    distinct: dict[tuple[str, int], Plan] = {}
    for place in found.macs.argsort(kind="stable").tolist():
        plan = _plan(found, place)
        distinct.setdefault((plan.arch.hash, plan.resolution), plan)
    return tuple(distinct.values())


def _plan(found: Variants, place: int) -> Plan:
    one = found.variant(place)
    return Plan(
        name=one.name,
        family=one.family,
        width=one.width,
        depth=one.depth,
        arch=found.arch(place),
        params=one.params,
        macs=one.macs,
        activations=one.activations,
        home=found.networks[found.network[place]].base.home,
    )


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
    arch = offer.arch.with_classes(classes)
    stride = stride_for(arch, resolution)
    arch = (arch if stride is None else arch.with_reduction(stride)).with_resolution(resolution)
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

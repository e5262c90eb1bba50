"""Which networks a profile is made of: random relatives of the registered ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, get_args

from vertebra.arch.architecture import Architecture
from vertebra.arch.blocks.residual import BasicResidual, Bottleneck
from vertebra.arch.node import Node
from vertebra.arch.primitives import Function
from vertebra.arch.record import replace
from vertebra.arch.rewriting import rewritten
from vertebra.arch.stage import Stage
from vertebra.costs.count import cost
from vertebra.errors import ArchitectureError, ProfileError, ShapeError, TransformError, some
from vertebra.latency.units import tally
from vertebra.zoo.entry import Family

SIDES = (32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288)
"""Resolutions in px."""

SMALL = 0.3
"""Part of the networks that get one of the first SMALL_SIDES: maps of one or four positions are worlds of their own."""

SMALL_SIDES = 3

WIDTHS, DEPTHS = (-2.0, 1.0), (-1.5, 0.5)
"""Powers of two between which multipliers are drawn."""

COPIES = 2
"""Blocks that a stage of a shallow network has at most: what comes after the second is what the second was."""

WHOLE = 3
"""Every so many networks one keeps its depth."""

MACS = (1_000_000, 4_000_000_000)
"""Between which a network stays."""

ORDINARY = 400_000_000
"""MACs of a shallow network, twice as many of a whole one, above which it is the more seldom taken the more it has: in
the time of a large one several small ones are timed.
"""

PARAMS = (12_000_000, 40_000_000)
"""That a shallow and a whole network have at most: weights take time to make ready."""

ATTEMPTS = 1000
"""Draws in a row that come to nothing: then there is nothing to come."""

SWAPPED = 0.25
"""Part of the networks that get other activations, normalisations or groups than their family's: users' own may."""

GROUPS = (2, 4, 8, 16, 32)


class Sample(NamedTuple):
    """A network to be timed.  ``whole``: with all its blocks."""

    arch: Architecture
    family: str
    whole: bool


def samples(families: Sequence[Family], seed: int = 0) -> Iterator[Sample]:
    """Networks without end: members of the families in random order, at random widths, depths and resolutions.

    Raises ProfileError where the families have none that fits.
    """
    draw = random.Random(seed)
    count = failed = 0
    while families and failed < ATTEMPTS:
        family = draw.choice(families)
        whole = count % WHOLE == WHOLE - 1
        arch = _drawn(draw, draw.choice(family.entries).make(), whole)
        failed = failed + 1 if arch is None else 0
        if arch is not None:
            count += 1
            yield Sample(arch, family.name, whole)
    known, bounds = some([family.name for family in families]) or "no family", "from {:,} to {:,} MACs".format(*MACS)
    raise ProfileError(f"{known}: no network to time", allowed=bounds, remedy="leave fewer families out")


def _drawn(draw: random.Random, arch: Architecture, whole: bool) -> Architecture | None:
    """A relative of a network; None where it would be none, or too small or large."""
    width, depth = (2 ** draw.uniform(*bounds) for bounds in (WIDTHS, DEPTHS))
    try:
        arch = arch.scaled(width=width, depth=depth if whole else 1.0).with_resolution(_side(draw))
        if not whole:
            arch = shallow(arch)
        if draw.random() < SWAPPED:
            arch = draw.choice(SWAPS)(draw, arch)
        costs = cost(arch)
        seldom = draw.random() * costs.macs > ORDINARY * (1 + whole)
        fits = MACS[0] <= costs.macs <= MACS[1] and not seldom and costs.params <= PARAMS[whole]
        tally(arch)  # raises for a user's own kind of node without a rule
    except (ArchitectureError, ShapeError, TransformError):
        return None
    return arch if fits else None


def _side(draw: random.Random) -> int:
    return draw.choice(SIDES[:SMALL_SIDES] if draw.random() < SMALL else SIDES)


def shallow(arch: Architecture) -> Architecture:
    """With at most COPIES blocks in a stage."""
    return replace(arch, stages=tuple(_cut(stage) for stage in arch.stages))


def _cut(stage: Stage) -> Stage:
    return replace(stage, depth=min(stage.depth, COPIES))


def activated(draw: random.Random, arch: Architecture) -> Architecture:
    """With another activation in each stage; raises TransformError where it has none."""
    functions = get_args(Function)
    stages = (arch.with_activation(draw.choice(functions)).stages[place] for place in range(len(arch.stages)))
    return replace(arch, stages=tuple(stages))


def grouped(draw: random.Random, arch: Architecture) -> Architecture:
    """With groups in the convolutions of its residual blocks; raises TransformError where it has none."""
    groups = draw.choice(GROUPS)

    def change(node: Node) -> Node:
        if isinstance(node, Bottleneck) and node.groups == 1:
            return replace(node, groups=groups, base_width=max(1, node.base_width // groups))
        return replace(node, groups=groups) if isinstance(node, BasicResidual) and node.groups == 1 else node

    stages = tuple(stage.changed(lambda node: rewritten(node, change)) for stage in arch.stages)
    if stages == arch.stages:
        raise TransformError(f"{arch.name} has no residual block without groups")
    return replace(arch, stages=stages)


Swap = Callable[[random.Random, Architecture], Architecture]

SWAPS: tuple[Swap, ...] = (
    activated,
    activated,
    lambda draw, arch: arch.with_se(draw.choice((4, 8, 16))),
    lambda draw, arch: arch.with_norm(draw.choice(("group", "layer2d"))),
    grouped,
    grouped,
)

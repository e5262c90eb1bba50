"""The networks that compound scaling makes of one, in order of phi.

Widths, depths and the resolution are rounded, so the network is a step function of phi: one network from one phi to
another, then the next.  Each rounded number grows with phi (or stays), so the places where it changes are found by
bisection, and between two neighbouring changes of any of them nothing changes at all.  So *every* network on the way
can be looked at.

Two things are particular.  At phi 0 stands the base itself, whose widths need not be multiples of anything.  And what a
network *costs* may fall where phi grows: when two widths become equal by rounding, a residual block needs no projection
any more.  So costs themselves are not bisected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from vertebra.arch.architecture import Architecture
from vertebra.arch.rewriting import widths
from vertebra.arch.scaling import MAX_MULTIPLIER, deepened, enlarged
from vertebra.costs.count import Cost, cost
from vertebra.errors import ArchitectureError, ShapeError, TransformError
from vertebra.scale.compound import DIMENSIONS, Compound, Dimension

RESOLVED = 1e-9
"""Of phi: changes that are nearer are one, since only a float's error keeps them apart."""
SMALLEST = 2.0**-21
"""A multiplier that leaves one of any width or resolution."""
LEAST_FLOAT = 1e-300
IMPOSSIBLE = (ArchitectureError, ShapeError, TransformError)
"""What a network raises that cannot be: a width that its groups do not divide, a map that vanishes."""
Rounded = Callable[[float], int]


class Step(NamedTuple):
    """Values of phi, both included, over which the network is the same."""

    low: float
    high: float

    @property
    def phi(self) -> float:
        """The largest of them with as few decimals as there can be, two at least."""
        for digits in range(2, 16):
            power = math.pow(10, digits)
            short = math.floor(self.high * power) / power
            if self.low <= short <= self.high:
                return short
        return self.high


class Network(NamedTuple):
    """The network at a phi, and its cost at its own resolution."""

    phi: float
    arch: Architecture
    cost: Cost


class Path:
    """A base network along phi, in windows of one ``unit`` of phi: from (index - 1) to index units."""

    def __init__(self, base: Architecture, coefficients: Compound) -> None:
        self.base = base
        self.coefficients = coefficients
        self.low, self.high = _bounds(coefficients)
        self.unit = math.log(2) / math.log(coefficients.product)
        """Of phi: what about doubles the MACs."""
        self._rounded = [one for each in rounded_numbers(base, coefficients).values() for one in each]
        self._networks: dict[float, Network | None] = {}
        self._windows: dict[int, list[Step]] = {}

    @property
    def windows(self) -> range:
        """The indices of all windows."""
        return range(math.floor(self.low / self.unit) + 1, math.ceil(self.high / self.unit) + 1)

    def at(self, phi: float) -> Network | None:
        """The network at a phi; None where there can be none."""
        if phi not in self._networks:
            self._networks[phi] = self._made(phi)
        return self._networks[phi]

    def window(self, index: int) -> list[Step]:
        """The steps of a window, in ascending order."""
        if index not in self._windows:
            low, high = max(self.unit * (index - 1), self.low), min(self.unit * index, self.high)
            self._windows[index] = self.steps(low, high) if low < high else []
        return self._windows[index]

    def steps(self, low: float, high: float) -> list[Step]:
        """Every step from one phi to another, in ascending order; 0 must not lie between them."""
        changes = sorted({change for one in self._rounded for change in _changes(one, low, high)})
        found, start = [], low
        for before, after in changes:
            if before >= start:
                found.append(Step(start, before))
            start = max(start, after)
        return [*found, Step(start, high)]

    def downwards(self, index: int) -> Iterator[Network]:
        """Every network from a window down to the smallest, each once, with the largest of its phis."""
        last = None
        for place in range(index, self.windows.start - 1, -1):
            for step in reversed(self.window(place)):
                network = self.at(step.phi)
                if network is None:
                    continue
                if last is None or not alike(network.arch, last):
                    yield network
                last = network.arch

    def _made(self, phi: float) -> Network | None:
        try:
            arch = self.coefficients.of(self.base, phi)
            costs = cost(arch)
            _ = costs.macs
        except IMPOSSIBLE:
            return None
        return Network(phi, arch, costs)


def alike(one: Architecture, other: Architecture) -> bool:
    """Whether two networks scaled from one are the same but for their names."""
    return (one.resolution, one.stem, one.stages, one.head) == (
        other.resolution,
        other.stem,
        other.stages,
        other.head,
    )


def rounded_numbers(base: Architecture, coefficients: Compound) -> dict[Dimension, list[Rounded]]:
    """The whole numbers that a scaled network is made of, as functions of phi, for each dimension that is scaled."""
    beta, rounding = coefficients.beta, base.rounding
    nodes = [base.stem, *(node for stage in base.stages for node in (stage.entry, stage.block) if node is not None)]
    body = sorted({channels for node in nodes for channels in widths(node)})
    head = list(widths(base.head))
    if base.classes is not None:
        head.remove(base.classes)  # which do not scale
    found: dict[Dimension, list[Rounded]] = {
        "width": [
            *(partial(lambda out, phi: rounding.scaled(out, beta**phi), out) for out in body),
            *(partial(lambda out, phi: rounding.scaled(out, max(beta**phi, rounding.head_floor)), out) for out in head),
        ],
        "depth": [
            partial(lambda depth, phi: deepened(depth, coefficients.alpha**phi), depth)
            for depth in sorted({stage.depth for stage in base.stages})
        ],
        "resolution": [lambda phi: enlarged(base.resolution, coefficients.gamma**phi)],
    }
    return {name: found[name] for name, coefficient in coefficients.by_dimension.items() if coefficient > 1}


def check_scalable(base: Architecture, coefficients: Compound) -> None:
    """Raise TransformError for a network that cannot be scaled in one of the dimensions that are asked for."""
    for dimension, numbers in rounded_numbers(base, coefficients).items():
        why = _unscalable(base, dimension) if numbers else "no width is written in it"
        if why:
            raise TransformError(
                f"{base.name} cannot be scaled in {dimension}: {why}", remedy=f"leave it with --fixed {dimension}"
            )


def _unscalable(base: Architecture, dimension: Dimension) -> str | None:
    """Why neither twice nor half of a dimension gives another network; None where one of them does."""
    faults = []
    for multiplier in (2.0, 0.5):
        width, depth, resolution = (multiplier if name == dimension else 1.0 for name in DIMENSIONS)
        try:
            scaled = base.scaled(width=width, depth=depth, resolution=resolution)
            _ = cost(scaled).macs
        except IMPOSSIBLE as error:
            faults.append(str(error))
            continue
        if not alike(scaled, base):
            return None
    return faults[0] if faults else "nothing changes"


def _bounds(coefficients: Compound) -> tuple[float, float]:
    """The smallest phi that can matter, and the largest whose multipliers are allowed."""
    growing = [math.log(one) for one in coefficients.by_dimension.values() if one > 1]
    low = max(math.log(SMALLEST) / min(growing), math.log(LEAST_FLOAT) / max(growing))
    high = math.log(MAX_MULTIPLIER) / max(growing)
    while max(coefficients.multipliers(high)) > MAX_MULTIPLIER:
        high = math.nextafter(high, 0)
    return low, high


def _changes(of: Rounded, low: float, high: float) -> Iterator[tuple[float, float]]:
    """The last phi with one value and the first with the next, RESOLVED apart at most, for each change of ``of``."""
    unseen = [(low, of(low), high, of(high))]
    while unseen:
        before, value, after, other = unseen.pop()
        if value == other:
            continue
        middle = (before + after) / 2
        if after - before <= RESOLVED or not before < middle < after:
            yield before, after
            continue
        between = of(middle)
        unseen += [(middle, between, after, other), (before, value, middle, between)]

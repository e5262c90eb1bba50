"""Units: what an engine runs as one operation.

Engines fold a batch normalisation into the convolution before it, and run the activation after it, and often a residual
addition, in the same pass.  A unit is such a group: a primitive, with what follows it folded in.  It says nothing of
any engine: what one of them does not fuse is a longer time of the same unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from vertebra.arch.architecture import Architecture
from vertebra.arch.combinators import Concat, Gate, Seq, Side, Sum
from vertebra.arch.expansion import joined, unblocked
from vertebra.arch.fold import Fold
from vertebra.arch.node import Combinator, Node, Primitive
from vertebra.arch.primitives import (
    Act,
    AdaptivePool,
    Conv,
    Dropout,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    Linear,
    LocalResponseNorm,
    Norm,
    PadChannels,
    Pool,
    Tap,
)
from vertebra.arch.shapes import Shape, pair
from vertebra.arch.spread import SamePad


class Unit(NamedTuple):
    """One operation as it runs.  ``norm`` and ``act`` are folded into it, and ``joins`` additions of other values."""

    kind: str
    enters: Shape
    leaves: Shape
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    norm: bool = False
    act: str = ""
    joins: int = 0


class Placed(NamedTuple):
    """A unit, and the paths of the nodes that are in it."""

    unit: Unit
    paths: tuple[str, ...]


class Run(NamedTuple):
    """What a node runs, and the shape that leaves it."""

    placed: tuple[Placed, ...]
    leaves: Shape


Work = Callable[[Any, Shape, Shape], "Unit | None"]

WORK: Fold[Work] = Fold("units", Primitive)
"""The unit that a primitive is, given the shapes that enter and leave; None where nothing runs at inference."""

PRODUCTS = ("conv", "depthwise", "grouped", "linear")
"""Kinds that take in the normalisation or the gain of each channel after them, and an addition."""


@WORK.rule(Conv)
def _conv(node: Conv, enters: Shape, leaves: Shape) -> Unit:
    kind = "conv" if node.groups == 1 else "depthwise" if node.groups == enters[0] == node.out else "grouped"
    windows = pair(node.kernel), pair(node.stride), pair(node.dilation)
    return Unit(kind, enters, leaves, *windows, node.groups)


@WORK.rule(Linear)
def _linear(node: Linear, enters: Shape, leaves: Shape) -> Unit:
    return Unit("linear", enters, leaves)


@WORK.rule(Pool)
def _pool(node: Pool, enters: Shape, leaves: Shape) -> Unit:
    kind = "max_pool" if node.method == "max" else "average_pool"
    return Unit(kind, enters, leaves, pair(node.kernel), pair(node.stride), pair(node.dilation))


@WORK.rule(Norm)
def _norm(node: Norm, enters: Shape, leaves: Shape) -> Unit:
    return Unit(f"{node.method}_norm", enters, leaves)


@WORK.rule(Act)
def _act(node: Act, enters: Shape, leaves: Shape) -> Unit | None:
    return None if node.function == "identity" else Unit("act", enters, leaves, act=node.function)


@WORK.rule(GlobalPool, AdaptivePool, LayerScale, LocalResponseNorm, GlobalResponseNorm)
def _named(node: Primitive, enters: Shape, leaves: Shape) -> Unit:
    kind = next(kind for base, kind in _KINDS.items() if isinstance(node, base))
    return Unit(kind, enters, leaves)


_KINDS: dict[type[Primitive], str] = {
    GlobalPool: "global_pool",
    AdaptivePool: "adaptive_pool",
    LayerScale: "scale",
    LocalResponseNorm: "local_response_norm",
    GlobalResponseNorm: "global_response_norm",
}


@WORK.rule(PadChannels, SamePad)
def _pad(node: Primitive, enters: Shape, leaves: Shape) -> Unit | None:
    return None if enters == leaves else Unit("pad", enters, leaves)


@WORK.rule(Dropout, Identity, Tap)
def _nothing(node: Primitive, enters: Shape, leaves: Shape) -> None:
    return None


@lru_cache(maxsize=1 << 16)
def run_of(node: Node, enters: Shape) -> Run:
    """The units of a node in order of execution, their paths relative to it.

    Raises ShapeError where it does not fit.
    """
    walk = Walk()
    leaves = walk.along(node, "", enters)
    return Run(tuple(Placed(unit, tuple(paths)) for unit, paths in walk.units), leaves)


@lru_cache(maxsize=1 << 16)
def tally_of(node: Node, enters: Shape) -> tuple[tuple[tuple[Unit, int], ...], Shape]:
    """How often a node runs each unit, and the shape that leaves it."""
    run = run_of(node, enters)
    return tuple(Counter(unit for unit, _ in run.placed).items()), run.leaves


def placed(arch: Architecture, resolution: int | None = None) -> Iterator[Placed]:
    """Every unit of an architecture in order of execution, with the paths of its nodes as ``state_dict`` has them."""
    shape = arch.shape_at(resolution)
    for path, node in arch.nodes():
        run = run_of(node, shape)
        for unit, paths in run.placed:
            yield Placed(unit, tuple(joined(path, one) for one in paths))
        shape = run.leaves


def tally(arch: Architecture, resolution: int | None = None) -> Counter[Unit]:
    """How often an architecture runs each unit, for one image."""
    counts: Counter[Unit] = Counter()
    shape = arch.shape_at(resolution)
    for _, node in arch.nodes():
        pairs, shape = tally_of(node, shape)
        for unit, times in pairs:
            counts[unit] += times
    return counts


class Walk:
    """One pass over a tree.  ``tail`` is the place of the unit whose value flows on to the next node alone."""

    def __init__(self) -> None:
        self.units: list[tuple[Unit, list[str]]] = []
        self.tail: int | None = None

    def leaves(self, node: Primitive, enters: Shape) -> Shape:
        """The shape that leaves a primitive."""
        return node.output(enters)

    def joined(self, node: Combinator, enters: Shape, shapes: list[Shape]) -> Shape:
        """The shape that leaves branches."""
        return node.joined(enters, shapes)

    def along(self, node: Node, path: str, enters: Shape) -> Shape:
        node = unblocked(node, enters[0])
        if isinstance(node, Primitive):
            return self._primitive(node, path, enters)
        if isinstance(node, Side) or not isinstance(node, Combinator):
            return enters  # beside the way nothing runs at inference
        if isinstance(node, Seq):
            for name, child in node.children:
                enters = self.along(child, joined(path, name), enters)
            return enters
        return self._branches(node, path, enters)

    def _primitive(self, node: Primitive, path: str, enters: Shape) -> Shape:
        leaves = self.leaves(node, enters)
        unit = WORK[type(node)](node, enters, leaves)
        if unit is not None and not self._folded(unit, path):
            self._enter(unit, path)
        return leaves

    def _folded(self, unit: Unit, path: str) -> bool:
        """Take a normalisation or an activation into the unit before it, if its value goes nowhere else."""
        if self.tail is None:
            return False
        before, paths = self.units[self.tail]
        gains = unit.kind == "scale" or (unit.kind == "batch_norm" and not before.norm)
        if gains and before.kind in PRODUCTS and not (before.act or before.joins):
            changed = before._replace(norm=True)
        elif unit.kind == "act" and not before.act:
            changed = before._replace(act=unit.act)
        else:
            return False
        self.units[self.tail] = (changed, [*paths, path])
        return True

    def _branches(self, node: Combinator, path: str, enters: Shape) -> Shape:
        tails: list[int | None] = []
        shapes: list[Shape] = []
        for name, child in node.children:
            self.tail = None
            shapes.append(self.along(child, joined(path, name), enters))
            tails.append(self.tail)
        leaves = self.joined(node, enters, shapes)
        self.tail = None
        if isinstance(node, Sum):
            self._sum(tails, path, leaves)
        elif isinstance(node, Concat):
            self._enter(Unit("concat", enters, leaves), path)
        elif isinstance(node, Gate):
            self._enter(Unit("gate", enters, leaves), path)
        return leaves

    def _sum(self, tails: list[int | None], path: str, leaves: Shape) -> None:
        """The addition runs with a branch that ends in a product, or by itself."""
        more = len(tails) - 1
        for tail in tails:
            if tail is not None and self.units[tail][0].kind in PRODUCTS and not self.units[tail][0].act:
                unit, paths = self.units[tail]
                self.units[tail] = (unit._replace(joins=unit.joins + more), [*paths, path])
                self.tail = tail
                return
        self._enter(Unit("add", leaves, leaves, joins=more), path)

    def _enter(self, unit: Unit, path: str) -> None:
        self.units.append((unit, [path]))
        self.tail = len(self.units) - 1


__all__ = ["PRODUCTS", "WORK", "Placed", "Run", "Unit", "Walk", "placed", "run_of", "tally", "tally_of"]

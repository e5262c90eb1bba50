"""What a subtree costs as a function of the extents of the map that reaches it.

Most counts depend on the channels alone, times the positions of a map.  So a subtree is folded once for its channels
into a ``Profile``: its parameters, and its MACs and activations for one position of each grid in it.  Grids are few (an
EfficientNet has one for each stride), so a profile is evaluated at any resolution in a few products.

Where counts depend on extents otherwise (a Linear over a whole map) the same fold runs on the known shape, and every
count is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from vertebra.arch.architecture import Stage
from vertebra.arch.combinators import Concat, Gate, Seq, Side, Sum
from vertebra.arch.expansion import check_segments, hides_block
from vertebra.arch.node import Block, Combinator, Node, Primitive, endless, expand
from vertebra.arch.shapes import KEEP, UNKNOWN, Shape, Step, after, elements
from vertebra.costs.rules import ACTIVATIONS, MACS
from vertebra.errors import ShapeError

POINT, INPUT = 0, 1
"""The first two grids: one position (vectors, pooled maps, everything of known extent), and the map that arrives."""


class Grid(NamedTuple):
    """The positions of a map: those of another grid after a step along rows and along columns."""

    parent: int
    rows: Step
    columns: Step


class Profile(NamedTuple):
    """Counts of a subtree for one position of each of its grids."""

    leaves: Shape
    last: int
    """The grid of the output."""
    params: int
    macs: Sequence[int]
    activations: Sequence[int]
    grids: Sequence[Grid] = ()
    """Those after POINT and INPUT."""
    alike: frozenset[tuple[int, int]] = frozenset()
    """Grids that meet in a sum, and must agree."""


class Total(NamedTuple):
    """What a subtree adds, and the shape that leaves it."""

    leaves: Shape
    params: int
    macs: int
    activations: int


@lru_cache(maxsize=1 << 15)
def profile(node: Node, enters: Shape) -> Profile:
    """The profile of a subtree that takes ``enters`` (extents may be UNKNOWN); raises ShapeError where it does not
    fit.
    """
    if isinstance(node, Block):
        try:
            return profile(expand(node, enters[0]), enters)
        except RecursionError:
            raise endless(node) from None
    if isinstance(node, Combinator):
        return _combined(node, enters)
    return _leaf(node, enters)


@lru_cache(maxsize=1 << 15)
def stage_profile(stage: Stage, enters: Shape) -> Profile:
    """The profile of a whole stage; copies that change neither shape nor grid are counted once, times their number."""
    tally = _Tally()
    shape, at = enters, _grid_of(enters)
    for node in (stage.entry, stage.block):
        if node is not None:
            part = profile(node, shape)
            shape, at = part.leaves, tally.add(part, at)
    left = stage.depth - 1
    while left:
        part = profile(stage.rest, shape)
        steady = part.leaves == shape and part.last == _grid_of(shape)
        times = left if steady else 1
        shape, at = part.leaves, tally.add(part, at, times)
        left -= times
    return tally.profile(shape, at)


T = TypeVar("T", Node, Stage)


def total(fold: Callable[[T, Shape], Profile], of: T, shape: Shape) -> Total:
    """The counts of a node or a stage at a known shape; raises ShapeError where it does not fit."""
    try:
        return _evaluated(fold(of, (shape[0], *(UNKNOWN for _ in shape[1:]))), shape)
    except ShapeError:  # or counts that are no multiple of positions
        return _evaluated(fold(of, shape), shape)


def _evaluated(of: Profile, shape: Shape) -> Total:
    extents = [(1, 1), shape[1:] if len(shape) == 3 else (1, 1)]
    for parent, rows, columns in of.grids:
        height, width = extents[parent]
        extent = (after(height, rows), after(width, columns))
        if min(extent) < 1:
            raise ShapeError(f"the map vanishes: {(of.leaves[0], *extent)}", remedy="use a larger resolution")
        extents.append(extent)
    for one, other in of.alike:
        if extents[one] != extents[other]:
            raise ShapeError(f"branches give {extents[one]} and {extents[other]}", allowed="equal extents")
    macs = activations = 0
    for (height, width), each, values in zip(extents, of.macs, of.activations, strict=True):
        macs += height * width * each
        activations += height * width * values
    leaves = (of.leaves[0], *extents[of.last]) if UNKNOWN in of.leaves else of.leaves
    return Total(leaves, of.params, macs, activations)


class _Tally:
    """Profiles put together: their grids are renumbered, equal ones are one."""

    def __init__(self) -> None:
        self.params = 0
        self.macs = [0, 0]
        self.activations = [0, 0]
        self.grids: dict[Grid, int] = {}
        self.alike: set[tuple[int, int]] = set()

    def add(self, part: Profile, at: int, times: int = 1) -> int:
        """Enter a part, so many times, whose input is grid ``at``; gives the grid of its output."""
        _, last, params, macs, activations, grids, alike = part
        number = [POINT, at]
        for parent, rows, columns in grids:
            number.append(self._number(Grid(number[parent], rows, columns)))
        self.params += params * times
        for index, each, values in zip(number, macs, activations, strict=True):
            if each or values:
                self.macs[index] += each * times
                self.activations[index] += values * times
        for one, other in alike:
            self.agree({number[one], number[other]})
        return number[last]

    def agree(self, grids: set[int]) -> None:
        """Note that these grids meet."""
        first, *rest = sorted(grids)
        self.alike.update((first, other) for other in rest)

    def profile(self, leaves: Shape, last: int) -> Profile:
        """The sum of what was entered."""
        alike = frozenset(self.alike)
        return Profile(leaves, last, self.params, self.macs, self.activations, tuple(self.grids), alike)

    def _number(self, grid: Grid) -> int:
        number = self.grids.get(grid)
        if number is None:
            number = self.grids[grid] = len(self.macs)
            self.macs.append(0)
            self.activations.append(0)
        return number


def _grid_of(shape: Shape) -> int:
    return INPUT if UNKNOWN in shape else POINT


def _leaf(node: Node, enters: Shape) -> Profile:
    leaves = node.output(enters)
    if not isinstance(node, Primitive):
        raise TypeError(f"{type(node).__name__} is neither primitive, combinator nor block")
    params = sum(elements(weight.shape) for weight in node.weights(enters) if weight.learned)
    kind = type(node)
    macs, activations = MACS[kind](node, enters), ACTIVATIONS[kind](node, enters)
    if UNKNOWN not in leaves:
        positions = elements(leaves[1:])
        return Profile(leaves, POINT, params, (macs * positions, 0), (activations * positions, 0))
    steps = node.steps()
    if steps is None:
        raise ShapeError(f"{kind.__name__}: the extents of its output depend on those of its input")
    if steps == (KEEP, KEEP):
        return Profile(leaves, INPUT, params, (0, macs), (0, activations))
    return Profile(leaves, 2, params, (0, 0, macs), (0, 0, activations), (Grid(INPUT, *steps),))


def _combined(node: Combinator, enters: Shape) -> Profile:
    if hides_block(node):
        check_segments(node, enters)
    if isinstance(node, Side):
        return _beside(node, enters)
    tally = _Tally()
    shape, start = enters, _grid_of(enters)
    at = start
    in_order = isinstance(node, Seq)
    shapes, grids = [], []
    for _, child in node.children:
        part = profile(child, shape)
        shapes.append(part.leaves)
        grids.append(tally.add(part, at))
        if in_order:
            shape, at = part.leaves, grids[-1]
    leaves = node.joined(enters, shapes)
    if in_order:
        return tally.profile(leaves, at)
    if UNKNOWN in leaves and not isinstance(node, Sum | Concat | Gate):
        raise ShapeError(f"{type(node).__name__}: the extents of its output are not known")
    last = start if isinstance(node, Gate) else grids[0]
    tally.agree({last, *(grid for grid in grids if grid != POINT)})
    return tally.profile(leaves, last)


def _beside(node: Side, enters: Shape) -> Profile:
    """Its parameters alone: at inference it does not run."""
    ((_, child),) = node.children
    part = profile(child, node.entering(enters))
    return Profile(enters, _grid_of(enters), part.params, (0, 0), (0, 0))

"""Units of networks whatever the resolution: in the stead of a map's extents stands the place of its grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.combinators import Gate
from vertebra.arch.node import Combinator, Node, Primitive
from vertebra.arch.shapes import KEEP, UNKNOWN, Shape, Step, is_map
from vertebra.errors import ShapeError
from vertebra.latency.features import Whole
from vertebra.latency.units import Unit, Walk
from vertebra.scale.counting import after_each

INPUT, POINT = 0, 1
"""The first two grids: the image's, and that of a vector and of a pooled map: one position."""

Pairs = tuple[tuple[int, int], ...]
"""Units by their places, and how often each runs."""


class After(NamedTuple):
    """A grid after a window: that of another after a step along rows and along columns."""

    parent: int
    rows: Step
    columns: Step


class Known(NamedTuple):
    """A grid whose extents do not depend on the image's."""

    rows: int
    columns: int


class Grids:
    """Every grid that was met; each once."""

    def __init__(self) -> None:
        self._made: list[After | Known] = [Known(0, 0), Known(1, 1)]  # the first is the image's, whatever it is
        self._places: dict[After | Known, int] = {Known(1, 1): POINT}

    def place(self, grid: After | Known) -> int:
        """The place of a grid, a new one if it was not met."""
        found = self._places.get(grid)
        if found is None:
            found = self._places[grid] = len(self._made)
            self._made.append(grid)
        return found

    def real(self, shape: Shape) -> Shape:
        """The shape with extents for the place of its grid: those that are known, else UNKNOWN."""
        if not is_map(shape):
            return shape
        grid = self._made[shape[1]]
        known = isinstance(grid, Known) and shape[1] != INPUT
        return (shape[0], *grid) if known else (shape[0], UNKNOWN, UNKNOWN)

    def extents(self, sides: Sequence[int]) -> tuple[Whole, Whole]:
        """Rows and columns of every grid for images of these sides: [grids, sides] each."""
        side = np.array(sides, np.int64)
        rows, columns = [side], [side]
        for grid in self._made[1:]:
            if isinstance(grid, Known):
                rows.append(np.full_like(side, grid.rows))
                columns.append(np.full_like(side, grid.columns))
            else:
                rows.append(after_each(rows[grid.parent], grid.rows))
                columns.append(after_each(columns[grid.parent], grid.columns))
        return np.stack(rows), np.stack(columns)


class Counts(NamedTuple):
    """The places of the units that a network runs, and how often it runs each."""

    units: NDArray[np.intp]
    times: NDArray[np.float64]


class Tallies:
    """How often networks run each unit; blocks and stages that they share are walked once."""

    def __init__(self) -> None:
        self.grids = Grids()
        self._places: dict[Unit, int] = {}
        self._nodes: dict[tuple[Node, Shape], tuple[Pairs, Shape]] = {}
        self._stages: dict[tuple[Stage, Shape], tuple[Pairs, Shape]] = {}

    @property
    def units(self) -> tuple[Unit, ...]:
        """Every unit that was met."""
        return tuple(self._places)

    def of(self, arch: Architecture) -> Counts | None:
        """Those of a network; None where it cannot be said for all resolutions at once."""
        if arch.output_stride is not None:
            return None
        counts: Counter[int] = Counter()
        try:
            shape = _add(counts, self._node(arch.stem, (arch.channels, INPUT, INPUT)))
            for stage in arch.stages:
                shape = _add(counts, self._stage(stage, shape))
            _add(counts, self._node(arch.head, shape))
        except ShapeError:
            return None
        return Counts(np.fromiter(counts, np.intp, len(counts)), np.fromiter(counts.values(), float, len(counts)))

    def _stage(self, stage: Stage, enters: Shape) -> tuple[Pairs, Shape]:
        found = self._stages.get((stage, enters))
        if found is None:
            counts: Counter[int] = Counter()
            shape = enters
            for node in (stage.entry, stage.block):
                if node is not None:
                    shape = _add(counts, self._node(node, shape))
            left = stage.depth - 1
            while left:
                part = self._node(stage.rest, shape)
                times = left if part[1] == shape else 1
                shape = _add(counts, part, times)
                left -= times
            found = self._stages[stage, enters] = tuple(counts.items()), shape
        return found

    def _node(self, node: Node, enters: Shape) -> tuple[Pairs, Shape]:
        found = self._nodes.get((node, enters))
        if found is None:
            walk = _Walk(self.grids)
            leaves = walk.along(node, "", enters)
            pairs = Counter(self._place(unit) for unit, _ in walk.units)
            found = self._nodes[node, enters] = tuple(pairs.items()), leaves
        return found

    def _place(self, unit: Unit) -> int:
        return self._places.setdefault(unit, len(self._places))


def _add(counts: Counter[int], part: tuple[Iterable[tuple[int, int]], Shape], times: int = 1) -> Shape:
    pairs, leaves = part
    for place, number in pairs:
        counts[place] += number * times
    return leaves


class _Walk(Walk):
    """A pass over a tree with places of grids for extents."""

    def __init__(self, grids: Grids) -> None:
        super().__init__()
        self.grids = grids

    def leaves(self, node: Primitive, enters: Shape) -> Shape:
        leaves = node.output(self.grids.real(enters))
        steps = node.steps()
        if not is_map(leaves) or UNKNOWN not in leaves:
            return self._placed(leaves, POINT)
        if steps is None:
            raise ShapeError(f"{node.kind()}: the extents of its output depend on those of its input")
        return self._placed(leaves, enters[1] if steps == (KEEP, KEEP) else self.grids.place(After(enters[1], *steps)))

    def joined(self, node: Combinator, enters: Shape, shapes: list[Shape]) -> Shape:
        leaves = node.joined(self.grids.real(enters), [self.grids.real(shape) for shape in shapes])
        first = enters if isinstance(node, Gate) else shapes[0]
        return self._placed(leaves, first[1] if is_map(first) else POINT)

    def _placed(self, leaves: Shape, place: int) -> Shape:
        """A shape with the place of its grid, which is another if its extents are known."""
        if not is_map(leaves):
            return leaves
        if UNKNOWN not in leaves:
            place = self.grids.place(Known(leaves[1], leaves[2]))
        return (leaves[0], place, place)

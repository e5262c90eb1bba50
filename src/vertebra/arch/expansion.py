"""From blocks to primitives: the expanded tree, its layers in order, and strides turned into dilations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec

from vertebra.arch.combinators import Seq
from vertebra.arch.node import Block, Combinator, Node, Primitive, expand
from vertebra.arch.primitives import Conv, Pool
from vertebra.arch.record import replace
from vertebra.arch.shapes import UNKNOWN, Shape, pair
from vertebra.errors import ShapeError, TransformError


def unblocked(node: Node, channels: int) -> Node:
    """The primitive or combinator that a node is, blocks opened as far as needed."""
    while isinstance(node, Block):
        node = expand(node, channels)
    return node


def expanded(node: Node, channels: int) -> Node:
    """The same tree with primitives and combinators alone."""
    return _expanded(node, (channels, UNKNOWN, UNKNOWN))


@lru_cache(maxsize=1 << 14)
def _expanded(node: Node, shape: Shape) -> Node:
    node = unblocked(node, shape[0])
    if not isinstance(node, Combinator):
        return node
    children = []
    for name, child in node.children:
        children.append((name, _expanded(child, shape)))
        if isinstance(node, Seq):
            shape = _leaves(child, shape)
    return replace(node, children=tuple(children))


@lru_cache(maxsize=1 << 14)
def _leaves(node: Node, shape: Shape) -> Shape:
    return node.output(shape)


class Layer(msgspec.Struct, frozen=True):
    """One primitive where it stands: its path, and the shapes that enter and leave it."""

    path: str
    node: Primitive
    enters: Shape
    leaves: Shape


def layers(node: Node, shape: Shape, path: str = "") -> Iterator[Layer]:
    """Every primitive of a tree in the order of execution; raises ShapeError with the path of the one that does not fit."""
    node = unblocked(node, shape[0])
    if isinstance(node, Primitive):
        try:
            yield Layer(path, node, shape, node.output(shape))
        except ShapeError as error:
            raise error.at(path) from None
        return
    if not isinstance(node, Combinator):
        raise TypeError(f"{type(node).__name__} is neither primitive, combinator nor block")
    for name, child in node.children:
        yield from layers(child, shape, joined(path, name))
        if isinstance(node, Seq):
            shape = child.output(shape)


def joined(path: str, name: str) -> str:
    """A parameter path with one more segment; a nameless child adds none."""
    return f"{path}.{name}" if path and name else path or name


class _Grid(msgspec.Struct, frozen=True):
    """Where a walk along a network stands: the stride so far, and the dilation that stands for strides taken away."""

    stride: int = 1
    dilation: int = 1


def dilated(node: Node, output_stride: int) -> Node:
    """An expanded tree whose strides beyond ``output_stride`` have become dilations (Chen et al. 2017, section 3.1).

    Names and weights stay.  A layer whose stride is taken away keeps the dilation that reached it; those after it are spread, so the
    values at the kept positions are the network's own.  Raises TransformError where a layer cannot be dilated.
    """
    return _dilated(node, output_stride, _Grid())[0]


def _dilated(node: Node, limit: int, grid: _Grid) -> tuple[Node, _Grid]:
    if isinstance(node, Seq):
        children = []
        for name, child in node.children:
            child, grid = _dilated(child, limit, grid)
            children.append((name, child))
        return replace(node, children=tuple(children)), grid
    if isinstance(node, Combinator):
        branches = [(name, *_dilated(child, limit, grid)) for name, child in node.children]
        after = max((branch[2] for branch in branches), key=lambda one: (one.stride, one.dilation))
        return replace(node, children=tuple((name, child) for name, child, _ in branches)), after
    if isinstance(node, Conv | Pool):
        return _dilated_window(node, limit, grid)
    return node, grid


def _dilated_window(node: Conv | Pool, limit: int, grid: _Grid) -> tuple[Node, _Grid]:
    rows, columns = pair(node.stride)
    kept = rows if grid.stride * rows <= limit else 1
    if rows != columns and kept != rows:
        raise TransformError(f"a stride of {rows}x{columns} cannot become a dilation")
    if isinstance(node, Pool) and node.method == "average" and (kept != rows or grid.dilation > 1):
        raise TransformError("an average pool cannot be dilated", remedy="ask for a larger output stride")
    after = _Grid(grid.stride * kept, grid.dilation * (rows // kept))
    if after == grid and grid.dilation == 1:
        return node, grid
    dilation = tuple(each * grid.dilation for each in pair(node.dilation))
    padding = node.padding
    if isinstance(padding, (int, tuple)) and grid.dilation > 1:
        # An explicit padding is in pixels of the original grid, which are now `dilation` apart.
        padding = tuple(each * grid.dilation for each in pair(padding))
    stride = (rows, columns) if kept == rows else (1, 1)
    plain = {"stride": _single(stride), "dilation": _single(dilation), "padding": padding}
    return replace(node, **plain), after


def _single(value: tuple[int, ...]) -> int | tuple[int, ...]:
    return value[0] if len(set(value)) == 1 else value



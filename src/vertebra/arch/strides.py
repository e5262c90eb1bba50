"""Strides: what they come to, how they become dilations, and how the first of them are taken away."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from vertebra.arch.combinators import Seq
from vertebra.arch.expansion import unblocked
from vertebra.arch.node import Combinator, Node, Primitive, endless
from vertebra.arch.primitives import Conv, Pool
from vertebra.arch.record import fields_of, replace
from vertebra.arch.shapes import Shape, pair
from vertebra.errors import TransformError


def stride_of(node: Node, shape: Shape) -> int:
    """The factor by which a node's strides shrink rows; a global pool has none, and branches count as the longest of
    them.
    """
    try:
        return _stride_of(node, shape)
    except RecursionError:
        raise endless(node) from None


@lru_cache(maxsize=1 << 12)
def _stride_of(node: Node, shape: Shape) -> int:
    node = unblocked(node, shape[0])
    if isinstance(node, Seq):
        product = 1
        for _, child in node.children:
            product *= _stride_of(child, shape)
            shape = child.output(shape)
        return product
    if isinstance(node, Combinator):
        return max(_stride_of(child, shape) for _, child in node.children)
    steps = node.steps() if isinstance(node, Primitive) else None
    return 1 if steps is None else steps[0].stride


@lru_cache(maxsize=1 << 14)
def without_stride(node: Node) -> Node:
    """A node with its ``stride`` at 1, where it has one."""
    return replace(node, stride=1) if any(field.name == "stride" for field in fields_of(type(node))) else node


def reduced(node: Node, total: int, limit: int) -> tuple[Node, int]:
    """A node with its first strides at 1 until ``total``, the stride of the whole network, is at most ``limit``; and
    that total.

    Blocks stay blocks.  Raises TransformError where branches would part.
    """
    if total <= limit:
        return node, total
    if isinstance(node, Seq):
        children = []
        for name, child in node.children:
            child, total = reduced(child, total, limit)
            children.append((name, child))
        return replace(node, children=tuple(children)), total
    if isinstance(node, Combinator):
        branches = [(name, *reduced(child, total, limit)) for name, child in node.children]
        if len({branch[2] for branch in branches}) > 1:
            raise TransformError("the strides of parallel branches differ", remedy="write them in one order")
        return replace(node, children=tuple(branch[:2] for branch in branches)), branches[0][2]
    rows, _ = pair(getattr(node, "stride", 1))
    return without_stride(node), total // rows


class _Grid(msgspec.Struct, frozen=True):
    """Where a walk along a network stands: the stride so far, and the dilation that stands for strides taken away."""

    stride: int = 1
    dilation: int = 1


def dilated(node: Node, output_stride: int) -> Node:
    """An expanded tree whose strides beyond ``output_stride`` have become dilations (Chen et al. 2017, section 3.1).

    Names and weights stay.  A layer whose stride is taken away keeps the dilation that reached it; those after it are
    spread, so the values at the kept positions are the network's own.  Raises TransformError where a layer cannot be
    dilated.
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
    changes: dict[str, Any] = {
        "stride": node.stride if kept == rows else 1,
        "dilation": tuple(each * grid.dilation for each in pair(node.dilation)),
    }
    if isinstance(node.padding, int | tuple):
        # An explicit padding is in pixels of the original grid, which are now `dilation` apart.
        changes["padding"] = tuple(each * grid.dilation for each in pair(node.padding))
    return replace(node, **changes), after

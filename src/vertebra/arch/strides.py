"""Strides: what they come to, how they become dilations, and how the first of them are taken away."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from vertebra.arch.combinators import Gate, Seq
from vertebra.arch.expansion import joined, unblocked
from vertebra.arch.node import Combinator, Node, Primitive, endless
from vertebra.arch.primitives import Conv, Pool
from vertebra.arch.record import fields_of, replace
from vertebra.arch.shapes import UNKNOWN, Shape, pads, pair
from vertebra.errors import TransformError


def stride_of(node: Node, shape: Shape) -> int:
    """The factor by which a node's strides shrink rows.

    A global pool has none, branches count as the longest of them, and a gate has its input's grid whatever its body
    does.
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
    if isinstance(node, Gate):
        return 1
    if isinstance(node, Combinator):
        return max(_stride_of(child, shape) for _, child in node.children)
    steps = node.steps() if isinstance(node, Primitive) else None
    return 1 if steps is None else steps[0].stride


@lru_cache(maxsize=1 << 14)
def without_stride(node: Node) -> Node:
    """A node with its ``stride`` at 1; a combinator with those of its children, but a gate's body as it is.

    A block without a field of that name keeps what its code does.
    """
    if isinstance(node, Gate):
        return node
    if isinstance(node, Combinator):
        return replace(node, children=tuple((name, without_stride(child)) for name, child in node.children))
    return replace(node, stride=1) if any(field.name == "stride" for field in fields_of(type(node))) else node


def reduced(node: Node, total: int, limit: int) -> tuple[Node, int]:
    """A node with its first strides at 1 until ``total``, the stride of the whole network, is at most ``limit``; and
    that total.

    Blocks stay blocks.  Raises TransformError where branches would part.
    """
    if total <= limit or isinstance(node, Gate):
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
    spread, so the values at the kept positions are the network's own (but for gates, which see the finer map).  Raises
    TransformError, with the path of the layer, where one cannot be dilated.
    """
    return _dilated(node, "", output_stride, _Grid())[0]


def _dilated(node: Node, path: str, limit: int | None, grid: _Grid) -> tuple[Node, _Grid]:
    if isinstance(node, Seq):
        children = []
        for name, child in node.children:
            child, grid = _dilated(child, joined(path, name), limit, grid)
            children.append((name, child))
        return replace(node, children=tuple(children)), grid
    if isinstance(node, Combinator):
        inner = None if isinstance(node, Gate) else limit  # strides within a gate are its own
        branches = [(name, *_dilated(child, joined(path, name), inner, grid)) for name, child in node.children]
        after = max((branch[2] for branch in branches), key=lambda one: (one.stride, one.dilation))
        children = [(name, child) for name, child, _ in branches]
        return replace(node, children=tuple(children)), grid if isinstance(node, Gate) else after
    if isinstance(node, Conv | Pool):
        try:
            return _dilated_window(node, limit, grid)
        except TransformError as error:
            raise error.at(path) from None
    return node, grid


def _dilated_window(node: Conv | Pool, limit: int | None, grid: _Grid) -> tuple[Node, _Grid]:
    rows, columns = pair(node.stride)
    kept = rows if limit is None or grid.stride * rows <= limit else 1
    if rows != columns and kept != rows:
        raise TransformError(f"a stride of {rows}x{columns} cannot become a dilation")
    after = _Grid(grid.stride * kept, grid.dilation * (rows // kept))
    if after.dilation == 1:
        return node, after
    changes: dict[str, Any] = {
        "stride": node.stride if kept == rows else 1,
        "dilation": tuple(each * grid.dilation for each in pair(node.dilation)),
    }
    if isinstance(node, Pool):
        if node.method == "average":
            raise TransformError("an average pool cannot be dilated", remedy="ask for a larger output stride")
        if node.rounding == "ceil" and pair(node.stride) != (1, 1):
            raise TransformError("a pool that rounds up cannot be dilated", remedy="ask for a larger output stride")
        changes["rounding"] = "floor"  # with a stride of 1 they are the same
    padding = _spread_padding(node, grid.dilation)
    return replace(node, **changes, padding=padding), after


def _spread_padding(node: Conv | Pool, dilation: int) -> Any:
    """The padding that stands for the original one when the pixels of the original grid are ``dilation`` apart."""
    kernels, strides, dilations = pair(node.kernel), pair(node.stride), pair(node.dilation)
    if isinstance(node.padding, int | tuple):
        return tuple(each * dilation for each in pair(node.padding))
    odd = all(kernel % 2 for kernel in kernels)
    if node.padding == "half":
        if odd:
            return "half"
        return tuple(pads(UNKNOWN, k, 1, "half", d)[0] * dilation for k, d in zip(kernels, dilations, strict=True))
    if all(kernel == 1 or (kernel % 2 and stride == 1) for kernel, stride in zip(kernels, strides, strict=True)):
        return "same"
    raise TransformError(
        "padding 'same' with a stride or an even kernel depends on the size, so the layer cannot be dilated",
        remedy="ask for a larger output stride, or give it a padding of its own",
    )

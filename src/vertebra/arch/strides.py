"""Strides: what they come to, how they become dilations, and how the first of them are taken away."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from vertebra.arch.combinators import Gate, Seq, Side
from vertebra.arch.expansion import joined, unblocked
from vertebra.arch.node import Combinator, Node, Primitive, endless
from vertebra.arch.primitives import Conv, Pool
from vertebra.arch.record import fields_of, replace
from vertebra.arch.shapes import UNKNOWN, Shape, pads, pair
from vertebra.arch.spread import SamePad, SpreadPool
from vertebra.errors import TransformError


def stride_of(node: Node, shape: Shape) -> int:
    """The factor by which a node's strides shrink rows.

    A global pool has none, branches count as the longest of them, and a gate or a side has its input's grid whatever
    its body does.
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
    if isinstance(node, Gate | Side):
        return 1
    if isinstance(node, Combinator):
        return max(_stride_of(child, shape) for _, child in node.children)
    steps = node.steps() if isinstance(node, Primitive) else None
    return 1 if steps is None else steps[0].stride


@lru_cache(maxsize=1 << 14)
def without_stride(node: Node) -> Node:
    """A node with its ``stride`` at 1; a combinator with those of its children, but the body of a gate or a side
    as it is.

    A block without a field of that name keeps what its code does.
    """
    if isinstance(node, Gate | Side):
        return node
    if isinstance(node, Combinator):
        return replace(node, children=tuple((name, without_stride(child)) for name, child in node.children))
    return replace(node, stride=1) if any(field.name == "stride" for field in fields_of(type(node))) else node


def reduced(node: Node, total: int, limit: int) -> tuple[Node, int]:
    """A node with its first strides at 1 until ``total``, the stride of the whole network, is at most ``limit``; and
    that total.

    Blocks stay blocks.  Raises TransformError where branches would part.
    """
    if total <= limit or isinstance(node, Gate | Side):
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
        inner = None if isinstance(node, Gate | Side) else limit  # strides within a gate or a side are its own
        branches = [(name, *_dilated(child, joined(path, name), inner, grid)) for name, child in node.children]
        after = max((branch[2] for branch in branches), key=lambda one: (one.stride, one.dilation))
        children = [(name, child) for name, child, _ in branches]
        return replace(node, children=tuple(children)), grid if isinstance(node, Gate | Side) else after
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
    over = (0, 0)
    if isinstance(node, Pool):
        if node.rounding == "ceil" and pair(node.stride) != (1, 1):
            if rows != columns or kept > 1 or not _starts_inside(node):
                raise TransformError(
                    "this pool rounds up and cannot be dilated", remedy="ask for a larger output stride"
                )
            over = ((rows - 1) * grid.dilation,) * 2  # then the last window that rounding up kept is there
        else:
            over = (node.over[0] * grid.dilation, node.over[1] * grid.dilation)
        changes["rounding"] = "floor"  # with a stride of 1 they are the same
    if isinstance(node, Conv) and _follows_size(node):
        if kept > 1:
            raise TransformError(
                f"padding 'same' with a stride of {kept} after one that was taken away cannot be spread",
                remedy="ask for a larger output stride",
            )
        high, wide = (d * (k - 1) + 1 for k, d in zip(pair(node.kernel), pair(node.dilation), strict=True))
        pad = SamePad((high, wide), node.stride, grid.dilation)
        return Seq((("pad", pad), ("", replace(node, **changes, padding=0)))), after
    padding = _spread_padding(node, grid.dilation)
    if isinstance(node, Pool) and any(over):
        size = pair(node.kernel)
        return SpreadPool(node.method, size, changes["stride"], padding, changes["dilation"], overhang=over), after
    return replace(node, **changes, padding=padding), after


def _starts_inside(node: Pool) -> bool:
    """Whether rounding up never meets a last window that starts beyond the map, which is dropped (torch's rule)."""
    axes = zip(pair(node.kernel), pair(node.stride), pair(node.padding), pair(node.dilation), strict=True)
    return all(stride + padding <= dilation * (kernel - 1) + 1 for kernel, stride, padding, dilation in axes)


def _follows_size(node: Conv) -> bool:
    """Whether what is padded, or on which side, depends on the extent of the map."""
    windows = zip(pair(node.kernel), pair(node.stride), strict=True)
    return node.padding == "same" and any(kernel > 1 and (kernel % 2 == 0 or stride > 1) for kernel, stride in windows)


def _spread_padding(node: Conv | Pool, dilation: int) -> Any:
    """The padding that stands for the original one when the pixels of the original grid are ``dilation`` apart."""
    kernels, dilations = pair(node.kernel), pair(node.dilation)
    if isinstance(node.padding, int | tuple):
        return tuple(each * dilation for each in pair(node.padding))
    odd = all(kernel % 2 for kernel in kernels)
    if node.padding == "half":
        if odd:
            return "half"
        return tuple(pads(UNKNOWN, k, 1, "half", d)[0] * dilation for k, d in zip(kernels, dilations, strict=True))
    return "same"  # of what is left, as much on both sides

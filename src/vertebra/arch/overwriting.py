"""Which values the operation that reads them writes over."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from vertebra.arch.combinators import Concat, Gate, Seq, Side, Sum
from vertebra.arch.expansion import joined, unblocked
from vertebra.arch.node import Combinator, Node
from vertebra.arch.primitives import Act, Conv, GlobalResponseNorm, LayerScale, Linear, Norm
from vertebra.arch.shapes import Shape


@lru_cache(maxsize=1 << 14)
def replaceable(node: Node, shape: Shape) -> bool:
    """Whether what ``node`` makes of an input of this ``shape`` is a tensor of its own that no gradient needs.

    Then a sum adds to it in place and a ReLU puts its own there, as the peers do: a tenth of MobileNetV2's time on a
    CPU.  Not so where it may be another tensor seen with its axes in another order: autograd copies the gradient of a
    view that was written over twice.
    """
    node = unblocked(node, shape[0])
    if isinstance(node, Seq):
        *first, last = [child for _, child in node.children]
        for child in first:
            shape = child.output(shape)
        return replaceable(last, shape)
    if isinstance(node, Sum):
        return len(node.children) > 1 or adds_in_place(node, shape)
    if isinstance(node, Conv):
        return not node.is_product()
    if isinstance(node, Norm):
        return node.method != "layer2d"
    return isinstance(node, Linear | LayerScale | GlobalResponseNorm | Gate | Concat)


def replaces(node: Node) -> bool:
    """Whether a node writes over what it reads, where that is ``replaceable``: a ReLU, whose gradient needs its output
    alone.
    """
    return isinstance(node, Act) and node.function in ("relu", "relu6")


def adds_in_place(node: Sum, shape: Shape) -> bool:
    """Whether a sum writes over its first branch, given the shape that enters it."""
    return replaceable(node.children[0][1], shape)


def written_over(node: Node, shape: Shape, path: str = "") -> Iterator[str]:
    """Paths of the nodes in a tree whose value is gone once the next operation has run."""
    node = unblocked(node, shape[0])
    if not isinstance(node, Combinator):
        return
    before: tuple[str, Node, Shape] | None = None
    shape = node.entering(shape) if isinstance(node, Side) else shape
    if isinstance(node, Sum) and adds_in_place(node, shape):
        name, first = node.children[0]
        yield from _ends(joined(path, name), first, shape)
    for name, child in node.children:
        yield from written_over(child, shape, joined(path, name))
        if isinstance(node, Seq):
            if before is not None and replaces(unblocked(child, shape[0])) and replaceable(before[1], before[2]):
                yield from _ends(*before)
            before = (joined(path, name), child, shape)
            shape = child.output(shape)


def _ends(path: str, node: Node, shape: Shape) -> Iterator[str]:
    """The path of a node, and those of the nodes within it that give the same value."""
    yield path
    node = unblocked(node, shape[0])
    if isinstance(node, Seq):
        *first, (name, last) = node.children
        for _, child in first:
            shape = child.output(shape)
        yield from _ends(joined(path, name), last, shape)

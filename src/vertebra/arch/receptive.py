"""How far a position sees: the receptive field, a fold over windows.

The rules are those of Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks"
(Distill), equations 2 and 4: windows compose, branches are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from vertebra.arch.combinators import Gate, Seq, Side
from vertebra.arch.expansion import unblocked
from vertebra.arch.fold import Fold
from vertebra.arch.node import Combinator, Node, Primitive, endless
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
    Padding,
    Pool,
    Tap,
)
from vertebra.arch.shapes import UNKNOWN, Shape, pads, pair, same_pads, spread_pads
from vertebra.arch.spread import SamePad


class Window(NamedTuple):
    """What one position sees along an axis: ``span`` values, the first of them ``before`` its own place; ``stride``
    values lie between its place and the next one's.
    """

    span: int
    stride: int
    before: int


POINT = Window(1, 1, 0)


class Reach(NamedTuple):
    """What one position of a node's output sees of its input, along rows and along columns.

    ``whole``: the way leads through something that takes the whole map (a global pool, a fully connected layer), and
    the windows say what was seen before it.  ``context``: something beside the way does: a squeeze, a statistic over
    positions.
    """

    rows: Window = POINT
    columns: Window = POINT
    whole: bool = False
    context: bool = False


Rule = Callable[[Any], Reach]

REACH: Fold[Rule] = Fold("receptive field", Primitive)


@REACH.rule(Conv, Pool)
def _window(node: Conv | Pool) -> Reach:
    paddings: Iterable[Any] = node.padding if isinstance(node.padding, tuple) else (node.padding, node.padding)
    axes = zip(pair(node.kernel), pair(node.stride), paddings, pair(node.dilation), strict=True)
    rows, columns = (_axis(*axis) for axis in axes)
    return Reach(rows, columns)


def _axis(kernel: int, stride: int, padding: Padding, dilation: int) -> Window:
    span = dilation * (kernel - 1) + 1
    if padding == "same":  # for sizes that the stride divides
        return Window(span, stride, same_pads(stride, span, stride)[0])
    return Window(span, stride, pads(UNKNOWN, kernel, stride, padding, dilation)[0])


@REACH.rule(SamePad)
def _same_pad(node: SamePad) -> Reach:
    axes = zip(pair(node.kernel), pair(node.taken), pair(node.spacing), strict=True)
    top, left = (spread_pads(taken * spacing, kernel, taken, spacing)[0] for kernel, taken, spacing in axes)
    return Reach(Window(1, 1, top), Window(1, 1, left))


@REACH.rule(Act, LocalResponseNorm, PadChannels, Dropout, LayerScale, Identity, Tap)
def _point(node: Node) -> Reach:
    return Reach()


@REACH.rule(GlobalPool, AdaptivePool, Linear)
def _everything(node: Node) -> Reach:
    return Reach(whole=True)


@REACH.rule(Norm)
def _norm(node: Norm) -> Reach:
    """At inference a batch normalisation's statistics are constants."""
    return Reach(context=node.method == "group")


@REACH.rule(GlobalResponseNorm)
def _statistic(node: Node) -> Reach:
    return Reach(context=True)


def reach(node: Node, channels: int) -> Reach:
    """What a position of a node's output sees of a map of ``channels`` that enters it."""
    try:
        return _reach(node, (channels, UNKNOWN, UNKNOWN))
    except RecursionError:
        raise endless(node) from None


@lru_cache(maxsize=1 << 14)
def _reach(node: Node, shape: Shape) -> Reach:
    node = unblocked(node, shape[0])
    if not isinstance(node, Combinator):
        return REACH[type(node)](node)
    if isinstance(node, Side):
        return Reach()
    parts = []
    for _, child in node.children:
        parts.append(_reach(child, shape))
        if isinstance(node, Seq):
            shape = child.output(shape)
    if isinstance(node, Seq):
        whole = Reach()
        for part in parts:
            whole = after(whole, part)
        return whole
    if isinstance(node, Gate):
        (body,) = parts
        return Reach(context=True) if body.whole else together([Reach(), body])
    return together(parts)


def reaches(nodes: Iterable[tuple[str, Node]], channels: int) -> Iterator[Reach]:
    """What a position of each primitive's output sees of the image, in order of execution, given the (path, node) pairs
    of a network and the image's channels; what stands in a Side too.
    """
    shape: Shape = (channels, UNKNOWN, UNKNOWN)
    seen = Reach()
    for _, node in nodes:
        try:
            yield from _reaches(node, shape, seen)
        except RecursionError:
            raise endless(node) from None
        seen, shape = after(seen, _reach(node, shape)), node.output(shape)


def _reaches(node: Node, shape: Shape, seen: Reach) -> Iterator[Reach]:
    node = unblocked(node, shape[0])
    if not isinstance(node, Combinator):
        yield after(seen, REACH[type(node)](node))
        return
    for _, child in node.children:
        yield from _reaches(child, shape, seen)
        if isinstance(node, Seq):
            seen, shape = after(seen, _reach(child, shape)), child.output(shape)


def after(first: Reach, then: Reach) -> Reach:
    """What is seen through one node after another."""
    flags = (first.whole or then.whole, first.context or then.context)
    if first.whole:
        return Reach(first.rows, first.columns, *flags)
    return Reach(_composed(first.rows, then.rows), _composed(first.columns, then.columns), *flags)


def _composed(first: Window, then: Window) -> Window:
    return Window(
        first.span + (then.span - 1) * first.stride,
        first.stride * then.stride,
        first.before + then.before * first.stride,
    )


def together(parts: list[Reach]) -> Reach:
    """What is seen through branches that meet."""
    return Reach(
        _united([part.rows for part in parts]),
        _united([part.columns for part in parts]),
        any(part.whole for part in parts),
        any(part.context for part in parts),
    )


def _united(windows: list[Window]) -> Window:
    before = max(window.before for window in windows)
    last = max(window.span - window.before for window in windows)
    return Window(before + last, max(window.stride for window in windows), before)

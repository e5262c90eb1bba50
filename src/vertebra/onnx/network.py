"""The tree as an ONNX graph: a walk that knows combinators, and hands each primitive to its rule."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, NamedTuple

from vertebra.arch.architecture import Architecture
from vertebra.arch.combinators import Concat, Gate, Seq, Side, Sum
from vertebra.arch.expansion import joined, layers, unblocked
from vertebra.arch.fold import Fold
from vertebra.arch.node import Block, Combinator, Node, Primitive
from vertebra.arch.shapes import Shape, is_map
from vertebra.errors import ShapeError
from vertebra.onnx.graph import Excerpt, Graph, Mark, attributes
from vertebra.onnx.rules import PRIMITIVES, Site


class Value(NamedTuple):
    """A value in the graph, and its shape without the batch."""

    name: str
    shape: Shape


Join = Callable[[Graph, Any, str, Value], Value]

COMBINATORS: Fold[Join] = Fold("onnx", Combinator)


def network(graph: Graph, arch: Architecture, image: Value) -> Value:
    """Add the whole network; raises ShapeError with the layer's path where the image does not fit.

    A stage's copies of a block are emitted once and pasted under the other paths.
    """
    value = image
    made: dict[Hashable, _Made] = {}
    for path, node in arch.nodes():
        key = (node, value.shape, len(path), len(value.name))
        first = made.get(key)
        if first is None:
            start, before = graph.mark(), value
            value = emitted(graph, node, path, value)
            made[key] = _Made(path, before.name, value, start, graph.mark())
        else:
            value = _pasted(graph, first, path, value.name)
    return value


class _Made:
    """A block as it was first emitted: its path, the values that enter and leave, and where it stands in the graph."""

    def __init__(self, path: str, enters: str, leaves: Value, start: Mark, end: Mark) -> None:
        self.path, self.enters, self.leaves = path, enters, leaves
        self.start, self.end = start, end
        self.excerpt: Excerpt | None = None


def _pasted(graph: Graph, first: _Made, path: str, enters: str) -> Value:
    if first.excerpt is None:
        first.excerpt = graph.excerpt(first.start, first.end)
    graph.paste(first.excerpt, (first.path, path), (first.enters, enters))
    name, shape = first.leaves
    return Value(enters if name == first.enters else name.replace(first.path, path), shape)


def emitted(graph: Graph, node: Node, path: str, value: Value) -> Value:
    """Add any node under a path."""
    if isinstance(node, Block):
        node = unblocked(node, value.shape[0])
    if not isinstance(node, Primitive):
        return COMBINATORS[type(node)](graph, node, path, value)
    leaves = _leaves(node, path, value.shape)
    return Value(PRIMITIVES[type(node)](graph, node, Site(path, value.name, value.shape, leaves)), leaves)


@COMBINATORS.rule(Seq)
def _seq(graph: Graph, node: Seq, path: str, value: Value) -> Value:
    for name, child in node.children:
        value = emitted(graph, child, joined(path, name), value)
    return value


@COMBINATORS.rule(Sum)
def _sum(graph: Graph, node: Sum, path: str, value: Value) -> Value:
    leaves = _leaves(node, path, value.shape)
    first, *rest = _branches(graph, node, path, value)
    for other in rest:
        first = graph.op("Add", first, other, at=path)
    return Value(first, leaves)


@COMBINATORS.rule(Concat)
def _concat(graph: Graph, node: Concat, path: str, value: Value) -> Value:
    leaves = _leaves(node, path, value.shape)
    return Value(graph.op("Concat", *_branches(graph, node, path, value), at=path, having=attributes(axis=1)), leaves)


@COMBINATORS.rule(Gate)
def _gate(graph: Graph, node: Gate, path: str, value: Value) -> Value:
    ((name, child),) = node.children
    leaves = _leaves(node, path, value.shape)
    factor = emitted(graph, child, joined(path, name), value)
    spread = factor.name
    if is_map(value.shape) and not is_map(factor.shape):
        spread = graph.op("Unsqueeze", spread, graph.constant((2, 3)), at=path)
    return Value(graph.op("Mul", value.name, spread, at=path), leaves)


@COMBINATORS.rule(Side)
def _side(graph: Graph, node: Side, path: str, value: Value) -> Value:
    """Nothing: an exported graph is for inference.  Its weights belong to the network all the same."""
    for layer in layers(node, value.shape, path):
        for weight in layer.node.weights(layer.enters):
            graph.owns(joined(layer.path, weight.name))
    return value


def _branches(graph: Graph, node: Combinator, path: str, value: Value) -> list[str]:
    return [emitted(graph, child, joined(path, name), value).name for name, child in node.children]


def _leaves(node: Node, path: str, shape: Shape) -> Shape:
    try:
        return _output(node, shape)
    except ShapeError as error:
        raise error.at(f"{path}." if isinstance(node, Combinator) and path and error.where else path) from None


@lru_cache(maxsize=1 << 14)
def _output(node: Node, shape: Shape) -> Shape:
    return node.output(shape)

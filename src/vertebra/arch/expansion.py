"""From blocks to primitives: the expanded tree, and its layers in order."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from functools import lru_cache
from typing import cast

import msgspec

from vertebra.arch.combinators import Seq, Side
from vertebra.arch.node import Block, Combinator, Node, Primitive, Weight, children_of, endless, expand
from vertebra.arch.record import MAX_NESTING, replace
from vertebra.arch.shapes import UNKNOWN, Shape
from vertebra.errors import ArchitectureError, ShapeError


def unblocked(node: Node, channels: int) -> Node:
    """The primitive or combinator that a node is, blocks opened as far as needed."""
    start = node
    for _ in range(MAX_NESTING):
        if not isinstance(node, Block):
            return node
        node = expand(node, channels)
    raise endless(start)


def expanded(node: Node, channels: int) -> Node:
    """The same tree with primitives and combinators alone."""
    try:
        return _expanded(node, (channels, UNKNOWN, UNKNOWN))
    except RecursionError:
        raise endless(node) from None


@lru_cache(maxsize=1 << 14)
def _expanded(node: Node, shape: Shape) -> Node:
    node = unblocked(node, shape[0])
    if not isinstance(node, Combinator):
        return node
    shape = node.entering(shape) if isinstance(node, Side) else shape
    children = []
    for name, child in node.children:
        children.append((name, _expanded(child, shape)))
        if isinstance(node, Seq):
            shape = _leaves(child, shape)
    return replace(node, children=tuple(children))


@lru_cache(maxsize=1 << 14)
def _leaves(node: Node, shape: Shape) -> Shape:
    return node.output(shape)


def segments(node: Node, shape: Shape) -> Iterator[str]:
    """The names that stand at a node's own level once blocks are opened: its children's, and those of nameless ones."""
    node = unblocked(node, shape[0])
    if not isinstance(node, Combinator):
        return
    shape = node.entering(shape) if isinstance(node, Side) else shape
    for name, child in node.children:
        if name:
            yield name
        else:
            yield from segments(child, shape)
        if isinstance(node, Seq):
            shape = _leaves(child, shape)


def hides_block(node: Node) -> bool:
    """Whether a block without a name stands in it, so that its own check of names cannot see them all."""
    while isinstance(node, Combinator):
        nameless = [child for name, child in node.children if not name]
        if not nameless:
            return False
        node = nameless[0]
    return isinstance(node, Block)


def check_segments(node: Node, shape: Shape, taken: Iterable[str] = ()) -> None:
    """Raise ArchitectureError where a name stands twice at a node's level, or beside those ``taken``."""
    seen = set(taken)
    for name in segments(node, shape):
        if name in seen:
            raise ArchitectureError(
                f"the name {name!r} stands twice, in a nameless child and beside it", remedy="name the child"
            )
        seen.add(name)


class Layer(msgspec.Struct, frozen=True):
    """One primitive where it stands: its path, and the shapes that enter and leave it.

    ``aside``: it stands in a Side, so it does not run at inference.
    """

    path: str
    node: Primitive
    enters: Shape
    leaves: Shape
    aside: bool = False


def layers(node: Node, shape: Shape, path: str = "") -> Iterator[Layer]:
    """Every primitive of a tree in the order of execution; raises ShapeError with the path of the one that does not
    fit.
    """
    try:
        yield from _layers(node, shape, path)
    except RecursionError:
        raise endless(node) from None


def _layers(node: Node, shape: Shape, path: str, aside: bool = False) -> Generator[Layer, None, Shape]:
    node = unblocked(node, shape[0])
    try:
        if not isinstance(node, Combinator):
            leaves = node.output(shape)
            yield Layer(path, cast(Primitive, node), shape, leaves, aside)
            return leaves
        inside, shapes = shape, []
        if isinstance(node, Side):
            inside, aside = node.entering(shape), True
        for name, child in node.children:
            shapes.append((yield from _layers(child, inside, joined(path, name), aside)))
            inside = shapes[-1] if isinstance(node, Seq) else shape
        return node.joined(shape, shapes)
    except ShapeError as error:
        raise error if error.where else error.at(path) from None


def along(nodes: Iterable[tuple[str, Node]], shape: Shape) -> Iterator[tuple[str, Node, Shape, Shape]]:
    """(path, node, enters, leaves) of nodes that stand one after the other; raises ShapeError with the path."""
    for path, node in nodes:
        try:
            leaves = node.output(shape)
        except ShapeError as error:
            raise error.at(f"{path}." if error.where and path else path) from None
        yield path, node, shape, leaves
        shape = leaves


def declared(walk: Iterable[Layer]) -> Iterator[tuple[str, Weight]]:
    """The name in ``state_dict`` and the declaration of each tensor of these layers."""
    for layer in walk:
        for weight in layer.node.weights(layer.enters):
            yield joined(layer.path, weight.name), weight


def opened(tree: Node) -> Iterator[tuple[str, Node]]:
    """(path, node) pairs of a whole expanded tree: its stem, what its stages hold, its head."""
    for name, part in children_of(tree):
        if name != "stages":
            yield name, part
            continue
        for index, stage in children_of(part):
            for position, node in children_of(stage):
                yield f"stages.{index}.{position}", node


def joined(path: str, name: str) -> str:
    """A parameter path with one more segment; a nameless child adds none."""
    return f"{path}.{name}" if path and name else path or name

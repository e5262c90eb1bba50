"""Copies of a tree with some nodes changed: in blocks' fields and combinators' children alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Any, Generic, TypeVar

from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.arch.combinators import Gate, Side
from vertebra.arch.node import Block, Node, kinds
from vertebra.arch.primitives import Act, Linear
from vertebra.arch.record import brief, fields_of, records_in, replace
from vertebra.errors import TransformError


def rewritten(node: Node, change: Callable[[Node], Node]) -> Node:
    """The tree with ``change`` applied to every node that stands in it, children before parents.

    Blocks stay blocks: it sees the nodes in their fields, not what their code makes.
    """
    changes: dict[str, Any] = {}
    for field, value in records_in(node):
        new = _rewritten_value(value, change)
        if new is not value:
            changes[field.name] = new
    return change(replace(node, **changes) if changes else node)


def _rewritten_value(value: Any, change: Callable[[Node], Node]) -> Any:
    if isinstance(value, Node):
        return rewritten(value, change)
    if isinstance(value, tuple):
        new = tuple(
            (item[0], rewritten(item[1], change)) if isinstance(item, tuple) else _rewritten_value(item, change)
            for item in value
        )
        return value if all(a is b or a == b for a, b in zip(new, value, strict=True)) else new
    return value


N = TypeVar("N", bound=Node)


class Substitution(Generic[N]):
    """A change of every node of one kind (or of some), which counts what it changed.

    ``spare`` says which of a tree's nodes of that kind stay, by their places among them.
    """

    def __init__(
        self,
        kind: type[N] | tuple[type[N], ...],
        change: Callable[[N], Node],
        spare: Callable[[Node], Collection[int]] = lambda tree: (),
    ) -> None:
        self.kind = kind
        self.change = change
        self.spare = spare
        self.seen = 0

    def within(self, tree: Node) -> Node:
        """The tree with its nodes of the kind changed."""
        spared, place = self.spare(tree), itertools.count()

        def one(node: Node) -> Node:
            if not isinstance(node, self.kind) or next(place) in spared:
                return node
            self.seen += 1
            return self.change(node)

        return rewritten(tree, one)


def attention(reduction: float) -> Substitution[Any]:
    """Squeeze-and-excitation for every block that has a field ``attention``; raises TransformError for a reduction
    below 1.
    """
    if isinstance(reduction, bool) or not isinstance(reduction, int | float) or not 1 <= reduction <= 1 << 16:
        small = isinstance(reduction, float) and 0 < reduction < 1
        raise TransformError(
            f"a reduction by {brief(reduction)}",
            allowed="a number from 1 to 65536",
            remedy=f"for a ratio of {reduction} give {1 / reduction:g}" if small else None,
        )

    def change(block: Any) -> Node:
        # A block that has attention even where its field says none tells what that is like (MBConv).
        old = block.attention or getattr(block, "usual", SqueezeExcite())
        changed: Node = replace(block, attention=replace(old, reduction=reduction, squeeze=None))
        return changed

    return Substitution(_carriers(), change)


def _carriers() -> tuple[type[Node], ...]:
    """The blocks that take attention, a user's own among them."""
    return tuple(
        cls
        for cls in kinds().values()
        if any(field.name == "attention" and field.record is SqueezeExcite for field in fields_of(cls))
    )


def gates(tree: Node) -> frozenset[int]:
    """Which of a tree's activations, in the order of ``rewritten``, are the gates of attention."""
    return frozenset(place for place, gate in enumerate(_are_gates(tree)) if gate)


def _are_gates(node: Node) -> list[bool]:
    if isinstance(node, Act):
        return [False]
    found: list[bool] = []
    for field, value in records_in(node):
        own = isinstance(node, Block) and field.name == "gate" and isinstance(value, Act)
        found += [own] if own else [gate for inner in _within(value) for gate in _are_gates(inner)]
    if isinstance(node, Gate) and found:
        found[-1] = True
    return found


def _within(value: Any) -> list[Node]:
    """The nodes that a field holds."""
    if isinstance(value, tuple):
        return [node for item in value for node in _within(item)]
    return [value] if isinstance(value, Node) else []


@lru_cache(maxsize=1 << 12)
def last_linear(head: Node) -> Linear | None:
    """The classifier: the last Linear that stands in a head; None without one."""
    found = [node for node in _nodes(head) if isinstance(node, Linear)]
    return found[-1] if found else None


@lru_cache(maxsize=1 << 14)
def with_last_linear(head: Node, classes: int) -> Node:
    """The head with another number of classes; the head must have a Linear."""
    left = sum(isinstance(node, Linear) for node in _nodes(head))

    def change(node: Node) -> Node:
        nonlocal left
        if not isinstance(node, Linear):
            return node
        left -= 1
        return node if left else replace(node, out=classes)

    return rewritten(head, change)


@lru_cache(maxsize=1 << 14)
def with_classes_aside(node: Node, classes: int) -> Node:
    """The node with another number of classes for the auxiliary heads in it: in each Side, the field ``classes`` of its
    blocks and the last Linear.
    """

    def inside(one: Node) -> Node:
        named = isinstance(one, Block) and any(field.name == "classes" for field in fields_of(type(one)))
        return replace(one, classes=classes) if named else one

    def change(one: Node) -> Node:
        if not isinstance(one, Side):
            return one
        body = rewritten(one, inside)
        return body if last_linear(body) is None else with_last_linear(body, classes)

    return rewritten(node, change)


@lru_cache(maxsize=1 << 14)
def widths(node: Node) -> tuple[int, ...]:
    """Every channel count that is written in a node and those within it: what a width multiplier scales."""
    return tuple(channels for one in _nodes(node) for channels in _channels(one).values())


@lru_cache(maxsize=1 << 15)
def with_widths(node: Node, channels: tuple[int, ...]) -> Node:
    """The node with these channel counts in the place of ``widths(node)``."""
    new = iter(channels)

    def change(one: Node) -> Node:
        names = _channels(one)
        return replace(one, **{name: next(new) for name in names}) if names else one

    return rewritten(node, change)


def _channels(node: Node) -> dict[str, int]:
    named = {field.name: getattr(node, field.name) for field in fields_of(type(node)) if field.is_channels}
    return {name: value for name, value in named.items() if value is not None}


def _nodes(node: Node) -> list[Node]:
    """A node and those within it, in the order in which ``rewritten`` comes by them."""
    found: list[Node] = []

    def note(one: Node) -> Node:
        found.append(one)
        return one

    rewritten(node, note)
    return found

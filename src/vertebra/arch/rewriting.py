"""Copies of a tree with some nodes changed: in blocks' fields and combinators' children alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from vertebra.arch.node import Node
from vertebra.arch.primitives import Linear
from vertebra.arch.record import records_in, replace


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
    """A change of every node of one kind, which counts what it saw."""

    def __init__(self, kind: type[N], change: Callable[[N], Node]) -> None:
        self.kind = kind
        self.change = change
        self.seen = 0

    def __call__(self, node: Node) -> Node:
        if not isinstance(node, self.kind):
            return node
        self.seen += 1
        return self.change(node)


def last_linear(head: Node) -> Linear | None:
    """The classifier: the last Linear that stands in a head; None without one."""
    found: list[Linear] = []

    def note(node: Node) -> Node:
        if isinstance(node, Linear):
            found.append(node)
        return node

    rewritten(head, note)
    return found[-1] if found else None


def with_last_linear(head: Node, classes: int) -> Node:
    """The head with another number of classes; the head must have a Linear."""
    total = Substitution(Linear, lambda node: node)
    rewritten(head, total)
    count = 0

    def change(node: Node) -> Node:
        nonlocal count
        if not isinstance(node, Linear):
            return node
        count += 1
        return replace(node, out=classes) if count == total.seen else node

    return rewritten(head, change)



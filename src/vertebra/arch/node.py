"""Nodes of the architecture tree: primitives, combinators and blocks.

A node is data.  It says what shape leaves it (``output``) and which tensors it owns (``weights``); everything else that
is known of a network is a fold over the tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from vertebra.arch.record import Record
from vertebra.arch.shapes import KEEP, Shape, Step
from vertebra.errors import ArchitectureError, ShapeError, VertebraError

Role = Literal["kernel", "gain", "bias", "statistic", "counter"]
LEARNED: frozenset[Role] = frozenset(("kernel", "gain", "bias"))


class Weight(msgspec.Struct, frozen=True):
    """One tensor of a primitive: its name in ``state_dict``, its shape, and what it is for."""

    name: str
    shape: tuple[int, ...]
    role: Role
    start: float | None = None
    """The value that it starts at, where its role does not say."""

    @property
    def learned(self) -> bool:
        """Whether it is a parameter rather than a buffer."""
        return self.role in LEARNED


def snake_case(name: str) -> str:
    """``BasicResidual`` as ``basic_residual``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Node(Record, frozen=True, tag_field="kind", tag=snake_case):
    """Anything that maps one tensor to one tensor."""

    def output(self, shape: Shape) -> Shape:
        """The shape that leaves, given the shape that arrives; raises ShapeError where they do not fit."""
        raise NotImplementedError(f"{type(self).__name__}.output")

    @classmethod
    def kind(cls) -> str:
        """The name of this kind of node in JSON."""
        return str(cls.__struct_config__.tag)


class Primitive(Node, frozen=True):
    """A leaf: one operation."""

    def output(self, shape: Shape) -> Shape:
        return shape

    def steps(self) -> tuple[Step, Step] | None:
        """How rows and columns change, whatever their number; None where that cannot be said (``output`` knows)."""
        return (KEEP, KEEP) if type(self).output is Primitive.output else None

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        """The tensors owned, given the shape that arrives (extents may be UNKNOWN)."""
        return ()


Children = tuple[tuple[str, Node], ...]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|")


class Combinator(Node, frozen=True):
    """A node made of others.

    Children are (name, node) pairs.  A child named ``""`` adds no segment to parameter names: its own children stand
    beside its siblings, as the body of a residual sum does.
    """

    children: Children

    def check(self) -> None:
        if not self.children:
            raise self.fault("children", "expected at least one child")
        names = [name for name, _ in self.children]
        segments = names if "" not in names else ["", *self.segments()]
        if len(set(segments)) != len(segments) or names.count("") > 1:
            twice = sorted({name for name in segments if segments.count(name) > 1})
            raise self.fault("children", f"names are used twice: {', '.join(twice) or 'the nameless one'}")
        for name in names:
            if not (name.isascii() and name.isidentifier()) and not _NAME.fullmatch(name):
                raise self.fault("children", f"{name!r} is not a name", allowed="letters, digits, _, or digits alone")

    def output(self, shape: Shape) -> Shape:
        return self.joined(shape, [output_of(name, child, shape) for name, child in self.children])

    def joined(self, shape: Shape, shapes: Sequence[Shape]) -> Shape:
        """The shape that leaves, given the input's and the children's; raises ShapeError where they disagree."""
        raise NotImplementedError(f"{type(self).__name__}.joined")

    def segments(self) -> Iterator[str]:
        """The names that stand at this level, those of nameless children included."""
        for name, child in self.children:
            if name:
                yield name
            elif isinstance(child, Combinator):
                yield from child.segments()


def output_of(name: str, child: Node, shape: Shape) -> Shape:
    """A child's output shape; its name goes before the path of an error."""
    try:
        return child.output(shape)
    except ShapeError as error:
        path = error.where or ""
        raise error.at(f"{name}." if name and path else name) from None


def children_of(node: Node) -> Children:
    """A combinator's (name, node) pairs; none of any other node."""
    return node.children if isinstance(node, Combinator) else ()


class Block(Node, frozen=True):
    """A composite: it only says which tree it stands for, given the channels that reach it (never the resolution)."""

    def layers(self, channels: int) -> Node:
        """The tree that this block stands for."""
        raise NotImplementedError(f"{type(self).__name__}.layers")

    def output(self, shape: Shape) -> Shape:
        try:
            return expand(self, shape[0]).output(shape)
        except RecursionError:
            raise endless(self) from None


ABSTRACT = (Primitive, Combinator, Block)


def endless(block: Node) -> ArchitectureError:
    """The error of a block that never comes to an end."""
    return ArchitectureError("layers() never ends in primitives", where=type(block).__name__)


@lru_cache(maxsize=1 << 14)
def expand(block: Block, channels: int) -> Node:
    """The tree a block stands for, one level down; raises ArchitectureError, naming the block, if it gives no node."""
    where = type(block).__name__
    if type(block).layers is Block.layers:
        raise ArchitectureError("a Block needs layers()", where=where, remedy="define layers(self, channels) -> Node")
    try:
        node = block.layers(channels)
    except RecursionError:
        raise endless(block) from None
    except VertebraError:
        raise
    except Exception as error:
        raise ArchitectureError(f"layers({channels}) raised {type(error).__name__}: {error}", where=where) from error
    if not isinstance(node, Node):
        raise ArchitectureError(f"layers() gave {type(node).__name__}", where=where, allowed="a Node")
    return node


def classes_by_kind() -> dict[str, list[type[Node]]]:
    """Every class of node that exists now, the user's own included, by its name in JSON.

    More than one stands there where two files gave the same name; a file that was loaded again counts once, as it is
    now.
    """
    found: dict[str, list[type[Node]]] = {}
    queue: list[type[Node]] = [Node]
    while queue:
        cls = queue.pop(0)
        queue.extend(cls.__subclasses__())
        if cls is not Node and cls not in ABSTRACT:
            others = [other for other in found.get(cls.kind(), ()) if _origin(other) != _origin(cls)]
            found[cls.kind()] = [*others, cls]
    return found


def _origin(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def kinds() -> dict[str, type[Node]]:
    """Every kind of node that exists now by its name in JSON; of two with one name, the newest."""
    return {kind: classes[-1] for kind, classes in classes_by_kind().items()}

"""One difference between two networks, and how it reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from vertebra.arch.shapes import Shape

Kind = Literal["same", "added", "removed", "changed", "fed", "renamed"]


class Here(msgspec.Struct, frozen=True):
    """A node where it stands in one of the two networks, and what it costs there for one image."""

    path: str
    node: str
    enters: Shape
    leaves: Shape
    params: int
    macs: int
    activations: int


class Change(msgspec.Struct, frozen=True):
    """One difference: what stood there, what stands there now, and what that adds (or takes away, below 0).

    ``kind``: ``added``, ``removed``, ``changed``; ``fed``: the same nodes for a map of another shape; ``renamed``: the
    same under another name; ``same``: no difference (of parts alone).  ``fields``: name, value before and value after,
    where a node kept its kind.  ``inside``: the differences that this one is made of.  ``of``: what both are, where one
    is written as the layers that it is made of, or both are: then the differences inside say it.
    """

    kind: Kind
    part: str
    before: Here | None
    after: Here | None
    fields: tuple[tuple[str, str, str], ...] = ()
    inside: tuple[Change, ...] = ()
    of: str = ""

    @property
    def path(self) -> str:
        """Where it stands: in the second network if it stands there, else in the first."""
        one = self.after or self.before
        return one.path if one else ""

    @property
    def params(self) -> int:
        """Parameters added."""
        return (self.after.params if self.after else 0) - (self.before.params if self.before else 0)

    @property
    def macs(self) -> int:
        """Multiply-accumulates added."""
        return (self.after.macs if self.after else 0) - (self.before.macs if self.before else 0)

    @property
    def activations(self) -> int:
        """Values that leave convolutions, added."""
        return (self.after.activations if self.after else 0) - (self.before.activations if self.before else 0)

    @property
    def what(self) -> str:
        """The difference in words: ``bottleneck: groups 1 -> 32, base_width 64 -> 4``; the node where there is none."""
        before, after = self.before, self.after
        if before is None or after is None or self.kind == "same":
            one = after or before
            return one.node if one else ""
        if self.kind == "renamed":
            return f"{after.node}: {_last(before.path)} -> {_last(after.path)}"
        if self.fields:
            kind = after.node.partition("(")[0]
            return f"{kind}: {_told(self)}"
        if self.of and (told := _told(self)):
            return f"{self.of}: {told}" if " + " not in self.of else f"{told} in {self.of}"
        if before.node != after.node:
            return f"{before.node} -> {after.node}"
        return f"for {_size(before.enters)} -> {_size(after.enters)}: {after.node}"


_LAST = ("added", "removed", "renamed")


def _told(change: Change) -> str:
    """Every attribute that differs, once: ``stride 2 -> 1, dilation 1 -> 2 and 1 -> 4``, and what came or went."""
    told: dict[str, dict[str, None]] = {}
    for name, was in sorted(_steps(change), key=lambda step: step[0] in _LAST):
        told.setdefault(name, {})[was] = None
    return ", ".join(f"{name} {' and '.join(steps)}" for name, steps in told.items())


def _steps(change: Change) -> Iterator[tuple[str, str]]:
    if change.fields:
        yield from ((name, f"{old} -> {new}") for name, old, new in change.fields)
    elif change.kind in ("added", "removed", "renamed"):
        yield change.kind, change.what
    elif change.inside:
        for inner in change.inside:
            yield from _steps(inner)
    elif change.kind == "changed" and change.before and change.after and change.before.node != change.after.node:
        yield change.before.node, f"-> {change.after.node}"


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape))

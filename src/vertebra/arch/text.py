"""The readable form of an architecture: a table like those of the papers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from vertebra.arch.expansion import along
from vertebra.arch.node import Combinator, Node
from vertebra.arch.record import Record, fields_of
from vertebra.arch.shapes import Shape
from vertebra.arch.strides import stride_of


class Part(msgspec.Struct, frozen=True):
    """Stem, one stage, or head: its name, how often it repeats which block, and its (path, node) pairs in order."""

    name: str
    block: str
    depth: int
    nodes: tuple[tuple[str, Node], ...]


class Row(msgspec.Struct, frozen=True):
    """One line of the table.  ``stride`` is the factor by which rows shrink; ``width`` the channels that leave."""

    part: str
    block: str
    depth: int
    width: int
    stride: int
    leaves: Shape

    @property
    def output(self) -> str:
        """The output shape as text, ``64 x 56 x 56``."""
        return " x ".join(str(extent) for extent in self.leaves)


def outline(parts: Iterable[Part], shape: Shape) -> list[Row]:
    """A row for each part, given the shape (C, H, W) of the image."""
    rows = []
    for part in parts:
        stride = 1
        for _, node, enters, leaves in along(part.nodes, shape):
            stride *= stride_of(node, enters)
            shape = leaves
        rows.append(Row(part.name, part.block, part.depth, shape[0], stride, shape))
    return rows


def label(node: Node) -> str:
    """A node in a few words: ``mbconv(out=24, stride=2, kernel=5)``; a combinator by its children's names."""
    if isinstance(node, Combinator):
        names = [name if name else label(child) for name, child in node.children]
        return " + ".join(names) if len(names) <= 6 else f"{' + '.join(names[:5])} + {len(names) - 5} more"
    fields = []
    for field in fields_of(type(node)):
        value = getattr(node, field.name)
        if field.required or value != field.default:
            fields.append(f"{field.name}={worded(value)}")
    return f"{node.kind()}({', '.join(fields)})" if fields else node.kind()


def worded(value: Any) -> str:
    """A field's value in a few words: a node by its label, a record by its class."""
    if isinstance(value, Node):
        return label(value)
    if isinstance(value, Record):
        return type(value).__name__
    return f"{value:g}" if isinstance(value, float) else str(value)


def text_table(title: str, rows: list[Row]) -> str:
    """The rows under a title, in aligned columns."""
    head = ("stage", "block", "depth", "width", "stride", "output")
    cells = [head, *((r.part, r.block, str(r.depth), str(r.width), str(r.stride), r.output) for r in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    numeric = (2, 3, 4)
    lines = [title, ""]
    for row in cells:
        lines.append(
            "  ".join(
                text.rjust(width) if column in numeric else text.ljust(width)
                for column, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )
    return "\n".join(lines)

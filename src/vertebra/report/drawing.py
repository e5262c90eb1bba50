"""Drawings of blocks: a fold from the tree to SVG, top to bottom as papers draw them.

The data flow is one line that enters at the top and leaves at the bottom; branches stand beside one another.  A box
carries the name that its tensors have in ``state_dict``.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import NamedTuple

from vertebra.arch.combinators import Concat, Gate, Seq, Side, Sum
from vertebra.arch.expansion import unblocked
from vertebra.arch.fold import Fold
from vertebra.arch.node import Combinator, Node, Primitive, children_of
from vertebra.arch.shapes import Shape
from vertebra.report.labels import LABELS, Label
from vertebra.report.text import TIMES, columns, visible

MARGIN, GAP, APART, ROW, RADIUS, PAD = 12, 18, 26, 21, 9, 10
"""Pixels: around the drawing, between boxes, between branches, a line of text, a join, around words."""
LETTER = 6.5
"""The mean width of a letter at 12 px."""

_STYLE = """
.vb text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1c2127; }
.vb .name, .vb .shape { fill: #69727d; font-size: 11px; }
.vb path, .vb .frame { fill: none; stroke: #69727d; stroke-width: 1.2; }
.vb .frame { stroke-dasharray: 3 3; stroke-width: 1; }
.vb .join { fill: #ffffff; stroke: #1c2127; stroke-width: 1.2; }
.vb .tip { fill: #69727d; stroke: none; }
.vb .box { fill: none; stroke: #69727d; stroke-width: 1; }
.vb .head { fill: #ffffff; }
.vb .product { fill: #d6e7f4; } .vb .pool { fill: #d3efe5; } .vb .norm { fill: #eceff2; }
.vb .act { fill: #fbeccb; } .vb .other { fill: #f6dfee; }
@media (prefers-color-scheme: dark) {
.vb text { fill: #e4e7ea; } .vb .name, .vb .shape { fill: #98a2ad; }
.vb path, .vb .frame, .vb .box { stroke: #98a2ad; } .vb .tip { fill: #98a2ad; }
.vb .join { fill: #15181c; stroke: #e4e7ea; } .vb .head { fill: #15181c; }
.vb .product { fill: #16405f; } .vb .pool { fill: #0d4a39; } .vb .norm { fill: #30363d; }
.vb .act { fill: #5a4410; } .vb .other { fill: #54304a; }
}
"""


class Picture(NamedTuple):
    """A piece of a drawing: its size in px, where the line enters and leaves it, and its SVG elements."""

    width: float
    height: float
    axis: float
    marks: str = ""
    opens: bool = False
    """Whether it begins with a line, so that the one that leads to it has no tip."""


Join = Callable[[Sequence[Picture]], Picture]
JOINS: Fold[Join] = Fold("joins", Combinator)
"""Pictures of a combinator's children -> the picture of the whole."""

LINE = Picture(2 * RADIUS, 0, RADIUS)
"""A branch that changes nothing."""


def drawing(node: Node, shape: Shape, title: str = "") -> str:
    """A node that takes ``shape`` (C, H, W) as a whole SVG document; raises ShapeError where it does not fit."""
    body = _picture(node, shape, "")
    above, below = (_extent(one) for one in (shape, node.output(shape)))
    width = max(body.width + 2 * MARGIN, 2 * (MARGIN + LETTER * max(columns(above), columns(below), 8)))
    axis = max(MARGIN + body.axis, LETTER * columns(above) / 2 + MARGIN)
    top = MARGIN + ROW
    height = top + GAP + body.height + GAP + ROW + MARGIN
    marks = (
        _text(axis, MARGIN + 11, above, "shape")
        + (_line if body.opens else _arrow)(axis, top - 5, axis, top + GAP)
        + _at(axis - body.axis, top + GAP, body)
        + _arrow(axis, top + GAP + body.height, axis, height - MARGIN - ROW + 3)
        + _text(axis, height - MARGIN - 3, below, "shape")
    )
    width = max(width, axis - body.axis + body.width + MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="vb" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">\n<title>{html.escape(visible(title))}</title>\n'
        f"<style>{_STYLE}</style>\n{marks}</svg>\n"
    )


def _picture(node: Node, shape: Shape, name: str) -> Picture:
    """The picture of a node as a child of this name."""
    node = unblocked(node, shape[0])
    if isinstance(node, Primitive):
        return _cards([_strip(node, shape, name)])
    if isinstance(node, Seq):
        return _sequence(node, shape, name)
    inner = JOINS[type(node)]([_picture(child, shape, "" if child_name == "" else child_name)
                               for child_name, child in children_of(node)])  # fmt: skip
    return _framed(inner, name) if name else inner


class Strip(NamedTuple):
    """One line of a box: the name of its tensors, where it says more than the words, and the words."""

    name: str
    label: Label


def _strip(node: Primitive, shape: Shape, name: str) -> Strip:
    return Strip("" if name == node.kind() else name, LABELS[type(node)](node, shape))


def _sequence(node: Seq, shape: Shape, name: str) -> Picture:
    """Boxes under one another; a named sequence of primitives is one box, other named ones have a frame."""
    pieces: list[Strip | Picture] = []
    for child_name, child in node.children:
        opened = unblocked(child, shape[0])
        if isinstance(opened, Primitive):
            pieces.append(_strip(opened, shape, child_name))
        else:
            pieces.append(_picture(opened, shape, child_name))
        shape = child.output(shape)
    strips = [piece for piece in pieces if isinstance(piece, Strip)]
    if name and len(strips) == len(pieces):
        return _card(strips, name)
    parts: list[Picture] = []
    run: list[Strip] = []
    for piece in (*pieces, None):
        if isinstance(piece, Strip):
            run.append(piece)
            continue
        if run:
            parts.append(_cards(run))
            run = []
        if piece is not None:
            parts.append(piece)
    stacked = _stacked(parts)
    return _framed(stacked, name) if name else stacked


def _cards(strips: Sequence[Strip]) -> Picture:
    """Boxes for primitives in a row: a new one begins with each that leads."""
    groups: list[list[Strip]] = []
    for strip in strips:
        if not strip.label.words:
            continue
        if strip.label.leads or not groups:
            groups.append([strip])
        else:
            groups[-1].append(strip)
    return _stacked([_card(group, "") for group in groups]) if groups else LINE


def _card(strips: Sequence[Strip], name: str) -> Picture:
    """One box: a line for each primitive, under its name."""
    shown = [strip for strip in strips if strip.label.words]
    words = [f"{strip.name}  {strip.label.words}" if strip.name else strip.label.words for strip in shown]
    width = max(LETTER * columns(line) for line in (*words, name)) + 2 * PAD
    marks, height = "", 0
    if name:
        marks += f'<rect class="head" width="{width:.1f}" height="{ROW - 3}"/>' + _text(PAD, 13, name, "name", "start")
        height = ROW - 3
    for strip in shown:
        marks += f'<rect class="{strip.label.role}" y="{height}" width="{width:.1f}" height="{ROW}"/>'
        own = f'<tspan class="name">{html.escape(strip.name)}</tspan>  ' if strip.name else ""
        marks += (
            f'<text x="{width / 2:.1f}" y="{height + 15}" text-anchor="middle" xml:space="preserve">{own}'
            f"{html.escape(strip.label.words)}</text>"
        )
        height += ROW
    marks += f'<rect class="box" width="{width:.1f}" height="{height}" rx="3"/>'
    return Picture(width, height, width / 2, marks)


def _stacked(parts: Sequence[Picture]) -> Picture:
    """Parts under one another on one line, with arrows between them."""
    axis = max(part.axis for part in parts)
    width = axis + max(part.width - part.axis for part in parts)
    marks, y = "", 0.0
    for index, part in enumerate(parts):
        if index:
            marks += (_line if part.opens else _arrow)(axis, y, axis, y + GAP)
            y += GAP
        marks += _at(axis - part.axis, y, part)
        y += part.height
    return Picture(width, y, axis, marks, parts[0].opens)


def _framed(inner: Picture, name: str) -> Picture:
    """A dashed frame with a name around a picture; the line runs through it."""
    side, top = PAD, ROW
    axis = side + inner.axis
    width = max(inner.width + 2 * side, axis + LETTER * columns(name) + PAD)  # the name stands beside the line
    height = inner.height + top + PAD
    marks = (
        f'<rect class="frame" width="{width:.1f}" height="{height:.1f}" rx="4"/>'
        + _text(width - 6, 14, name, "name", "end")
        + _line(axis, 0, axis, top)
        + _at(side, top, inner)
        + _line(axis, top + inner.height, axis, height)
    )
    return Picture(width, height, axis, marks, opens=True)


def _forked(branches: Sequence[Picture], axis: float, starts: Sequence[float], height: float) -> str:
    """The line split from ``axis`` into branches that start at these x; each is led down to ``height``."""
    marks = _line(axis, 0, axis, GAP / 2)
    for start, branch in zip(starts, branches, strict=True):
        at = start + branch.axis
        marks += _line(axis, GAP / 2, at, GAP / 2)
        marks += (_arrow if branch.height else _line)(at, GAP / 2, at, GAP + GAP / 2)
        marks += _at(start, 1.5 * GAP, branch)
        marks += _line(at, 1.5 * GAP + branch.height, at, height)
    return marks


def _side_by_side(branches: Sequence[Picture]) -> tuple[list[float], float]:
    """Where each branch starts, and the width of all."""
    starts, x = [], 0.0
    for branch in branches:
        starts.append(x)
        x += branch.width + APART
    return starts, x - APART


def _met(branches: Sequence[Picture], sign: str) -> Picture:
    """Branches that meet in a sign on the line of the first."""
    starts, width = _side_by_side(branches)
    axis = branches[0].axis
    bottom = 1.5 * GAP + max(branch.height for branch in branches) + GAP / 2
    y = bottom + RADIUS
    marks = _forked(branches, axis, starts, y)
    for start, branch in list(zip(starts, branches, strict=True))[1:]:
        marks += _arrow(start + branch.axis, y, axis + RADIUS, y)
    marks += f'<circle class="join" cx="{axis:.1f}" cy="{y:.1f}" r="{RADIUS}"/>' + _text(axis, y + 4, sign, "sign")
    return Picture(width, y + RADIUS, axis, marks, opens=True)


JOINS.rule(Seq)(lambda branches: _stacked(branches))
JOINS.rule(Sum)(lambda branches: _met(branches, "+"))
JOINS.rule(Gate)(lambda branches: _met((LINE, *branches), TIMES))


@JOINS.rule(Concat)
def _concat(branches: Sequence[Picture]) -> Picture:
    starts, width = _side_by_side(branches)
    top = 1.5 * GAP + max(branch.height for branch in branches) + GAP / 2
    first, last = starts[0] + branches[0].axis, starts[-1] + branches[-1].axis
    left, right = min(first - 12, (first + last) / 2 - 32), max(last + 12, (first + last) / 2 + 32)
    axis = (first + last) / 2
    marks = _forked(branches, axis, starts, top)
    marks += f'<rect class="join" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{ROW}" rx="4"/>'
    marks += _text(axis, top + 15, "concatenate", "sign")
    return Picture(max(width, right), top + ROW, axis, marks, opens=True)


@JOINS.rule(Side)
def _side(branches: Sequence[Picture]) -> Picture:
    """The input goes on; the body stands beside it and ends in its taps."""
    every = (LINE, *branches)
    starts, width = _side_by_side(every)
    height = 1.5 * GAP + max(branch.height for branch in branches)
    return Picture(width, height, LINE.axis, _forked(every, LINE.axis, starts, height), opens=True)


def _extent(shape: Shape) -> str:
    return f" {TIMES} ".join(str(extent) for extent in shape)


def _at(x: float, y: float, picture: Picture) -> str:
    return f'<g transform="translate({x:.1f} {y:.1f})">{picture.marks}</g>\n' if picture.marks else ""


def _text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"/>' if (x, y) != (to_x, to_y) else ""


def _arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """A line with a tip at its end: downwards, or to the left."""
    tip = f"{to_x - 3.5:.1f} {to_y - 6:.1f}L{to_x + 3.5:.1f} {to_y - 6:.1f}"
    if to_y == y:
        tip = f"{to_x + 6:.1f} {to_y - 3.5:.1f}L{to_x + 6:.1f} {to_y + 3.5:.1f}"
    return _line(x, y, to_x, to_y) + f'<path class="tip" d="M{to_x:.1f} {to_y:.1f}L{tip}Z"/>'

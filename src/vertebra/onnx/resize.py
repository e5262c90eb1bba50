"""Pillow's antialiased resize as two products with interpolation matrices that the graph makes itself.

ONNX has a Resize with ``antialias``, but OpenVINO 2026.4 ignores it without a word, and ONNX Runtime's is up to 9 of 255 away from
torch's.  Products are the same everywhere.  The rules are those of ``vertebra.data.preprocess``: its ``geometry``, then Pillow's filters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vertebra.data.preprocess import Preprocess
from vertebra.onnx.graph import FLOAT, INT64, Graph, attributes

AT = "preprocess"


class Filter(NamedTuple):
    """An interpolation filter: half its width in px of the coarser grid, and its value at |distance|."""

    support: int
    value: Callable[[Graph, str], str]
    overshoots: bool


def _triangle(graph: Graph, distance: str) -> str:
    """max(0, 1 - t)."""
    return graph.op("Relu", _from(graph, 1.0, distance), at=AT)


def _cubic(graph: Graph, distance: str) -> str:
    """Keys 1981 with a = -0.5, without a branch: with u = max(0, 1 - t) and v = max(0, 2 - t), u^2 (1 - 2u) + v^2 (v - 1) / 2.

    The second term is the piece of 1 <= t < 2; the first is what that of t < 1 adds to it, and both vanish in time.
    """
    near = graph.op("Relu", _from(graph, 1.0, distance), at=AT)
    far = graph.op("Relu", _from(graph, 2.0, distance), at=AT)
    two, half = graph.constant(2.0, at=AT), graph.constant(0.5, at=AT)
    inner = _from(graph, 1.0, graph.op("Mul", near, two, at=AT))
    inner = graph.op("Mul", graph.op("Mul", near, near, at=AT), inner, at=AT)
    outer = graph.op("Sub", graph.op("Mul", far, half, at=AT), half, at=AT)
    outer = graph.op("Mul", graph.op("Mul", far, far, at=AT), outer, at=AT)
    return graph.op("Add", inner, outer, at=AT)


FILTERS: dict[str, Filter] = {"bilinear": Filter(1, _triangle, False), "bicubic": Filter(2, _cubic, True)}


def _from(graph: Graph, start: float, value: str) -> str:
    return graph.op("Sub", graph.constant(start, at=AT), value, at=AT)


class _Axis(NamedTuple):
    """One axis of the picture: its extent, that after the resize, the offset of the cut (int64[1] each)."""

    extent: str
    resized: str
    offset: str


def _axes(graph: Graph, image: str, p: Preprocess) -> list[_Axis]:
    """Rows and columns, by ``data.preprocess.geometry``, in integers: the quotients there are far from where floats would differ."""
    extents = graph.op("Shape", image, at=AT, having=attributes(start=0, end=2))
    if p.fit == "squash":
        side, zero = graph.constant((p.size,), at=AT), graph.constant((0,), at=AT)
        return [_Axis(extent, side, zero) for extent in graph.split(extents, 2, at=AT)]
    short = graph.op("ReduceMin", extents, at=AT, having=attributes(keepdims=1))
    scaled = graph.op("Mul", extents, graph.constant((p.resize,), at=AT), at=AT)
    resized = graph.op("Div", scaled, short, at=AT)
    spare = graph.op("Sub", resized, graph.constant((p.size,), at=AT), at=AT)
    two = graph.constant((2,), at=AT)
    half = graph.op("Div", spare, two, at=AT)
    # Python rounds halves to even: up where the rest is odd and so is the half.
    up = graph.op("Mul", graph.op("Mod", spare, two, at=AT), graph.op("Mod", half, two, at=AT), at=AT)
    offset = graph.op("Add", half, up, at=AT)
    parts = (graph.split(value, 2, at=AT) for value in (extents, resized, offset))
    return [_Axis(*axis) for axis in zip(*parts, strict=True)]


class _Window(NamedTuple):
    """What one axis needs of the picture, [first, last) (int64[1]), and its matrix (float32)."""

    first: str
    last: str
    matrix: str


def _window(graph: Graph, axis: _Axis, p: Preprocess, *, upright: bool) -> _Window:
    """The interpolation matrix of one axis: [size, inputs], or [inputs, size] where ``upright``.

    The centre of output i lies at (2 (offset + i) + 1) extent / (2 resized).  It is kept as a whole number and a rest, so that distances
    are exact however large the picture is.
    """
    kernel = FILTERS[p.interpolation]
    one, two = graph.constant((1,), at=AT), graph.constant((2,), at=AT)
    odd = np.arange(1, 2 * p.size, 2, dtype=np.int64)
    twice = graph.op("Add", graph.constant(odd, at=AT), graph.op("Mul", axis.offset, two, at=AT), at=AT)
    over = graph.op("Mul", twice, axis.extent, at=AT)
    under = graph.op("Mul", axis.resized, two, at=AT)
    whole = graph.op("Div", over, under, at=AT)
    rest = graph.op("Sub", over, graph.op("Mul", whole, under, at=AT), at=AT)
    rest = graph.op("Div", _float(graph, rest), _float(graph, under), at=AT)

    # Pillow widens the filter by the scale where it shrinks.
    scale = graph.op("Div", _float(graph, axis.extent), _float(graph, axis.resized), at=AT)
    scale = graph.op("Max", scale, graph.constant(1.0, at=AT), at=AT)
    reach = graph.op("Cast", graph.op("Ceil", scale, at=AT), at=AT, having=attributes(to=INT64))
    reach = graph.op("Add", graph.op("Mul", reach, graph.constant((kernel.support,), at=AT), at=AT), one, at=AT)
    ends = graph.op("Gather", whole, graph.constant((0, p.size - 1), at=AT), at=AT)
    low, high = graph.split(ends, 2, at=AT)
    first = graph.op("Max", graph.op("Sub", low, reach, at=AT), graph.constant((0,), at=AT), at=AT)
    last = graph.op("Min", graph.op("Add", graph.op("Add", high, reach, at=AT), one, at=AT), axis.extent, at=AT)

    inputs = graph.op(
        "Range", _scalar(graph, first), _scalar(graph, last), graph.constant(np.int64(1)[...], at=AT), at=AT
    )
    across, along = graph.constant((0,) if upright else (1,), at=AT), graph.constant((1,) if upright else (0,), at=AT)
    place = graph.op("Unsqueeze", _float(graph, inputs), along, at=AT)
    centre = graph.op("Unsqueeze", _float(graph, whole), across, at=AT)
    shift = graph.op("Unsqueeze", _from(graph, 0.5, rest), across, at=AT)
    distance = graph.op("Add", graph.op("Sub", place, centre, at=AT), shift, at=AT)
    distance = graph.op("Abs", graph.op("Div", distance, scale, at=AT), at=AT)
    matrix = kernel.value(graph, distance)
    total = graph.op("ReduceSum", matrix, across if upright else across, at=AT)
    return _Window(first, last, graph.op("Div", matrix, total, at=AT))


def resized(graph: Graph, image: str, p: Preprocess) -> str:
    """uint8 [H, W, 3] of any size to whole numbers float32 [3, size, size], as ``data.preprocess.sized`` makes them."""
    rows, columns = _axes(graph, image, p)
    vertical = _window(graph, rows, p, upright=False)
    horizontal = _window(graph, columns, p, upright=True)
    firsts = graph.op("Concat", vertical.first, horizontal.first, at=AT, having=attributes(axis=0))
    lasts = graph.op("Concat", vertical.last, horizontal.last, at=AT, having=attributes(axis=0))
    cut = graph.op("Slice", image, firsts, lasts, graph.constant((0, 1), at=AT), at=AT)
    planes = graph.op(
        "Cast", graph.op("Transpose", cut, at=AT, having=attributes(perm=(2, 0, 1))), at=AT, having=attributes(to=FLOAT)
    )
    # Pillow goes along the rows first, and keeps whole numbers between the two passes.
    narrow = _rounded(graph, graph.op("MatMul", planes, horizontal.matrix, at=AT), p)
    small = _rounded(graph, graph.op("MatMul", vertical.matrix, narrow, at=AT), p)
    return graph.op("Reshape", small, graph.constant((3, p.size, p.size), at=AT), at=AT)


def _rounded(graph: Graph, value: str, p: Preprocess) -> str:
    """To the nearest whole number, halves up, within a byte."""
    value = graph.op("Floor", graph.op("Add", value, graph.constant(0.5, at=AT), at=AT), at=AT)
    if not FILTERS[p.interpolation].overshoots:
        return value
    return graph.op("Clip", value, graph.constant(0.0, at=AT), graph.constant(255.0, at=AT), at=AT)


def _float(graph: Graph, value: str) -> str:
    return graph.op("Cast", value, at=AT, having=attributes(to=FLOAT))


def _scalar(graph: Graph, value: str) -> str:
    return graph.op("Squeeze", value, graph.constant((0,), at=AT), at=AT)

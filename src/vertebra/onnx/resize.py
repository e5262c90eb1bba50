"""Pillow's antialiased resize as products with interpolation matrices that the graph makes itself.

ONNX has a Resize with ``antialias``, but OpenVINO 2026.4 ignores it without a word, and ONNX Runtime's is up to 9 of
255 away from torch's.  Products are the same everywhere.  The rules are those of ``vertebra.data.preprocess``: its
``geometry``, then Pillow's filters and its fixed-point arithmetic: weights are whole numbers of 2^-22, sums are exact,
and every pixel comes out as Pillow's.  (OpenVINO computes the weights in float32: there a pixel may be 1 of 255 off.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vertebra.data.preprocess import Preprocess
from vertebra.onnx.graph import Graph, attributes
from vertebra.onnx.sums import Sums

AT = "preprocess"

PRECISION = 22
"""Bits behind the point of Pillow's weights (PRECISION_BITS of its Resample.c)."""
SPLIT = 2.0 ** (PRECISION // 2)
"""Weights are taken apart here, into a high and a low half: sums of pixels times either are exact in float32."""

BANDS = 4
"""Parts of the output's columns: each needs a quarter of the picture's, so that fewer zeros are multiplied.
Four of them halve the time for 12 megapixels; a small picture hardly notices."""


class Filter(NamedTuple):
    """An interpolation filter: half its width in px of the coarser grid, and its value at a distance."""

    support: int
    value: Callable[[Sums, str], str]
    overshoots: bool


def _real(value: float) -> NDArray[np.float64]:
    """A constant in float64, as Pillow computes its weights."""
    return np.array(value, dtype=np.float64)


def _triangle(sums: Sums, distance: str) -> str:
    """max(0, 1 - t)."""
    return sums.relu(sums.sub(_real(1), distance))


def _cubic(sums: Sums, distance: str) -> str:
    """Keys 1981, a = -0.5, without a branch: u^2 (1 - 2u) + v^2 (v - 1) / 2, u = max(0, 1 - t), v = max(0, 2 - t).

    The second term is the piece of 1 <= t < 2; the first is what that of t < 1 adds to it, and both vanish in time.
    """
    u, v = sums.relu(sums.sub(_real(1), distance)), sums.relu(sums.sub(_real(2), distance))
    inner = sums.mul(sums.mul(u, u), sums.sub(_real(1), sums.mul(u, _real(2))))
    outer = sums.mul(sums.mul(v, v), sums.sub(sums.mul(v, _real(0.5)), _real(0.5)))
    return sums.add(inner, outer)


FILTERS: dict[str, Filter] = {"bilinear": Filter(1, _triangle, False), "bicubic": Filter(2, _cubic, True)}


class Axis(NamedTuple):
    """One axis of the picture: its extent, that after the resize, the offset of the cut (int64 [1] each)."""

    extent: str
    resized: str
    offset: str


def axes(graph: Graph, image: str, p: Preprocess) -> list[Axis]:
    """Rows and columns, by ``data.preprocess.geometry``, in integers.

    It truncates a quotient of floats; a quotient of integers below 2^52 is never rounded up to the next integer.
    """
    sums = Sums(graph, AT)
    extents = graph.op("Shape", image, at=AT, having=attributes(start=0, end=2))
    if p.fit == "squash":
        return [Axis(extent, sums.term(p.size), sums.term(0)) for extent in sums.split(extents, 2)]
    short = graph.op("ReduceMin", extents, at=AT, having=attributes(keepdims=1))
    resized = sums.div(sums.mul(extents, p.resize), short)
    spare = sums.sub(resized, p.size)
    half = sums.div(spare, 2)
    # Python rounds halves to even: up where the rest is odd and so is the half.
    offset = sums.add(half, sums.mul(sums.mod(spare, 2), sums.mod(half, 2)))
    parts = (sums.split(value, 2) for value in (extents, resized, offset))
    return [Axis(*axis) for axis in zip(*parts, strict=True)]


class _Centres(NamedTuple):
    """Where outputs lie among inputs: whole px (int64 [size]) and the rest (float64 [size]).

    ``scale`` (float64 [1]) is inputs for each output, at least 1: Pillow widens its filter where it shrinks.
    """

    whole: str
    rest: str
    scale: str


def _centres(sums: Sums, axis: Axis, size: int) -> _Centres:
    """Output i of the cut lies at (2 (offset + i) + 1) extent / (2 resized): in integers, distances come out exact."""
    twice = sums.add(np.arange(1, 2 * size, 2, dtype=np.int64), sums.mul(axis.offset, 2))
    over, under = sums.mul(twice, axis.extent), sums.mul(axis.resized, 2)
    whole = sums.div(over, under)
    rest = sums.div(sums.as_double(sums.sub(over, sums.mul(whole, under))), sums.as_double(under))
    scale = sums.most(sums.div(sums.as_double(axis.extent), sums.as_double(axis.resized)), _real(1))
    return _Centres(whole, rest, scale)


def _windows(sums: Sums, axis: Axis, at: _Centres, p: Preprocess, bands: int) -> tuple[str, str]:
    """The inputs [first, last) that each band of outputs needs, int64 [bands] both; a few too many do no harm."""
    reach = sums.add(sums.mul(sums.as_int(sums.ceil(at.scale)), FILTERS[p.interpolation].support), 1)
    edges = np.linspace(0, p.size, bands + 1).round().astype(np.int64)
    first = sums.most(sums.sub(sums.take(at.whole, edges[:-1]), reach), 0)
    last = sums.least(sums.add(sums.add(sums.take(at.whole, edges[1:] - 1), reach), 1), axis.extent)
    return first, last


class Halves(NamedTuple):
    """Weights as whole numbers of 2^-22, ``high * SPLIT + low``, each float32."""

    high: str
    low: str


def _matrix(sums: Sums, at: _Centres, first: str, last: str, p: Preprocess, *, upright: bool) -> Halves:
    """The weight of each input in [first, last) for each output: [size, inputs]; ``upright``: [inputs, size]."""
    inputs, outputs = (0, 1) if upright else (1, 0)
    place = sums.unsqueeze(sums.as_double(sums.count(first, last)), outputs)
    whole = sums.unsqueeze(sums.as_double(at.whole), inputs)
    shift = sums.unsqueeze(sums.sub(_real(0.5), at.rest), inputs)
    distance = sums.size(sums.div(sums.add(sums.sub(place, whole), shift), at.scale))
    matrix = FILTERS[p.interpolation].value(sums, distance)
    weights = sums.mul(sums.div(matrix, sums.total(matrix, inputs)), _real(2.0**PRECISION))
    weights = sums.floor(sums.add(weights, _real(0.5)))
    high = sums.floor(sums.mul(weights, _real(1 / SPLIT)))
    return Halves(sums.as_float(high), sums.as_float(sums.sub(weights, sums.mul(high, _real(SPLIT)))))


def resized(graph: Graph, image: str, p: Preprocess) -> str:
    """uint8 [H, W, 3] of any size to whole numbers float32 [3, size, size], as ``data.preprocess.sized`` makes them."""
    sums = Sums(graph, AT)
    rows, columns = axes(graph, image, p)
    centres = _centres(sums, rows, p.size)
    top, bottom = _windows(sums, rows, centres, p, 1)
    vertical = _matrix(sums, centres, top, bottom, p, upright=False)
    # Along the rows first, with whole numbers between the passes, as Pillow does (from 13 on not for tall pictures).
    narrow = _narrowed(sums, image, (top, bottom), columns, p)
    small = _rounded(sums, sums.matmul(vertical.high, narrow), sums.matmul(vertical.low, narrow), p)
    return graph.op("Reshape", small, graph.constant((3, p.size, p.size)), at=AT)


def _narrowed(sums: Sums, image: str, rows: tuple[str, str], columns: Axis, p: Preprocess) -> str:
    """The rows that count, resized along themselves, band by band: whole numbers float32 [3, rows, size]."""
    bands = min(BANDS, p.size)
    centres = _centres(sums, columns, p.size)
    firsts, lasts = _windows(sums, columns, centres, p, bands)
    left = sums.take(firsts, np.array([0]))
    matrix = _matrix(sums, centres, left, sums.take(lasts, np.array([bands - 1])), p, upright=True)
    starts, ends = sums.sub(firsts, left), sums.sub(lasts, left)
    edges = np.linspace(0, p.size, bands + 1).round().astype(np.int64)
    parts = []
    for index, (first, last, start, end) in enumerate(
        zip(*(sums.split(value, bands) for value in (firsts, lasts, starts, ends)), strict=True)
    ):
        low, high = edges[index : index + 1], edges[index + 1 : index + 2]
        part = sums.cut(image, sums.join(rows[0], first, axis=0), sums.join(rows[1], last, axis=0), np.array([0, 1]))
        planes = sums.as_float(sums.turn(part, (2, 0, 1)))
        begin, stop = sums.join(start, sums.term(low), axis=0), sums.join(end, sums.term(high), axis=0)
        more, less = (sums.matmul(planes, sums.cut(half, begin, stop, np.array([0, 1]))) for half in matrix)
        parts.append(_rounded(sums, more, less, p))
    return sums.join(*parts, axis=2)


def _rounded(sums: Sums, high: str, low: str, p: Preprocess) -> str:
    """The sums of both halves to the nearest whole number, halves up, within a byte."""
    total = sums.add(high, sums.floor(sums.mul(low, 1 / SPLIT)))
    value = sums.floor(sums.mul(sums.add(total, SPLIT / 2), 1 / SPLIT))
    if not FILTERS[p.interpolation].overshoots:
        return value
    return sums.graph.op("Clip", value, sums.term(0.0), sums.term(255.0), at=AT)

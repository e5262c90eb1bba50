"""Poolings in ONNX, in the words that every engine understands alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebra.arch.primitives import AdaptivePool, Pool
from vertebra.arch.shapes import Shape, pair
from vertebra.onnx.graph import Graph, attributes


def pooled(graph: Graph, node: Pool, value: str, enters: Shape, leaves: Shape, *, at: str) -> str:
    """A maximum or an average over windows."""
    if node.method == "max":
        return _maximum(graph, node, value, _pads(node, enters, leaves), at)
    if pair(node.dilation) != (1, 1):
        return _dilated_average(graph, node, value, enters, leaves, at)
    return _average(graph, node, value, _pads(node, enters, leaves), at)


def adaptive(graph: Graph, node: AdaptivePool, value: str, enters: Shape, *, at: str) -> str:
    """An average to fixed extents: plain windows where they divide the map, else a product with a matrix for each
    axis.
    """
    extents, wanted = enters[1:], node.output(enters)[1:]
    if extents == wanted:
        return value
    windows = tuple(extent // want for extent, want in zip(extents, wanted, strict=True))
    if all(window * want == extent for window, want, extent in zip(windows, wanted, extents, strict=True)):
        return graph.op("AveragePool", value, at=at, having=attributes(kernel_shape=windows, strides=windows))
    rows, columns = (_averages(extent, want) for extent, want in zip(extents, wanted, strict=True))
    narrow = graph.op("MatMul", graph.constant(rows), value, at=at)
    return graph.op("MatMul", narrow, graph.constant(np.ascontiguousarray(columns.T)), at=at)


def _averages(extent: int, want: int) -> NDArray[np.float32]:
    """[want, extent]: each row averages from floor(i * extent / want) to ceil((i + 1) * extent / want), as torch."""
    matrix = np.zeros((want, extent), np.float32)
    for index in range(want):
        first, last = index * extent // want, -(-(index + 1) * extent // want)
        matrix[index, first:last] = 1 / (last - first)
    return matrix


def _maximum(graph: Graph, node: Pool, value: str, around: tuple[int, ...], at: str) -> str:
    values = _window(node)
    if any(pad >= kernel for pad, kernel in zip(around, pair(node.kernel) * 2, strict=True)):
        # ONNX Runtime refuses padding as wide as the kernel, which a dilated window needs to keep the size.
        value = graph.op("Pad", value, graph.constant(_ends(around)), graph.constant(float("-inf")), at=at)
    elif any(around):
        values["pads"] = around
    if pair(node.dilation) != (1, 1):
        values["dilations"] = pair(node.dilation)
    return graph.op("MaxPool", value, at=at, having=attributes(**values))


def _average(graph: Graph, node: Pool, value: str, around: tuple[int, ...], at: str) -> str:
    """Padding is left out of the average, unless ``padded_average`` counts its own: never what ``ceil`` adds."""
    values = _window(node)
    own = pair(node.padding) * 2
    if node.method == "padded_average" and any(own):
        if around == own:
            values["count_include_pad"] = 1
        else:
            value = graph.op("Pad", value, graph.constant(_ends(own)), at=at)
            around = tuple(pad - counted for pad, counted in zip(around, own, strict=True))
    if any(around):
        values["pads"] = around
    return graph.op("AveragePool", value, at=at, having=attributes(**values))


def _dilated_average(graph: Graph, node: Pool, value: str, enters: Shape, leaves: Shape, at: str) -> str:
    """As a depthwise convolution: not every engine's AveragePool knows dilations."""
    kernel = pair(node.kernel)
    mean = np.full((enters[0], 1, *kernel), 1 / (kernel[0] * kernel[1]), np.float32)
    around = _pads(node, enters, leaves)
    values = _window(node) | {"dilations": pair(node.dilation), "group": enters[0], "pads": around}
    value = graph.op("Conv", value, graph.constant(mean), at=at, having=attributes(**values))
    own = pair(node.padding) * 2 if node.method == "padded_average" else (0, 0, 0, 0)
    if around == own:
        return value
    rows, columns = (_shares(node, axis, enters[axis + 1], leaves[axis + 1]) for axis in range(2))
    return graph.op("Div", value, graph.constant(rows[:, None] * columns), at=at)


def _shares(node: Pool, axis: int, extent: int, positions: int) -> NDArray[np.float32]:
    """How much of each window along an axis counts."""
    kernel, stride, padding = pair(node.kernel)[axis], pair(node.stride)[axis], pair(node.padding)[axis]
    taps = np.arange(kernel) * pair(node.dilation)[axis] - padding
    places = np.arange(positions)[:, None] * stride + taps
    own = padding if node.method == "padded_average" else 0
    counted = (places >= -own) & (places < extent + own)
    return np.asarray(counted.mean(1), np.float32)


def _window(node: Pool) -> dict[str, Any]:
    return {"kernel_shape": pair(node.kernel), "strides": pair(node.stride)}


def _ends(around: tuple[int, ...]) -> tuple[int, ...]:
    """(top, left, bottom, right) as Pad takes it: (N, C, H, W) before, then after."""
    return (0, 0, *around[:2], 0, 0, *around[2:])


def _pads(node: Pool, enters: Shape, leaves: Shape) -> tuple[int, ...]:
    """Padding at the (top, left, bottom, right), the end stretched so far that the last window of ``ceil`` fits.

    Engines and versions disagree on ``ceil_mode``; with the extent known, plain padding says the same.
    """
    before, after = list(pair(node.padding)), []
    for axis in range(2):
        span = pair(node.dilation)[axis] * (pair(node.kernel)[axis] - 1) + 1
        reach = (leaves[axis + 1] - 1) * pair(node.stride)[axis] + span
        after.append(max(before[axis], reach - enters[axis + 1] - before[axis]))
    if node.rounding == "floor":
        after = [each + more for each, more in zip(before, node.over, strict=True)]
    return (*before, *after)

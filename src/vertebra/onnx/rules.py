"""What each kind of primitive is in ONNX: one small function a kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from vertebra.arch.expansion import joined
from vertebra.arch.fold import Fold
from vertebra.arch.node import Primitive
from vertebra.arch.primitives import (
    Act,
    Conv,
    Dropout,
    Function,
    GlobalPool,
    Identity,
    LayerScale,
    Linear,
    Norm,
    PadChannels,
    Pool,
    Tap,
)
from vertebra.arch.shapes import Shape, is_map, pads, pair
from vertebra.onnx.graph import Graph, attributes

if TYPE_CHECKING:
    from onnx import AttributeProto


class Site(NamedTuple):
    """Where a primitive stands: its path, the value that arrives, and the shapes that enter and leave."""

    path: str
    value: str
    enters: Shape
    leaves: Shape


Rule = Callable[[Graph, Any, Site], str]
"""Adds a primitive's operations to the graph and gives the name of the value that leaves."""

PRIMITIVES: Fold[Rule] = Fold("onnx", Primitive)


def _tensors(graph: Graph, node: Primitive, site: Site, *, spread: bool = False) -> list[str]:
    """The primitive's weights in order, without counters; ``spread`` lays (C,) out as (C, 1, 1), to meet a map."""
    names = []
    for name, shape, counts in _declared(node, site.enters):
        path = joined(site.path, name)
        if counts:
            graph.owns(path)
            continue
        dims = (*shape, 1, 1) if spread and is_map(site.enters) else shape
        names.append(graph.weight(path, shape, dims))
    return names


@lru_cache(maxsize=1 << 12)
def _declared(node: Primitive, enters: Shape) -> tuple[tuple[str, tuple[int, ...], bool], ...]:
    """Each weight's name, shape, and whether it is a counter."""
    return tuple((weight.name, weight.shape, weight.role == "counter") for weight in node.weights(enters))


@PRIMITIVES.rule(Conv)
def _conv(graph: Graph, node: Conv, site: Site) -> str:
    tensors = _tensors(graph, node, site)
    return graph.op("Conv", site.value, *tensors, at=site.path, having=_conv_attributes(node, site.enters))


@lru_cache(maxsize=1 << 12)
def _conv_attributes(node: Conv, enters: Shape) -> tuple[AttributeProto, ...]:
    # Those at their default are left out: each one is copied into each node.
    values: dict[str, Any] = {"kernel_shape": pair(node.kernel)}
    around = _conv_pads(node, enters)
    if any(around):
        values["pads"] = around
    if pair(node.stride) != (1, 1):
        values["strides"] = pair(node.stride)
    if pair(node.dilation) != (1, 1):
        values["dilations"] = pair(node.dilation)
    if node.groups > 1:
        values["group"] = node.groups
    return attributes(**values)


def _conv_pads(node: Conv, enters: Shape) -> tuple[int, ...]:
    """Zeros at the (top, left, bottom, right): extents are known, so TensorFlow's rule too becomes four numbers."""
    (kh, kw), (sh, sw), (dh, dw) = pair(node.kernel), pair(node.stride), pair(node.dilation)
    ph, pw = node.padding if isinstance(node.padding, tuple) else (node.padding, node.padding)
    top, bottom = pads(enters[1], kh, sh, ph, dh)
    left, right = pads(enters[2], kw, sw, pw, dw)
    return (top, left, bottom, right)


@PRIMITIVES.rule(Norm)
def _norm(graph: Graph, node: Norm, site: Site) -> str:
    return _NORMS[node.method](graph, node, site)


def _batch_norm(graph: Graph, node: Norm, site: Site) -> str:
    tensors = _tensors(graph, node, site)
    return graph.op("BatchNormalization", site.value, *tensors, at=site.path, having=attributes(epsilon=node.eps))


def _group_norm(graph: Graph, node: Norm, site: Site) -> str:
    """Over each group laid out in a row; ONNX's GroupNormalization takes no vectors, and changed in version 21."""
    at = site.path
    gain, bias = _tensors(graph, node, site, spread=True)
    groups = node.groups_of(site.enters[0])
    rows = graph.op("Reshape", site.value, graph.constant((0, groups, -1)), at=at)
    normal = _standardised(graph, rows, axis=2, eps=node.eps, at=at)
    whole = graph.op("Reshape", normal, graph.constant((0, *site.enters)), at=at)
    return graph.op("Add", graph.op("Mul", whole, gain, at=at), bias, at=at)


def _layer2d_norm(graph: Graph, node: Norm, site: Site) -> str:
    at = site.path
    gain, bias = _tensors(graph, node, site, spread=True)
    normal = _standardised(graph, site.value, axis=1, eps=node.eps, at=at)
    return graph.op("Add", graph.op("Mul", normal, gain, at=at), bias, at=at)


_NORMS: dict[str, Rule] = {"batch": _batch_norm, "group": _group_norm, "layer2d": _layer2d_norm}


def _standardised(graph: Graph, value: str, *, axis: int, eps: float, at: str) -> str:
    """(x - mean) / sqrt(variance + eps) along one axis; MeanVarianceNormalization has no eps of ours to set."""
    axes = graph.constant((axis,))
    centred = graph.op("Sub", value, graph.op("ReduceMean", value, axes, at=at), at=at)
    variance = graph.op("ReduceMean", graph.op("Mul", centred, centred, at=at), axes, at=at)
    deviation = graph.op("Sqrt", graph.op("Add", variance, graph.constant(eps), at=at), at=at)
    return graph.op("Div", centred, deviation, at=at)


@PRIMITIVES.rule(Act)
def _act(graph: Graph, node: Act, site: Site) -> str:
    return ACTIVATIONS[node.function](graph, site.value, site.path)


def _relu6(graph: Graph, value: str, at: str) -> str:
    return graph.op("Clip", value, graph.constant(0.0), graph.constant(6.0), at=at)


ACTIVATIONS: dict[Function, Callable[[Graph, str, str], str]] = {
    "relu": lambda graph, value, at: graph.op("Relu", value, at=at),
    "relu6": _relu6,
    "leaky_relu": lambda graph, value, at: graph.op("LeakyRelu", value, at=at, having=attributes(alpha=0.01)),
    "silu": lambda graph, value, at: graph.op("Mul", value, graph.op("Sigmoid", value, at=at), at=at),
    "hard_swish": lambda graph, value, at: graph.op("HardSwish", value, at=at),
    "hard_sigmoid": lambda graph, value, at: graph.op(
        "HardSigmoid", value, at=at, having=attributes(alpha=1 / 6, beta=0.5)
    ),
    "sigmoid": lambda graph, value, at: graph.op("Sigmoid", value, at=at),
    "tanh": lambda graph, value, at: graph.op("Tanh", value, at=at),
    "gelu": lambda graph, value, at: graph.op("Gelu", value, at=at, having=attributes(approximate="none")),
    "mish": lambda graph, value, at: graph.op("Mish", value, at=at),
    "identity": lambda graph, value, at: value,
}
"""Each activation; a test holds that none is missing."""


@PRIMITIVES.rule(Pool)
def _pool(graph: Graph, node: Pool, site: Site) -> str:
    values: dict[str, Any] = {"kernel_shape": pair(node.kernel), "strides": pair(node.stride)}
    around = _pool_pads(node, site)
    value = site.value
    if node.method == "max" and any(pad >= kernel for pad, kernel in zip(around, pair(node.kernel) * 2, strict=True)):
        # ONNX Runtime refuses padding as wide as the kernel, which a dilated window needs to keep the size.
        ends = (0, 0, *around[:2], 0, 0, *around[2:])  # (N, C, H, W) before, then after
        value = graph.op("Pad", value, graph.constant(ends), graph.constant(float("-inf")), at=site.path)
    elif any(around):
        values["pads"] = around
    if pair(node.dilation) != (1, 1):
        values["dilations"] = pair(node.dilation)
    kind = "MaxPool" if node.method == "max" else "AveragePool"  # both leave the padding out
    return graph.op(kind, value, at=site.path, having=attributes(**values))


def _pool_pads(node: Pool, site: Site) -> tuple[int, ...]:
    """Padding at the (top, left, bottom, right), the end stretched so far that the last window of ``ceil`` fits.

    Engines and versions disagree on ``ceil_mode``; with the extent known, plain padding says the same.
    """
    before, after = list(pair(node.padding)), []
    for axis in range(2):
        span = pair(node.dilation)[axis] * (pair(node.kernel)[axis] - 1) + 1
        reach = (site.leaves[axis + 1] - 1) * pair(node.stride)[axis] + span
        after.append(max(before[axis], reach - site.enters[axis + 1] - before[axis]))
    if node.rounding == "floor":
        after = before
    return (*before, *after)


@PRIMITIVES.rule(GlobalPool)
def _global_pool(graph: Graph, node: GlobalPool, site: Site) -> str:
    kind = "GlobalAveragePool" if node.method == "average" else "GlobalMaxPool"
    return graph.op(kind, site.value, at=site.path)


@PRIMITIVES.rule(Linear)
def _linear(graph: Graph, node: Linear, site: Site) -> str:
    value = graph.op("Flatten", site.value, at=site.path) if is_map(site.enters) else site.value
    return graph.op("Gemm", value, *_tensors(graph, node, site), at=site.path, having=attributes(transB=1))


@PRIMITIVES.rule(PadChannels)
def _pad_channels(graph: Graph, node: PadChannels, site: Site) -> str:
    if node.out == site.enters[0]:
        return site.value
    rest = len(site.enters) - 1
    ends = (0, 0, *(0,) * rest, 0, node.out - site.enters[0], *(0,) * rest)  # (N, C, ...) before, then after
    return graph.op("Pad", site.value, graph.constant(ends), at=site.path)


@PRIMITIVES.rule(LayerScale)
def _layer_scale(graph: Graph, node: LayerScale, site: Site) -> str:
    (gain,) = _tensors(graph, node, site, spread=True)
    return graph.op("Mul", site.value, gain, at=site.path)


@PRIMITIVES.rule(Dropout, Identity, Tap)
def _unchanged(graph: Graph, node: Primitive, site: Site) -> str:
    """Nothing happens at inference."""
    return site.value

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
    AdaptivePool,
    Conv,
    Dropout,
    Function,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    Linear,
    LocalResponseNorm,
    Norm,
    PadChannels,
    Pool,
    Tap,
)
from vertebra.arch.shapes import Shape, is_map, pads, pair, spread_pads
from vertebra.arch.spread import SamePad, SpreadPool
from vertebra.onnx.graph import Graph, attributes
from vertebra.onnx.pooling import adaptive, pooled

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


@PRIMITIVES.rule(LocalResponseNorm)
def _local_response_norm(graph: Graph, node: LocalResponseNorm, site: Site) -> str:
    """ONNX, as torch, divides the sum by the number of channels."""
    values = attributes(size=node.size, alpha=node.alpha * node.size, beta=node.beta, bias=node.k)
    return graph.op("LRN", site.value, at=site.path, having=values)


@PRIMITIVES.rule(GlobalResponseNorm)
def _global_response_norm(graph: Graph, node: GlobalResponseNorm, site: Site) -> str:
    at = site.path
    gain, bias = _tensors(graph, node, site, spread=True)
    energy = graph.op("ReduceL2", site.value, graph.constant((2, 3)), at=at)
    mean = graph.op("ReduceMean", energy, graph.constant((1,)), at=at)
    share = graph.op("Div", energy, graph.op("Add", mean, graph.constant(node.eps), at=at), at=at)
    factor = graph.op("Add", graph.op("Mul", share, gain, at=at), graph.constant(1.0), at=at)
    return graph.op("Add", graph.op("Mul", site.value, factor, at=at), bias, at=at)


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


@PRIMITIVES.rule(Pool, SpreadPool)
def _pool(graph: Graph, node: Pool, site: Site) -> str:
    return pooled(graph, node, site.value, site.enters, site.leaves, at=site.path)


@PRIMITIVES.rule(AdaptivePool)
def _adaptive_pool(graph: Graph, node: AdaptivePool, site: Site) -> str:
    return adaptive(graph, node, site.value, site.enters, at=site.path)


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


@PRIMITIVES.rule(SamePad)
def _same_pad(graph: Graph, node: SamePad, site: Site) -> str:
    axes = zip(site.enters[1:], pair(node.kernel), pair(node.taken), pair(node.spacing), strict=True)
    (top, bottom), (left, right) = (spread_pads(*axis) for axis in axes)
    return graph.op("Pad", site.value, graph.constant((0, 0, top, left, 0, 0, bottom, right)), at=site.path)


@PRIMITIVES.rule(LayerScale)
def _layer_scale(graph: Graph, node: LayerScale, site: Site) -> str:
    (gain,) = _tensors(graph, node, site, spread=True)
    return graph.op("Mul", site.value, gain, at=site.path)


@PRIMITIVES.rule(Dropout, Identity, Tap)
def _unchanged(graph: Graph, node: Primitive, site: Site) -> str:
    """Nothing happens at inference."""
    return site.value

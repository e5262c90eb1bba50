"""The fold from primitives to torch modules, and from combinators to the operation of a plan."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from vertebra.arch.combinators import Concat, Gate, Seq, Side, Sum
from vertebra.arch.fold import Fold
from vertebra.arch.node import Combinator, Primitive
from vertebra.arch.overwriting import adds_in_place
from vertebra.arch.primitives import (
    Act,
    AdaptivePool,
    Conv,
    Dropout,
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
from vertebra.arch.shapes import Shape, elements, is_map, pair
from vertebra.arch.spread import SamePad
from vertebra.nn import layers
from vertebra.nn.layers import unfilled

MODULES: Fold[Callable[..., nn.Module]] = Fold("modules", Primitive)
"""(node, shape that enters) -> module with unfilled tensors."""

OPERATIONS: Fold[Callable[..., str]] = Fold("operations", Combinator)
"""(node, shape that enters, shape that leaves the last child) -> the operation in a composite's plan."""

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "hard_sigmoid": nn.Hardsigmoid,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "mish": nn.Mish,
    "identity": nn.Identity,
}


@MODULES.rule(Conv)
def _conv(node: Conv, shape: Shape) -> nn.Module:
    stride = pair(node.stride)
    padding = node.even_padding()
    return unfilled(
        _conv_class(node, padding),
        shape[0],
        node.out,
        pair(node.kernel),
        stride,
        padding or 0,
        pair(node.dilation),
        node.groups,
        bias=node.bias,
    )


def _conv_class(node: Conv, padding: tuple[int, int] | None) -> type[nn.Conv2d]:
    if padding is None:
        return layers.SameConv2d
    if node.subsamples():
        return layers.SubsamplingConv2d
    return layers.PointwiseConv2d if node.is_product() else nn.Conv2d


@MODULES.rule(Norm)
def _norm(node: Norm, shape: Shape) -> nn.Module:
    if node.method == "group":
        return unfilled(nn.GroupNorm, node.groups_of(shape[0]), shape[0], node.eps)
    if node.method == "layer2d":
        return unfilled(layers.LayerNorm2d, shape[0], node.eps)
    cls = nn.BatchNorm2d if is_map(shape) else nn.BatchNorm1d
    return unfilled(cls, shape[0], node.eps, node.momentum)


@MODULES.rule(Act)
def _act(node: Act, shape: Shape) -> nn.Module:
    return ACTIVATIONS[node.function]()


@MODULES.rule(Pool)
def _pool(node: Pool, shape: Shape) -> nn.Module:
    if pair(node.kernel) == (1, 1):
        return layers.Subsample(pair(node.stride))
    window = (pair(node.kernel), pair(node.stride), pair(node.padding))
    ceil, over = node.rounding == "ceil", node.over
    if node.method != "max":
        padded = node.method == "padded_average"
        if pair(node.dilation) != (1, 1) or any(over):
            return layers.DilatedAvgPool2d(*window, padded, pair(node.dilation), over)
        return nn.AvgPool2d(*window, ceil_mode=ceil, count_include_pad=padded)
    # torch refuses padding of more than half the kernel, which a dilated window needs to keep the size.
    wide = any(2 * padding > kernel for padding, kernel in zip(pair(node.padding), pair(node.kernel), strict=True))
    if wide or any(over):
        return layers.WidePaddedMaxPool2d(*window, pair(node.dilation), over)
    return nn.MaxPool2d(*window, dilation=pair(node.dilation), ceil_mode=ceil)


@MODULES.rule(GlobalPool)
def _global_pool(node: GlobalPool, shape: Shape) -> nn.Module:
    return nn.AdaptiveAvgPool2d(1) if node.method == "average" else nn.AdaptiveMaxPool2d(1)


@MODULES.rule(AdaptivePool)
def _adaptive_pool(node: AdaptivePool, shape: Shape) -> nn.Module:
    cls = nn.AdaptiveAvgPool2d if node.larger == "average" else layers.EnlargingAvgPool2d
    return cls(pair(node.extent))


@MODULES.rule(LocalResponseNorm)
def _local_response_norm(node: LocalResponseNorm, shape: Shape) -> nn.Module:
    return nn.LocalResponseNorm(node.size, node.alpha * node.size, node.beta, node.k)  # torch takes the mean


@MODULES.rule(GlobalResponseNorm)
def _global_response_norm(node: GlobalResponseNorm, shape: Shape) -> nn.Module:
    return unfilled(layers.GlobalResponseNorm, shape[0], node.eps)


@MODULES.rule(Linear)
def _linear(node: Linear, shape: Shape) -> nn.Module:
    node.weights(shape)  # raises where the extents are not known
    return unfilled(layers.Linear, elements(shape), node.out, bias=node.bias)


@MODULES.rule(PadChannels)
def _pad_channels(node: PadChannels, shape: Shape) -> nn.Module:
    return layers.PadChannels(node.out, len(shape) - 1)


@MODULES.rule(SamePad)
def _same_pad(node: SamePad, shape: Shape) -> nn.Module:
    return layers.SamePad(pair(node.kernel), pair(node.taken), pair(node.spacing))


@MODULES.rule(Dropout)
def _dropout(node: Dropout, shape: Shape) -> nn.Module:
    return nn.Dropout(node.rate)


@MODULES.rule(LayerScale)
def _layer_scale(node: LayerScale, shape: Shape) -> nn.Module:
    return unfilled(layers.LayerScale, shape[0], node.start, len(shape) - 1)


@MODULES.rule(Identity)
def _identity(node: Identity, shape: Shape) -> nn.Module:
    return nn.Identity()


@MODULES.rule(Tap)
def _tap(node: Tap, shape: Shape) -> nn.Module:
    return layers.Tap(node.name)


OPERATIONS.rule(Seq)(lambda node, shape, branch: "seq")
OPERATIONS.rule(Concat)(lambda node, shape, branch: "concat")
OPERATIONS.rule(Side)(lambda node, shape, branch: "side")


@OPERATIONS.rule(Sum)
def _sum(node: Sum, shape: Shape, branch: Shape) -> str:
    return "sum in place" if adds_in_place(node, shape) else "sum"


@OPERATIONS.rule(Gate)
def _gate(node: Combinator, shape: Shape, branch: Shape) -> str:
    return "gate of a vector" if len(branch) < len(shape) else "gate"

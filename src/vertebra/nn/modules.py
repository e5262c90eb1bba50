"""The fold from primitives to torch modules, and from combinators to the operation of a plan."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from vertebra.arch.combinators import Concat, Gate, Seq, Sum
from vertebra.arch.fold import Fold
from vertebra.arch.node import Combinator, Primitive
from vertebra.arch.primitives import (
    Act,
    Conv,
    Dropout,
    GlobalPool,
    Identity,
    LayerScale,
    Linear,
    Norm,
    PadChannels,
    Pool,
    Tap,
)
from vertebra.arch.shapes import Shape, elements, is_map, pads, pair
from vertebra.nn import layers
from vertebra.nn.layers import unfilled

MODULES: Fold[Callable[..., nn.Module]] = Fold("modules", Primitive)
"""(node, shape that enters) -> module with unfilled tensors."""

OPERATIONS: Fold[Callable[[Shape, Shape], str]] = Fold("operations", Combinator)
"""(shape that enters, shape that leaves the last child) -> the operation in a composite's plan."""

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
    padding = _fixed_padding(node)
    cls = layers.SameConv2d if padding is None else nn.Conv2d
    return unfilled(
        cls,
        shape[0],
        node.out,
        pair(node.kernel),
        stride,
        padding or 0,
        pair(node.dilation),
        node.groups,
        bias=node.bias,
    )


def _fixed_padding(node: Conv) -> tuple[int, int] | None:
    """Padding of rows and columns, equal before and after; None where it depends on the input's size or is uneven."""
    if isinstance(node.padding, tuple):
        return node.padding
    sides = []
    for kernel, stride, dilation in zip(pair(node.kernel), pair(node.stride), pair(node.dilation), strict=True):
        if node.padding == "same" and stride > 1:
            return None
        before, after = pads(1, kernel, stride, node.padding, dilation)
        if before != after:
            return None
        sides.append(before)
    return sides[0], sides[1]


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
    ceil = node.rounding == "ceil"
    if node.method == "average":
        return nn.AvgPool2d(*window, ceil_mode=ceil, count_include_pad=False)
    # torch refuses padding of more than half the kernel, which a dilated window needs to keep the size.
    wide = any(2 * padding > kernel for padding, kernel in zip(pair(node.padding), pair(node.kernel), strict=True))
    cls = layers.WidePaddedMaxPool2d if wide else nn.MaxPool2d
    return cls(*window, dilation=pair(node.dilation), ceil_mode=ceil)


@MODULES.rule(GlobalPool)
def _global_pool(node: GlobalPool, shape: Shape) -> nn.Module:
    return nn.AdaptiveAvgPool2d(1) if node.method == "average" else nn.AdaptiveMaxPool2d(1)


@MODULES.rule(Linear)
def _linear(node: Linear, shape: Shape) -> nn.Module:
    node.weights(shape)  # raises where the extents are not known
    return unfilled(layers.Linear, elements(shape), node.out, bias=node.bias)


@MODULES.rule(PadChannels)
def _pad_channels(node: PadChannels, shape: Shape) -> nn.Module:
    return layers.PadChannels(node.out, len(shape) - 1)


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


OPERATIONS.rule(Seq)(lambda shape, factors: "seq")
OPERATIONS.rule(Sum)(lambda shape, factors: "sum")
OPERATIONS.rule(Concat)(lambda shape, factors: "concat")


@OPERATIONS.rule(Gate)
def _gate(shape: Shape, factors: Shape) -> str:
    return "gate of a vector" if len(factors) < len(shape) else "gate"

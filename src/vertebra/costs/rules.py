"""The counting rule of each kind of primitive; conventions stand beside the numbers.

A rule counts for one position (row and column) of the output, given the shape that arrives; a vector has one position.

MACs: multiply-accumulates of convolutions and fully connected layers for one image, biases not counted; torch's
``FlopCounterMode`` gives twice this.  Activations: values that leave convolutions (Radosavovic et al. 2020, "Designing
Network Design Spaces", section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vertebra.arch.fold import Fold
from vertebra.arch.node import Node, Primitive
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
from vertebra.arch.shapes import Shape, elements
from vertebra.arch.spread import SamePad
from vertebra.costs.formulas import conv_macs, linear_macs

WITHOUT_PRODUCTS: tuple[type[Primitive], ...] = (
    Act,
    AdaptivePool,
    Dropout,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    LocalResponseNorm,
    Norm,
    PadChannels,
    Pool,
    SamePad,
    Tap,
)
"""Element-wise work, poolings and copies: no multiply-accumulates of a matrix product."""

Count = Callable[[Any, Shape], int]

MACS: Fold[Count] = Fold("macs", Primitive)
ACTIVATIONS: Fold[Count] = Fold("activations", Primitive)


@MACS.rule(Conv)
def _conv_macs(node: Conv, enters: Shape) -> int:
    """Each output value sums kernel x (input channels of its group) products."""
    return conv_macs(enters[0], node.out, node.kernel, node.groups)


@MACS.rule(Linear)
def _linear_macs(node: Linear, enters: Shape) -> int:
    """One product for each pair of input and output."""
    return linear_macs(elements(enters), node.out)


@MACS.rule(*WITHOUT_PRODUCTS)
def _no_macs(node: Node, enters: Shape) -> int:
    return 0


@ACTIVATIONS.rule(Conv)
def _conv_activations(node: Conv, enters: Shape) -> int:
    return node.out


@ACTIVATIONS.rule(Linear, *WITHOUT_PRODUCTS)
def _no_activations(node: Node, enters: Shape) -> int:
    return 0

"""The complexity formulas of the field, each with where it comes from.

All count multiply-accumulates (MACs; FLOPs are twice that) and leave biases out.  Those of convolutions are for one
position of the output: times its rows and columns they give the layer's.  ``costs.rules`` counts by ``conv_macs`` and
``linear_macs``; the others put those together for a block, and tests hold them equal to what the blocks cost.
"""

from __future__ import annotations

from vertebra.arch.shapes import pair
from vertebra.errors import ShapeError


def conv_macs(enters: int, out: int, kernel: int | tuple[int, int] = 1, groups: int = 1) -> int:
    """A convolution from ``enters`` to ``out`` channels, for one position: ``out * rows * columns * enters / groups``.

    Derivation: each output value is a sum over the window, rows x columns positions, and over the input channels of its
    own group, enters / groups of them; there are ``out`` values at a position.  With one group this is the standard
    convolution, with as many groups as channels the depthwise one.  Padding counts as if it were there, as all counters
    have it.  Raises ShapeError for groups that do not divide the channels on both sides.
    """
    if groups < 1 or enters % groups or out % groups:
        raise ShapeError(f"{groups} groups do not divide {enters} channels that enter and {out} that leave")
    rows, columns = pair(kernel)
    return out * rows * columns * (enters // groups)


def conv_params(enters: int, out: int, kernel: int | tuple[int, int] = 1, groups: int = 1, bias: bool = False) -> int:
    """Learned values of a convolution: its MACs for one position, since each weight is used once at each, and a bias
    for each output channel.
    """
    return conv_macs(enters, out, kernel, groups) + (out if bias else 0)


def linear_macs(enters: int, out: int) -> int:
    """A fully connected layer: one product for each pair of input and output."""
    return enters * out


def depthwise_macs(channels: int, kernel: int | tuple[int, int]) -> int:
    """A filter for each channel, for one position: ``channels * rows * columns``.

    Derivation: ``conv_macs`` with as many groups as channels, so that each output value sees one input channel.
    """
    return conv_macs(channels, channels, kernel, channels)


def depthwise_separable_macs(enters: int, out: int, kernel: int) -> int:
    """A depthwise convolution and the 1x1 that mixes channels, for one position: ``enters * k^2 + enters * out``
    (Howard et al. 2017, MobileNets, section 3.1, equation 5).

    Derivation: the depthwise one filters each channel, the pointwise one is a convolution with a window of 1.
    """
    return depthwise_macs(enters, kernel) + conv_macs(enters, out)


def depthwise_separable_ratio(out: int, kernel: int) -> float:
    """What a depthwise separable convolution costs of the standard one: ``1 / out + 1 / k^2`` (Howard et al. 2017,
    section 3.1).

    Derivation: ``(enters k^2 + enters out) / (enters out k^2)``; the channels that enter cancel.  So a 3x3 costs
    between 1/9 and 1/8 from 72 channels on.
    """
    return 1 / out + 1 / kernel**2


def squeeze_excite_macs(channels: int, narrow: int) -> int:
    """A squeeze-and-excitation, for one image of any size: ``2 * channels * narrow`` (Hu et al. 2018, section 4 and
    equation 5, there as parameters: 2 C^2 / r).

    Derivation: the pooled vector goes down to ``narrow`` values and up again; pooling and gating are no
    multiply-accumulates of a matrix product, and are not counted.
    """
    return linear_macs(channels, narrow) + linear_macs(narrow, channels)


def dense_channels(channels: int, growth: int, layers: int) -> int:
    """Channels after so many layers of a dense block: ``channels + growth * layers`` (Huang et al. 2017, section 3,
    "growth rate": layer l takes k0 + k (l - 1)).

    Derivation: each layer puts its ``growth`` channels beside everything before it.
    """
    return channels + growth * layers


def dense_block_macs(channels: int, growth: int, layers: int, bottleneck: int = 4) -> int:
    """A dense block of DenseNet-B layers, for one position: ``layers * (b k (c0 + k (layers - 1) / 2) + 9 b k^2)``.

    Derivation: layer l (from 0) is a 1x1 from ``c0 + k l`` channels to ``b k`` and a 3x3 from those to ``k``.  The 3x3
    is the same in all; of the 1x1 the sum over l is arithmetic, so it grows with the square of ``layers``.
    """
    wide = bottleneck * growth
    entering = layers * channels + growth * layers * (layers - 1) // 2
    return wide * entering + layers * conv_macs(wide, growth, 3)


def resnext_block_macs(width: int, inner: int, cardinality: int) -> int:
    """A ResNeXt block with an identity shortcut, for one position: ``C (width d + 9 d^2 + d width)`` (Xie et al. 2017,
    equation 4; there as parameters).

    Derivation: each of C paths is a 1x1 from ``width`` to ``inner`` channels (d), a 3x3 among those, and a 1x1 back.
    The paths together are a 1x1 to C d channels, a 3x3 in C groups, and a 1x1 back: the form that is built.  At the
    cost of ResNet's bottleneck (C = 1, d = 64: 69,632), 32x4d has 70,144: cardinality grows at equal cost.
    """
    return cardinality * (conv_macs(width, inner) + conv_macs(inner, inner, 3) + conv_macs(inner, width))


def resnext_lesson_expression(inner: int, cardinality: int) -> int:
    """What lessons print as the cost of a ResNeXt block: ``(256 d / 64) * 9 * C``.  It is not its cost.

    For 32x4d it gives 4,608, which is the MACs of the grouped 3x3 alone (``9 d^2 C``), and that only because ``256 d /
    64`` equals ``d^2`` where d is 4.  The whole block costs 70,144 (``resnext_block_macs(256, 4, 32)``); for ResNet's
    own 1x64d the expression gives 2,304 where the 3x3 alone costs 36,864.
    """
    return 256 * inner * 9 * cardinality // 64

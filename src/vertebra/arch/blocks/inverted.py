"""Inverted residual blocks of MobileNetV2 and V3, MnasNet, EfficientNet and EfficientNetV2."""

from __future__ import annotations

from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.arch.combinators import Seq, add
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Identity, Norm, Padding
from vertebra.arch.record import Channels, Positive, Ratio, replace
from vertebra.arch.rounding import round_channels


class InvertedResidual(Block, frozen=True):
    """Narrow -> wide -> narrow with a linear end (Sandler et al. 2018, figure 3b, table 1).

    ::

        x -+-> expand 1x1 (x t) -> depthwise kxk/s -> (attention) -> project 1x1 -> + -> out
           +-> identity, where stride is 1 and channels stay ---------------------/

    With an expansion of 1 there is no ``expand``; the other names stay.  The wide part is rounded to a multiple of
    ``divisor``: with 8 and attention this is MobileNetV3's block (Howard et al. 2019, figure 4).  ``padding`` is that
    of the depthwise convolution.
    """

    out: Channels
    stride: Positive = 1
    expansion: Ratio = 6
    kernel: Positive = 3
    norm: Norm = Norm()
    act: Act = Act("relu6")
    attention: SqueezeExcite | None = None
    divisor: Positive = 1
    padding: Padding = "half"

    def layers(self, channels: int) -> Node:
        wide = channels * self.expansion
        hidden = round(wide) if self.divisor == 1 else round_channels(wide, self.divisor)
        return _inverted(self, channels, hidden, self.attention)


class MBConv(Block, frozen=True):
    """An inverted residual with squeeze-and-excitation on its wide part (Tan et al. 2019, figure 7b; Tan and Le 2019,
    table 1).

    ::

        x -+-> expand 1x1 (x t) -> depthwise kxk/s -> attention -> project 1x1 -> + -> out
           +-> identity, where stride is 1 and channels stay --------------------/

    The squeeze is ``max(1, int(channels * squeeze))`` of the block's own input, not of the wide part; ``attention``,
    where it is given, stands in its place.  ``padding`` is that of the depthwise convolution.
    """

    out: Channels
    stride: Positive = 1
    expansion: Ratio = 6
    kernel: Positive = 3
    squeeze: Ratio = 0.25
    norm: Norm = Norm()
    act: Act = Act("silu")
    attention: SqueezeExcite | None = None
    padding: Padding = "half"

    @property
    def usual(self) -> SqueezeExcite:
        """The make of its attention where none is given: 1x1 convolutions with bias, and the block's activation."""
        return SqueezeExcite(layer="conv", act=self.act)

    def layers(self, channels: int) -> Node:
        hidden = round_channels(channels * self.expansion)
        narrow = max(1, int(channels * self.squeeze))
        return _inverted(self, channels, hidden, self.attention or replace(self.usual, squeeze=narrow))


class FusedMBConv(Block, frozen=True):
    """An MBConv whose expansion and depthwise convolution are one plain convolution (Tan and Le 2021, figure 2).

    ::

        x -+-> fused kxk/s (x t) -> (attention) -> project 1x1 -> + -> out
           +-> identity, where stride is 1 and channels stay ----/

    With an expansion of 1 ``fused`` leads straight to ``out``, its activation included, and there is no ``project``.
    """

    out: Channels
    stride: Positive = 1
    expansion: Ratio = 4
    kernel: Positive = 3
    norm: Norm = Norm()
    act: Act = Act("silu")
    attention: SqueezeExcite | None = None
    padding: Padding = "half"

    def layers(self, channels: int) -> Node:
        wide = self.out if self.expansion == 1 else round_channels(channels * self.expansion)
        fused = ConvNormAct(wide, self.kernel, self.stride, 1, self.norm, self.act, self.padding)
        children: list[tuple[str, Node]] = [("fused", fused)]
        if self.attention is not None:
            children.append(("attention", self.attention))
        if self.expansion != 1:
            children.append(("project", ConvNormAct(self.out, norm=self.norm, act=None)))
        return _residual(self, channels, children)


def _inverted(block: InvertedResidual | MBConv, channels: int, hidden: int, attention: Node | None) -> Node:
    norm, act = block.norm, block.act
    hidden = channels if block.expansion == 1 else hidden
    children: list[tuple[str, Node]] = []
    if block.expansion != 1:
        children.append(("expand", ConvNormAct(hidden, 1, norm=norm, act=act)))
    children.append(("depthwise", ConvNormAct(hidden, block.kernel, block.stride, hidden, norm, act, block.padding)))
    if attention is not None:
        children.append(("attention", attention))
    children.append(("project", ConvNormAct(block.out, norm=norm, act=None)))
    return _residual(block, channels, children)


def _residual(block: InvertedResidual | MBConv | FusedMBConv, channels: int, children: list[tuple[str, Node]]) -> Node:
    """The body, with an identity beside it where shapes stay."""
    body = Seq(tuple(children))
    return add(body, shortcut=Identity()) if block.stride == 1 and channels == block.out else body

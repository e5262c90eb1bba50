"""Inverted residual blocks of MobileNetV2 and EfficientNet."""

from __future__ import annotations

from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.arch.combinators import Seq, add
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Identity, Norm
from vertebra.arch.record import Channels, Positive, Ratio
from vertebra.arch.rounding import round_channels


class InvertedResidual(Block, frozen=True):
    """Narrow -> wide -> narrow with a linear end (Sandler et al. 2018, figure 3b, table 1).

    ::

        x -+-> expand 1x1 (x t) -> depthwise kxk/s -> project 1x1 -> + -> out
           +-> identity, where stride is 1 and channels stay -------/

    With an expansion of 1 there is no ``expand``; the other names stay.
    """

    out: Channels
    stride: Positive = 1
    expansion: Ratio = 6
    kernel: Positive = 3
    norm: Norm = Norm()
    act: Act = Act("relu6")

    def layers(self, channels: int) -> Node:
        hidden = round(channels * self.expansion)
        return _inverted(self, channels, hidden, attention=None)


class MBConv(Block, frozen=True):
    """An inverted residual with squeeze-and-excitation on its wide part (Tan et al. 2019, figure 7b; Tan and Le 2019,
    table 1).

    ::

        x -+-> expand 1x1 (x t) -> depthwise kxk/s -> attention -> project 1x1 -> + -> out
           +-> identity, where stride is 1 and channels stay --------------------/

    The squeeze is ``max(1, int(channels * squeeze))`` of the block's own input, not of the wide part.
    """

    out: Channels
    stride: Positive = 1
    expansion: Ratio = 6
    kernel: Positive = 3
    squeeze: Ratio = 0.25
    norm: Norm = Norm()
    act: Act = Act("silu")

    def layers(self, channels: int) -> Node:
        narrow = max(1, int(channels * self.squeeze))
        hidden = round_channels(channels * self.expansion)
        return _inverted(self, channels, hidden, SqueezeExcite(squeeze=narrow, layer="conv", act=self.act))


def _inverted(block: InvertedResidual | MBConv, channels: int, hidden: int, attention: Node | None) -> Node:
    norm, act = block.norm, block.act
    hidden = channels if block.expansion == 1 else hidden
    children: list[tuple[str, Node]] = []
    if block.expansion != 1:
        children.append(("expand", ConvNormAct(hidden, 1, norm=norm, act=act)))
    children.append(("depthwise", ConvNormAct(hidden, block.kernel, block.stride, hidden, norm, act)))
    if attention is not None:
        children.append(("attention", attention))
    children.append(("project", ConvNormAct(block.out, norm=norm, act=None)))
    body = Seq(tuple(children))
    return add(body, shortcut=Identity()) if block.stride == 1 and channels == block.out else body

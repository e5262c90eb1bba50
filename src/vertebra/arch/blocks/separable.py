"""The depthwise separable convolution of MobileNetV1."""

from __future__ import annotations

from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.arch.combinators import Seq
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Norm, Padding
from vertebra.arch.record import Channels, Positive


class DepthwiseSeparable(Block, frozen=True):
    """A filter for each channel, then a 1x1 convolution that mixes them (Howard et al. 2017, figure 3 right).

    ::

        x -> depthwise kxk/s -> norm -> act -> (attention) -> pointwise 1x1 -> norm -> (end) -> out

    ``end=None`` leaves a linear end, as in MnasNet's first block.  There is no shortcut.  ``padding`` is that of the
    depthwise convolution.
    """

    out: Channels
    stride: Positive = 1
    kernel: Positive = 3
    norm: Norm = Norm()
    act: Act = Act()
    end: Act | None = Act()
    attention: SqueezeExcite | None = None
    padding: Padding = "half"

    def layers(self, channels: int) -> Node:
        depthwise = ConvNormAct(channels, self.kernel, self.stride, channels, self.norm, self.act, self.padding)
        children: list[tuple[str, Node]] = [("depthwise", depthwise)]
        if self.attention is not None:
            children.append(("attention", self.attention))
        children.append(("pointwise", ConvNormAct(self.out, norm=self.norm, act=self.end)))
        return Seq(tuple(children))

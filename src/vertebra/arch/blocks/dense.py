"""DenseNet's layer and transition."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from vertebra.arch.blocks.basic import NormActConv
from vertebra.arch.combinators import Concat, seq
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Identity, Norm, Pool
from vertebra.arch.record import Channels, Positive


class DenseLayer(Block, frozen=True):
    """The input, and ``growth`` new channels beside it (Huang et al. 2017, figure 1; DenseNet-B, section 3).

    ::

        x -+-> norm act 1x1 (b*k) -> norm act 3x3 (k) -> concat -> C + k
           +-------------------------------------------/
    """

    growth: Channels
    bottleneck: Positive = 4
    norm: Norm = Norm()
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        body = seq(
            reduce=NormActConv(self.bottleneck * self.growth, 1, norm=self.norm, act=self.act),
            grow=NormActConv(self.growth, 3, norm=self.norm, act=self.act),
        )
        return Concat((("input", Identity()), ("", body)))


class DenseTransition(Block, frozen=True):
    """Fewer channels at half the size (Huang et al. 2017, section 3, DenseNet-C; table 1).

    ::

        x -> norm -> act -> conv 1x1 (theta * C) -> average pool 2x2/2 -> out

    The pool has the size of its ``stride``; there is none with a stride of 1.
    """

    compression: Annotated[float, Meta(gt=0, le=1)] = 0.5
    norm: Norm = Norm()
    act: Act = Act()
    stride: Positive = 2

    def layers(self, channels: int) -> Node:
        out = max(1, int(channels * self.compression))
        conv = NormActConv(out, norm=self.norm, act=self.act)
        return seq(conv, pool=Pool("average", self.stride, self.stride)) if self.stride > 1 else conv

"""A convolution with its normalisation and activation."""

from __future__ import annotations

from vertebra.arch.combinators import Seq
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Conv, Norm, Padding
from vertebra.arch.record import Channels, Kernel, Positive


class ConvNormAct(Block, frozen=True):
    """``x -> conv -> norm -> act``; the order of Ioffe and Szegedy 2015, section 3.2.

    Without a norm the convolution has a bias; ``act=None`` leaves a linear end.
    """

    out: Channels
    kernel: Kernel = 1
    stride: Kernel = 1
    groups: Positive = 1
    norm: Norm | None = Norm()
    act: Act | None = Act()
    padding: Padding = "half"

    def layers(self, channels: int) -> Node:
        conv = Conv(self.out, self.kernel, self.stride, self.padding, groups=self.groups, bias=self.norm is None)
        rest: tuple[tuple[str, Node | None], ...] = (("norm", self.norm), ("act", self.act))
        return Seq((("conv", conv), *((name, node) for name, node in rest if node is not None)))


class NormActConv(Block, frozen=True):
    """``x -> norm -> act -> conv``: pre-activation (He et al. 2016, Identity Mappings, figure 1b)."""

    out: Channels
    kernel: Kernel = 1
    stride: Kernel = 1
    norm: Norm = Norm()
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        return Seq((("norm", self.norm), ("act", self.act), ("conv", Conv(self.out, self.kernel, self.stride))))

"""Residual blocks of ResNet, ResNeXt and SENet, and the plain pair that they are compared with."""

from __future__ import annotations

from typing import Literal

from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.arch.combinators import Seq, add, seq
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Identity, Norm, PadChannels, Pool
from vertebra.arch.record import Channels, Kernel, Positive

Shortcut = Literal["projection", "pooled_projection", "padding"]


class BasicResidual(Block, frozen=True):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, figure 5 left; table 1, ResNet-18 and -34).

    ::

        x -+-> conv1 3x3/s -> conv2 3x3 -> (attention) -> + -> act -> out
           +-> shortcut ---------------------------------/

    The shortcut is the identity where shapes agree.  Else it is a strided 1x1 convolution (``"projection"``, option B),
    an average over ``stride`` x ``stride`` values before a 1x1 convolution (``"pooled_projection"``: He et al. 2019,
    figure 2c), or every ``stride``-th value with zeros for the new channels (``"padding"``, option A, section 4.2).
    """

    out: Channels
    stride: Positive = 1
    groups: Positive = 1
    attention: SqueezeExcite | None = None
    shortcut: Shortcut = "projection"
    norm: Norm = Norm()
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        conv1 = ConvNormAct(self.out, 3, self.stride, self.groups, self.norm, self.act)
        conv2 = ConvNormAct(self.out, 3, 1, self.groups, self.norm, act=None)
        body = _with_attention((("conv1", conv1), ("conv2", conv2)), self.attention)
        shortcut = _shortcut(self.shortcut, channels, self.out, self.stride, self.norm)
        return seq(add(body, shortcut=shortcut), act=self.act)


class Bottleneck(Block, frozen=True):
    """1x1 down, 3x3, 1x1 up and a shortcut (He et al. 2016, figure 5 right; table 1, ResNet-50 and deeper).

    ::

        x -+-> reduce 1x1 -> conv 3x3/s -> expand 1x1 -> (attention) -> + -> act -> out
           +-> shortcut ----------------------------------------------/

    The inner width is ``int(out / expansion * base_width / 64) * groups``: with ``groups`` as the cardinality this is
    ResNeXt's block (Xie et al.  2017, table 1: 32x4d is ``groups=32, base_width=4``), with ``attention`` SENet's.  The
    stride is on the 3x3 convolution, as in torchvision (v1.5).
    """

    out: Channels
    stride: Positive = 1
    groups: Positive = 1
    base_width: Positive = 64
    expansion: Positive = 4
    attention: SqueezeExcite | None = None
    shortcut: Shortcut = "projection"
    norm: Norm = Norm()
    act: Act = Act()

    def check(self) -> None:
        if self.inner < 1:
            raise self.fault("out", f"{self.out} leaves no inner channels", allowed="a wider out or base_width")

    @property
    def inner(self) -> int:
        """Channels of the 3x3 convolution."""
        return int(self.out / self.expansion * self.base_width / 64) * self.groups

    def layers(self, channels: int) -> Node:
        reduce = ConvNormAct(self.inner, 1, 1, 1, self.norm, self.act)
        conv = ConvNormAct(self.inner, 3, self.stride, self.groups, self.norm, self.act)
        expand = ConvNormAct(self.out, 1, 1, 1, self.norm, act=None)
        body = _with_attention((("reduce", reduce), ("conv", conv), ("expand", expand)), self.attention)
        shortcut = _shortcut(self.shortcut, channels, self.out, self.stride, self.norm)
        return seq(add(body, shortcut=shortcut), act=self.act)


class PlainPair(Block, frozen=True):
    """The two convolutions of a basic residual without its shortcut (He et al. 2016, section 4.2, "plain").

    ::

        x -> conv1 kxk/s -> conv2 kxk -> out
    """

    out: Channels
    stride: Positive = 1
    kernel: Kernel = 3
    norm: Norm = Norm()
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        return seq(
            conv1=ConvNormAct(self.out, self.kernel, self.stride, 1, self.norm, self.act),
            conv2=ConvNormAct(self.out, self.kernel, 1, 1, self.norm, self.act),
        )


def _with_attention(convs: tuple[tuple[str, Node], ...], attention: Node | None) -> Seq:
    return Seq(convs if attention is None else (*convs, ("attention", attention)))


def _shortcut(kind: Shortcut, channels: int, out: int, stride: int, norm: Norm) -> Node:
    if stride == 1 and channels == out:
        return Identity()
    if kind == "projection":
        return ConvNormAct(out, 1, stride, norm=norm, act=None)
    if kind == "pooled_projection":
        project = ConvNormAct(out, norm=norm, act=None)
        pool = Pool("average", stride, stride, rounding="ceil")
        return project if stride == 1 else Seq((("pool", pool), ("", project)))
    return seq(subsample=Pool("max", 1, stride), pad=PadChannels(out))

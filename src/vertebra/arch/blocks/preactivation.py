"""Residual blocks with pre-activation: normalisation and activation stand before each convolution, and the sum is left
as it is (He et al. 2016, Identity Mappings in Deep Residual Networks, figure 4e).

Where the shape changes, the shortcut is a strided 1x1 convolution of the *activated* input, shared with the body; else
it is the input itself.
"""

from __future__ import annotations

from typing import Literal

from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.arch.combinators import Seq, add, seq
from vertebra.arch.node import Block, Children, Node
from vertebra.arch.primitives import Act, Conv, Dropout, Identity, Norm
from vertebra.arch.record import Channels, Fraction, Positive


class PreactBasic(Block, frozen=True):
    """Two 3x3 convolutions, each after a norm and an activation (He et al. 2016, Identity Mappings, figure 4e;
    Zagoruyko and Komodakis 2016, figure 1a, and 1d with dropout).

    ::

        x -> preact -+-> conv1 3x3/s (norm, act) -> (dropout) -> conv2 3x3 -> (attention) -> + -> out
          |          +-> shortcut 1x1/s, where shapes differ -------------------------------/
          +-> identity, where they agree ---------------------------------------------------/

    ``conv1`` holds the norm and the activation that stand before ``conv2``.
    """

    out: Channels
    stride: Positive = 1
    dropout: Fraction = 0.0
    attention: SqueezeExcite | None = None
    norm: Norm = Norm()
    act: Act = Act()

    def layers(self, channels: int) -> Node:
        dropout: Children = (("dropout", Dropout(self.dropout)),) if self.dropout else ()
        conv1 = ConvNormAct(self.out, 3, self.stride, 1, self.norm, self.act)
        return _preactivated(self, channels, (("conv1", conv1), *dropout, ("conv2", Conv(self.out, 3))))


class PreactBottleneck(Block, frozen=True):
    """1x1 down, 3x3, 1x1 up, each after a norm and an activation (He et al. 2016, Identity Mappings, section 4 and
    figure 4e).

    ::

        x -> preact -+-> reduce 1x1 -> conv 3x3/s -> expand 1x1 -> (attention) -> + -> out
          |          +-> shortcut 1x1/s, where shapes differ -------------------/
          +-> identity, where they agree ---------------------------------------/

    ``reduce`` and ``conv`` hold the norm and the activation that follow them.  ``strided`` names the convolution with
    the stride: ``"conv"`` as in timm, ``"reduce"`` as in the authors' code.
    """

    out: Channels
    stride: Positive = 1
    expansion: Positive = 4
    strided: Literal["conv", "reduce"] = "conv"
    attention: SqueezeExcite | None = None
    norm: Norm = Norm()
    act: Act = Act()

    def check(self) -> None:
        if self.inner < 1:
            raise self.fault("out", f"{self.out} leaves no inner channels", allowed="a wider out")

    @property
    def inner(self) -> int:
        """Channels of the 3x3 convolution."""
        return self.out // self.expansion

    def layers(self, channels: int) -> Node:
        first, second = (self.stride, 1) if self.strided == "reduce" else (1, self.stride)
        reduce = ConvNormAct(self.inner, 1, first, 1, self.norm, self.act)
        conv = ConvNormAct(self.inner, 3, second, 1, self.norm, self.act)
        return _preactivated(self, channels, (("reduce", reduce), ("conv", conv), ("expand", Conv(self.out))))


def _preactivated(block: PreactBasic | PreactBottleneck, channels: int, convs: Children) -> Node:
    preact = seq(norm=block.norm, act=block.act)
    body = convs if block.attention is None else (*convs, ("attention", block.attention))
    if block.stride == 1 and channels == block.out:
        return add(Seq((("preact", preact), *body)), shortcut=Identity())
    shortcut = Conv(block.out, 1, block.stride)
    return Seq((("preact", preact), ("", add(Seq(body), shortcut=shortcut))))

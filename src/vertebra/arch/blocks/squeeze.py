"""Squeeze-and-excitation."""

from __future__ import annotations

from typing import Literal

from vertebra.arch.combinators import gate, seq
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Conv, GlobalPool, Linear
from vertebra.arch.record import Channels, Ratio


class SqueezeExcite(Block, frozen=True):
    """Each channel times a gate that sees the whole map (Hu et al. 2018, figure 2 and table 9).

    ::

        x --+--------------------------------------------> * -> C
            +-> pool -> reduce C/r -> act -> expand C -> gate

    ``layer="linear"`` is the paper's, two fully connected layers without bias; ``"conv"`` is MobileNetV3's and
    EfficientNet's, 1x1 convolutions with bias.  ``squeeze`` states the narrow width; else it is ``max(1, int(C /
    reduction))``.
    """

    reduction: Ratio = 16
    squeeze: Channels | None = None
    layer: Literal["linear", "conv"] = "linear"
    act: Act = Act()
    gate: Act = Act("sigmoid")

    def layers(self, channels: int) -> Node:
        narrow = self.squeeze or max(1, int(channels / self.reduction))
        return gate(
            seq(
                pool=GlobalPool(),
                reduce=self._layer(narrow),
                act=self.act,
                expand=self._layer(channels),
                gate=self.gate,
            )
        )

    def _layer(self, out: int) -> Node:
        return Linear(out, bias=False) if self.layer == "linear" else Conv(out, bias=True)

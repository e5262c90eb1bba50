"""Squeeze-and-excitation."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from vertebra.arch.combinators import gate, seq
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Conv, GlobalPool, Linear
from vertebra.arch.record import Channels, Positive, Ratio
from vertebra.arch.rounding import round_channels


class SqueezeExcite(Block, frozen=True):
    """Each channel times a gate that sees the whole map (Hu et al. 2018, figure 1 and equation 3).

    ::

        x --+--------------------------------------------> * -> C
            +-> pool -> reduce C/r -> act -> expand C -> gate

    ``layer="linear"`` is the paper's equation, two fully connected layers without bias; ``"conv"`` is MobileNetV3's and
    EfficientNet's, and that of the authors' released networks: 1x1 convolutions with bias.  ``squeeze`` states the
    narrow width; else it is ``max(1, int(C / reduction))``, or with a ``divisor`` above 1 ``round_channels(C /
    reduction, divisor, guard)``.
    """

    reduction: Ratio = 16
    squeeze: Channels | None = None
    layer: Literal["linear", "conv"] = "linear"
    act: Act = Act()
    gate: Act = Act("sigmoid")
    divisor: Positive = 1
    guard: Annotated[float, Meta(ge=0, le=1)] = 0.0

    def layers(self, channels: int) -> Node:
        narrow = self.narrow(channels)
        return gate(
            seq(
                pool=GlobalPool(),
                reduce=self._layer(narrow),
                act=self.act,
                expand=self._layer(channels),
                gate=self.gate,
            )
        )

    def narrow(self, channels: int) -> int:
        """The width between the two layers."""
        if self.squeeze is not None:
            return self.squeeze
        if self.divisor > 1:
            return round_channels(channels / self.reduction, self.divisor, self.guard)
        return max(1, int(channels / self.reduction))

    def _layer(self, out: int) -> Node:
        return Linear(out, bias=False) if self.layer == "linear" else Conv(out, bias=True)

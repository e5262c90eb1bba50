"""ConvNeXt's block, in both versions."""

from __future__ import annotations

from vertebra.arch.combinators import Seq, add
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Conv, GlobalResponseNorm, Identity, LayerScale, Norm
from vertebra.arch.record import Positive, Ratio


class ConvNeXtBlock(Block, frozen=True, tag="convnext_block"):
    """A wide depthwise convolution, then an inverted bottleneck at each position (Liu et al. 2022, figure 4).

    ::

        x -+-> depthwise kxk -> norm -> expand 1x1 (x t) -> act -> (response) -> project 1x1 -> (scale) -> + -> out
           +-> identity ----------------------------------------------------------------------------------/

    Channels and size stay: a stage shrinks in its ``entry``.  ``scale`` is the first version's gain on the branch;
    ``response`` is the second's normalisation of the wide part, which replaces it (Woo et al. 2023, figure 5).
    """

    kernel: Positive = 7
    expansion: Ratio = 4
    scale: LayerScale | None = LayerScale()
    response: GlobalResponseNorm | None = None
    norm: Norm = Norm("layer2d", eps=1e-6)
    act: Act = Act("gelu")

    def layers(self, channels: int) -> Node:
        body: list[tuple[str, Node | None]] = [
            ("depthwise", Conv(channels, self.kernel, groups=channels, bias=True)),
            ("norm", self.norm),
            ("expand", Conv(int(channels * self.expansion), bias=True)),
            ("act", self.act),
            ("response", self.response),
            ("project", Conv(channels, bias=True)),
            ("scale", self.scale),
        ]
        return add(Seq(tuple((name, node) for name, node in body if node is not None)), shortcut=Identity())

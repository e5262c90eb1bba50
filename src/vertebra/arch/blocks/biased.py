"""The convolution of the networks before batch normalisation, which has a bias."""

from __future__ import annotations

from vertebra.arch.combinators import Seq
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Act, Conv, LocalResponseNorm, Norm, Padding
from vertebra.arch.record import Channels, Kernel, Positive


class BiasedConv(Block, frozen=True):
    """A convolution with a bias and an activation: AlexNet's (Krizhevsky et al. 2012, section 3) and VGG's.

    ::

        x -> conv kxk/s, with bias -> (norm) -> act -> (response_norm) -> out

    The bias stays beside a ``norm`` that was put in later, as in torchvision's VGG; ``response_norm`` follows the
    activation, as in the first AlexNet.
    """

    out: Channels
    kernel: Kernel = 3
    stride: Kernel = 1
    padding: Padding = "half"
    groups: Positive = 1
    norm: Norm | None = None
    act: Act = Act()
    response_norm: LocalResponseNorm | None = None

    def layers(self, channels: int) -> Node:
        conv = Conv(self.out, self.kernel, self.stride, self.padding, groups=self.groups, bias=True)
        children: tuple[tuple[str, Node | None], ...] = (
            ("conv", conv),
            ("norm", self.norm),
            ("act", self.act),
            ("response_norm", self.response_norm),
        )
        return Seq(tuple((name, node) for name, node in children if node is not None))

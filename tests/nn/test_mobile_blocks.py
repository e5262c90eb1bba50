"""The blocks of the mobile families against torchvision's modules and plain torch, with the same weights."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from tests.nn.helpers import images, randomised, transplanted
from tests.nn.plain import conv_norm
from tests.peers import torchvision
from vertebra.arch.blocks import DepthwiseSeparable, FusedMBConv, InvertedResidual, MBConv, SqueezeExcite
from vertebra.arch.primitives import Act, Norm
from vertebra.arch.record import replace
from vertebra.nn import build

NORM = Norm(eps=1e-3, momentum=0.01)
SHAPES = [(16, 16, 1), (16, 24, 1), (16, 24, 2), (16, 16, 2)]


def fused(channels: int, out: int, stride: int, expansion: int) -> nn.Module:
    """torchvision's FusedMBConv, without stochastic depth."""
    from torchvision.models.efficientnet import FusedMBConv as Peer
    from torchvision.models.efficientnet import FusedMBConvConfig

    norm = partial(nn.BatchNorm2d, eps=NORM.eps, momentum=NORM.momentum)
    return Peer(FusedMBConvConfig(expansion, 3, stride, channels, out, 1), 0.0, norm)


def third(channels: int, out: int, stride: int) -> nn.Module:
    """torchvision's block of MobileNetV3: 5x5, expansion 4.5, attention, hard swish."""
    from torchvision.models.mobilenetv3 import InvertedResidual as Peer
    from torchvision.models.mobilenetv3 import InvertedResidualConfig

    norm = partial(nn.BatchNorm2d, eps=NORM.eps, momentum=NORM.momentum)
    return Peer(InvertedResidualConfig(channels, 5, 72, out, True, "HS", stride, 1, 1.0), norm)


def separable(channels: int, out: int, stride: int, *, end: bool = True) -> nn.Module:
    last = [nn.ReLU()] if end else []
    return nn.Sequential(
        *conv_norm(channels, channels, 3, stride, channels), nn.ReLU(), *conv_norm(channels, out), *last
    )


SQUEEZE = SqueezeExcite(4, layer="conv", gate=Act("hard_sigmoid"), divisor=8, guard=0.9)
BLOCKS = {
    "fused": (lambda o, s: FusedMBConv(o, s, norm=NORM), partial(fused, expansion=4)),
    "fused, expansion 1": (lambda o, s: FusedMBConv(o, s, 1, norm=NORM), partial(fused, expansion=1)),
    "MobileNetV3": (
        lambda o, s: InvertedResidual(o, s, 4.5, 5, NORM, Act("hard_swish"), SQUEEZE, 8),
        third,
    ),
    "separable": (lambda o, s: DepthwiseSeparable(o, s), separable),
    "separable, linear": (lambda o, s: DepthwiseSeparable(o, s, end=None), partial(separable, end=False)),
}


@pytest.mark.parametrize(("channels", "out", "stride"), SHAPES)
@pytest.mark.parametrize("name", BLOCKS)
def test_block_equals_its_peer(name, channels, out, stride):
    torchvision()
    node, peer = BLOCKS[name]
    ours, theirs = build(node(out, stride), channels=channels), peer(channels, out, stride)
    transplanted(randomised(ours), theirs)
    for mode in (True, False):
        x = images(2, channels, 9, 10)
        torch.testing.assert_close(ours.train(mode)(x), theirs.train(mode)(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "block",
    [
        DepthwiseSeparable(16),
        FusedMBConv(16),
        FusedMBConv(16, expansion=1),
        InvertedResidual(16, attention=SqueezeExcite(4)),
        MBConv(16, attention=SqueezeExcite(4)),
    ],
)
def test_stride_and_padding_move_no_name(block):
    names = list(build(block, channels=16).state_dict())
    assert names == list(build(replace(block, stride=2, padding="same"), channels=16).state_dict())


@pytest.mark.parametrize("block", [DepthwiseSeparable(16), FusedMBConv(16), InvertedResidual(16), MBConv(16)])
def test_attention_stands_before_the_last_convolution(block):
    names = [name for name, _ in build(replace(block, attention=SqueezeExcite(4)), channels=16).named_children()]
    assert names.index("attention") == len([name for name in names if name != "shortcut"]) - 2

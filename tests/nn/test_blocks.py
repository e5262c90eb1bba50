"""Each block against the same block written by hand in plain torch (tests/nn/plain.py), with the same weights."""

from __future__ import annotations

import pytest
import torch

from tests.nn import plain
from tests.nn.helpers import images, randomised, transplanted
from vertebra.arch.blocks import (
    BasicResidual,
    Bottleneck,
    DenseLayer,
    DenseTransition,
    InvertedResidual,
    MBConv,
    SqueezeExcite,
)
from vertebra.nn import build

SHAPES = [(32, 32, 1), (32, 64, 1), (32, 64, 2), (32, 32, 2)]
BLOCKS = {
    "basic": (lambda c, o, s: BasicResidual(o, s), plain.basic),
    "bottleneck": (lambda c, o, s: Bottleneck(o, s), plain.bottleneck),
    "resnext 8x4d": (
        lambda c, o, s: Bottleneck(o, s, groups=8, base_width=32),
        lambda c, o, s: plain.bottleneck(c, o, s, cardinality=8, base_width=32),
    ),
    "se basic": (
        lambda c, o, s: BasicResidual(o, s, attention=SqueezeExcite()),
        lambda c, o, s: plain.basic(c, o, s, squeeze=True),
    ),
    "se bottleneck": (
        lambda c, o, s: Bottleneck(o, s, attention=SqueezeExcite()),
        lambda c, o, s: plain.bottleneck(c, o, s, squeeze=True),
    ),
    "inverted": (lambda c, o, s: InvertedResidual(o, s), plain.inverted),
    "inverted, expansion 1": (
        lambda c, o, s: InvertedResidual(o, s, expansion=1),
        lambda c, o, s: plain.inverted(c, o, s, expansion=1),
    ),
    "mbconv": (lambda c, o, s: MBConv(o, s), plain.mbconv),
    "mbconv 5x5": (lambda c, o, s: MBConv(o, s, kernel=5), lambda c, o, s: plain.mbconv(c, o, s, kernel=5)),
    "mbconv, expansion 1": (
        lambda c, o, s: MBConv(o, s, expansion=1),
        lambda c, o, s: plain.mbconv(c, o, s, expansion=1),
    ),
}


def assert_same(ours: torch.nn.Module, theirs: torch.nn.Module, channels: int) -> None:
    """Outputs in both modes, gradients of the input and of every parameter, and running statistics."""
    transplanted(randomised(ours), theirs)
    for mode in (True, False):
        ours.train(mode)
        theirs.train(mode)
        x = images(2, channels, 9, 10).requires_grad_()
        z = x.detach().clone().requires_grad_()
        y, w = ours(x), theirs(z)
        torch.testing.assert_close(y, w, rtol=1e-4, atol=1e-5)
        direction = images(*y.shape, seed=2)
        grads = torch.autograd.grad(y, [x, *ours.parameters()], direction)
        expected = torch.autograd.grad(w, [z, *theirs.parameters()], direction)
        for grad, one in zip(grads, expected, strict=True):
            torch.testing.assert_close(grad, one, rtol=1e-3, atol=1e-4)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(("channels", "out", "stride"), SHAPES)
@pytest.mark.parametrize("name", BLOCKS)
def test_block_equals_plain_torch(name, channels, out, stride):
    node, hand_written = BLOCKS[name]
    assert_same(build(node(channels, out, stride), channels=channels), hand_written(channels, out, stride), channels)


@pytest.mark.parametrize(("channels", "out", "stride"), [(16, 16, 1), (16, 32, 2)])
def test_option_a_shortcut(channels, out, stride):
    ours = build(BasicResidual(out, stride, shortcut="padding"), channels=channels)
    assert_same(ours, plain.basic_option_a(channels, out, stride), channels)


def test_squeeze_excite():
    ours = build(SqueezeExcite(), channels=64)
    assert [tuple(p.shape) for p in ours.parameters()] == [(4, 64), (64, 4)]
    assert_same(ours, plain.LinearSqueeze(64), 64)


def test_dense_layer_and_transition():
    assert_same(build(DenseLayer(12), channels=24), plain.Dense(24, 12), 24)
    assert_same(build(DenseTransition(), channels=24), plain.transition(24), 24)


def test_resnext_width_is_that_of_the_paper():
    """Xie et al. 2017, table 1: conv2 of ResNeXt-50 (32x4d) is 128 wide for 256 outputs."""
    net = build(Bottleneck(256, groups=32, base_width=4), channels=64)
    assert net.conv.conv.weight.shape == (128, 4, 3, 3)

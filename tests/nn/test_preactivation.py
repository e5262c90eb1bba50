"""Pre-activation blocks and the pooled shortcut against the same blocks written by hand in plain torch.

The order within a block is that of the authors' code: github.com/KaimingHe/resnet-1k-layers (resnet-pre-act.lua) and
github.com/szagoruyko/wide-residual-networks (models/wide-resnet.lua).
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.nn import plain
from tests.nn.test_blocks import assert_same
from vertebra.arch.blocks import BasicResidual, Bottleneck, PreactBasic, PreactBottleneck, SqueezeExcite
from vertebra.errors import ArchitectureError
from vertebra.nn import build

SHAPES = [(32, 32, 1), (32, 64, 1), (32, 64, 2), (32, 32, 2)]


class Preact(nn.Module):
    """A norm and a ReLU shared by the body and a 1x1 shortcut; the input itself as shortcut where shapes agree."""

    def __init__(self, channels, out, stride, body):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.body = body
        same = stride == 1 and channels == out
        self.shortcut = None if same else nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x):
        activated = torch.relu(self.norm(x))
        return self.body(activated) + (x if self.shortcut is None else self.shortcut(activated))


def conv(channels, out, kernel, stride=1):
    return nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)


def wide(channels, out, stride, *squeeze):
    body = nn.Sequential(conv(channels, out, 3, stride), nn.BatchNorm2d(out), nn.ReLU(), conv(out, out, 3), *squeeze)
    return Preact(channels, out, stride, body)


def bottleneck(channels, out, first, second):
    inner = out // 4
    body = nn.Sequential(
        conv(channels, inner, 1, first),
        nn.BatchNorm2d(inner),
        nn.ReLU(),
        conv(inner, inner, 3, second),
        nn.BatchNorm2d(inner),
        nn.ReLU(),
        conv(inner, out, 1),
    )
    return Preact(channels, out, first * second, body)


class PooledShortcut(nn.Module):
    """ResNet-D's: an average over 2x2 values (fewer at an odd edge), then a 1x1 convolution and a norm."""

    def __init__(self, body, channels, out, stride):
        super().__init__()
        self.body = body
        pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False) if stride == 2 else nn.Identity()
        same = stride == 1 and channels == out
        self.shortcut = nn.Sequential() if same else nn.Sequential(pool, *plain.conv_norm(channels, out))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


PREACT = {
    "basic": (lambda o, s: PreactBasic(o, s), wide),
    "basic with attention": (
        lambda o, s: PreactBasic(o, s, attention=SqueezeExcite()),
        lambda c, o, s: wide(c, o, s, plain.LinearSqueeze(o)),
    ),
    "bottleneck": (lambda o, s: PreactBottleneck(o, s), lambda c, o, s: bottleneck(c, o, 1, s)),
    "bottleneck, stride on the first": (
        lambda o, s: PreactBottleneck(o, s, strided="reduce"),
        lambda c, o, s: bottleneck(c, o, s, 1),
    ),
}


@pytest.mark.parametrize(("channels", "out", "stride"), SHAPES)
@pytest.mark.parametrize("name", PREACT)
def test_preactivation_equals_plain_torch(name, channels, out, stride):
    node, hand_written = PREACT[name]
    assert_same(build(node(out, stride), channels=channels), hand_written(channels, out, stride), channels)


@pytest.mark.parametrize(("channels", "out", "stride"), SHAPES)
@pytest.mark.parametrize("block", [BasicResidual, Bottleneck])
def test_pooled_shortcut_equals_plain_torch(block, channels, out, stride):
    hand_written = plain.basic if block is BasicResidual else plain.bottleneck
    body = hand_written(channels, out, stride).body
    ours = build(block(out, stride, shortcut="pooled_projection"), channels=channels)
    assert_same(ours, PooledShortcut(body, channels, out, stride), channels)


@pytest.mark.parametrize("kind", [PreactBasic, PreactBottleneck])
def test_names_stay_whatever_the_stride(kind):
    def shapes(node, channels):
        return {name: tuple(tensor.shape) for name, tensor in build(node, channels=channels).state_dict().items()}

    assert shapes(kind(32, 1), 16) == shapes(kind(32, 2), 16)
    same, strided = shapes(kind(32, 1), 32), shapes(kind(32, 2), 32)
    assert same == {name: shape for name, shape in strided.items() if not name.startswith("shortcut.")}


def test_dropout_stands_between_the_convolutions():
    """Zagoruyko and Komodakis 2016, figure 1d; while training, and nowhere else."""
    net = build(PreactBasic(16, dropout=0.5), channels=16)
    assert [name for name, _ in net.named_children()] == ["preact", "conv1", "dropout", "conv2", "shortcut"]
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net.eval()(x), build(PreactBasic(16), channels=16).eval()(x))
    net.train()
    assert not torch.equal(net(x), net(x))


def test_a_bottleneck_needs_inner_channels():
    with pytest.raises(ArchitectureError) as caught:
        PreactBottleneck(3)
    assert str(caught.value) == "PreactBottleneck.out: 3 leaves no inner channels (allowed: a wider out)"

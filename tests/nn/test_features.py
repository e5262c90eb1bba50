"""features(): uniform over the families."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.nn.helpers import images, tiny
from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks import BasicResidual
from vertebra.arch.combinators import add, seq
from vertebra.arch.primitives import Act, Conv, GlobalPool, Linear, Tap
from vertebra.errors import TransformError
from vertebra.nn import build, features
from vertebra.nn.extraction import boundaries
from vertebra.zoo import architecture

# Channels at strides 4, 8, 16, 32 as the papers' tables print them: He et al. 2016, table 1; Sandler et al. 2018,
# table 2; Tan and Le 2019, table 1; Huang et al. 2017, table 1 (64 + 6 * 32, then half of it + 12 * 32, and so on).
CHANNELS = {
    "resnet18": (64, 128, 256, 512),
    "resnet50": (256, 512, 1024, 2048),
    "mobilenet_v2": (24, 32, 96, 320),
    "efficientnet_b0": (24, 40, 112, 320),
    "densenet121": (256, 512, 1024, 1024),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_four_strides(name):
    with torch.device("meta"):
        net = features(build(architecture(name)))
        maps = net(torch.empty(1, 3, 128, 96))
    assert [tuple(one.shape) for one in maps] == [
        (1, channels, 128 // stride, 96 // stride)
        for channels, stride in zip(CHANNELS[name], (4, 8, 16, 32), strict=True)
    ]
    assert net.channels == CHANNELS[name]


def test_maps_are_those_of_the_network():
    net = build(tiny()).eval()
    x = images(1, 3, 32, 32)
    first, last = features(net, (2, 8))(x)
    assert torch.equal(first, net.stages[0](net.stem(x)))
    assert torch.equal(last, net.stages(net.stem(x)))


def test_weights_are_shared_and_what_follows_is_left_out():
    net = build(tiny())
    some = features(net, (4,))
    mine, whole = dict(some.named_parameters()), dict(net.named_parameters())
    assert all(whole[name] is parameter for name, parameter in mine.items())
    assert not any(name.startswith(("fc", "stages.2")) for name in mine)
    assert len(net.stages) == 3, "the network itself is untouched"


def test_order_is_as_asked():
    maps = features(build(tiny()), (8, 2))(images(1, 3, 32, 32))
    assert [one.shape[2] for one in maps] == [4, 16]


def test_missing_stride_and_tap():
    net = build(tiny())
    with pytest.raises(TransformError, match=r"^tiny has no map of stride 16 between its blocks \(allowed: 2, 4, 8\)$"):
        features(net, (4, 16))
    with pytest.raises(TransformError, match=r"^tiny has no tap named 'x' \(allowed: none\)$"):
        features(net, (), taps=("x",))
    with pytest.raises(TransformError, match="no features were asked for"):
        features(net, ())
    with pytest.raises(TransformError, match="need the network's architecture"):
        features(nn.Sequential())


def test_output_stride_limits_the_strides():
    net = build(architecture("resnet18").with_output_stride(8))
    assert set(boundaries(net.arch)) == {4, 8}
    with torch.inference_mode():
        (last,) = features(net, (8,))(images(1, 3, 64, 64))
    assert last.shape == (1, 512, 8, 8)


class TestTaps:
    inside = seq(add(seq(conv=Conv(6, 3), tap=Tap("inner"), rest=Conv(8)), shortcut=Conv(8)), after=Tap("outer"))
    head = seq(pool=GlobalPool(), tap=Tap("embedding"), fc=Linear(5))

    def test_anywhere_in_the_network(self):
        net = build(tiny(stages=(Stage(self.inside, 2), Stage(BasicResidual(16, 2))), head=self.head)).eval()
        x = images(2, 3, 16, 16)
        maps = features(net, (4,), taps=("outer", "inner", "embedding"))(x)
        assert [tuple(one.shape) for one in maps] == [(2, 16, 4, 4), (2, 8, 8, 8), (2, 6, 8, 8), (2, 16, 1, 1)]
        assert torch.equal(maps[1], net.stages[0](net.stem(x)))
        assert torch.equal(maps[3], net[:3](x))
        assert features(net, (), taps=("inner",)).channels == (6,)

    def test_beside_a_nameless_head(self):
        net = build(tiny(stages=(Stage(self.inside),), head=Linear(5)))
        (inner,) = features(net, (), taps=("inner",))(images(1, 3, 32, 32))
        assert inner.shape == (1, 6, 16, 16)


@pytest.mark.parametrize(("strides", "message"), [(4, "got 4; put"), ("4", "got '4'; put"), (([],), r"stride \[\]")])
def test_strides_of_another_kind(strides, message):
    with pytest.raises(TransformError, match=message):
        features(build(tiny()), strides)


def test_children_named_like_methods():
    """``forward`` is a name that torch's own look-up would take for the method."""
    stage = Stage(seq(forward=Conv(8, 3, 2), eval=Tap("here")))
    net = build(Architecture("methods", Conv(8, 3, 2), (stage, Stage(Act())), resolution=16))
    x = images(1, 3, 16, 16)
    assert features(net, (4,), taps=("here",))(x)[1].shape == (1, 8, 4, 4)

"""features(): uniform over the families."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tests import peers
from tests.nn.helpers import images, randomised, tiny
from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks import BasicResidual
from vertebra.arch.combinators import add, seq, side
from vertebra.arch.maps import every_map
from vertebra.arch.primitives import Act, Conv, Dropout, GlobalPool, Identity, Linear, Tap
from vertebra.arch.record import replace
from vertebra.costs import cost
from vertebra.errors import TransformError
from vertebra.nn import build, embeddings, features
from vertebra.zoo import architecture, vgg
from vertebra.zoo.registry import entry, variant

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
    assert [one.stride for one in net.arch.feature_info()] == [2, 4, 8]
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


# -- stages, nodes, and what a stride's map is ------------------------------------------------------------------------


def test_by_stage_and_by_name():
    net = build(tiny()).eval()
    x = images(1, 3, 32, 32)
    maps = features(net, (4,), stages=(0,), nodes=("stages.2", "stages.1.0.conv1.norm", "stem", "pool"))(x)
    stem = net.stem(x)
    first = net.stages[0](stem)
    second = net.stages[1](first)
    expected = (
        second,
        first,
        net.stages[2](second),
        net.stages[1][0].conv1[:2](first),
        stem,
        net.pool(net.stages[2](second)),
    )
    for found, value in zip(maps, expected, strict=True):
        assert torch.equal(found, value)


def test_what_is_asked_for_is_all_there_is():
    assert features(build(tiny()), stages=(1,)).channels == (16,)
    net = features(build(tiny()), nodes=("stages.1.0",))
    assert (net.maps[0].path, net.strides) == ("stages.1.0", (4,))


def test_missing_stage_and_node():
    net = build(tiny())
    with pytest.raises(TransformError, match=r"^tiny has no stage 3 \(allowed: 0, 1, 2\)$"):
        features(net, stages=(3,))
    with pytest.raises(TransformError, match=r"^tiny has no node named 'stages.1.7' \(allowed: stages\.1"):
        features(net, nodes=("stages.1.7",))
    with pytest.raises(TransformError, match=r"^tiny has no stage 'x' \(allowed: 0, 1, 2\)$"):
        features(net, stages=("x",))
    with pytest.raises(
        TransformError, match=r"^tiny has no map of stride 'four' between its blocks \(allowed: 2, 4, 8\)$"
    ):
        features(net, ("four",))
    with pytest.raises(TransformError, match=r"^tiny has no node named 3 \(allowed: .* and \d+ more\)$"):
        features(net, nodes=(3,))


def test_a_vggs_maps_come_before_its_pools():
    """The last convolutions of each width (Simonyan and Zisserman 2015, table 1), and what the fifth pool leaves."""
    arch = vgg((1, 1, 2, 2, 2), widths=(4, 6, 8, 10, 12), hidden=(16,), classes=5)
    net = build(arch).eval()
    x = images(1, 3, 64, 64)
    maps = features(net, (1, 2, 4, 8, 16, 32))(x)
    assert [(one.shape[1], one.shape[2]) for one in maps] == [(4, 64), (6, 32), (8, 16), (10, 8), (12, 4), (12, 2)]
    assert torch.equal(maps[5], torch.nn.functional.max_pool2d(maps[4], 2))


def test_before_the_first_pool_of_a_resnet():
    net = build(architecture("resnet18").scaled(width=0.1)).eval()
    x = images(1, 3, 64, 64)
    assert torch.equal(features(net, (2,))(x)[0], net.stem[:3](x))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("resnet18", "resnet18"),
        ("mobilenet_v2", "mobilenetv2_100"),
        ("efficientnet_b0", "efficientnet_b0"),
        ("densenet121", "densenet121"),
        ("vgg11", "vgg11"),
        ("convnext_atto", "convnext_atto"),
    ],
)
def test_strides_and_channels_are_timms(ours, theirs):
    """timm's own account of ``features_only``."""
    peer = peers.timm().create_model(theirs, num_classes=0) if theirs != "vgg11" else None
    info = peer.feature_info if peer else [{"num_chs": c, "reduction": r} for c, r in VGG]
    expected = {one["reduction"]: one["num_chs"] for one in info}
    found = {one.stride: one.channels for one in architecture(ours).feature_info()}
    assert {stride: found[stride] for stride in expected} == expected


VGG = [(64, 1), (128, 2), (256, 4), (512, 8), (512, 16), (512, 32)]
"""timm 1.0.31, ``vgg11(features_only=True).feature_info``; a network of 130 million parameters to ask."""


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "densenet121"])
def test_values_are_timms(name):
    peer = peers.timm().create_model(name, pretrained=False).eval()
    randomised(peer)
    arch = variant(name, "timm")
    net = build(arch).eval()
    theirs = peer.state_dict()
    shapes = {key: tensor.shape for key, tensor in net.state_dict().items()}
    keys = entry(name)[1].timm.keys.theirs(arch)
    net.load_state_dict({ours: theirs[key].reshape(shapes[ours]) for ours, key in keys.items()})
    x = images(1, 3, 64, 64)
    strides = [4, 8, 16, 32]
    with torch.inference_mode():
        expected = {64 // one.shape[2]: one for one in peer.forward_intermediates(x, intermediates_only=True)}
        for stride, found in zip(strides, features(net, strides)(x), strict=True):
            if name == "densenet121" and stride == 32:
                found = net.act(net.norm(found))  # timm counts what our head begins with to its last map
            torch.testing.assert_close(found, expected[stride], rtol=1e-3, atol=1e-4)


# -- beside the way ---------------------------------------------------------------------------------------------------


class TestSides:
    head = seq(pool=GlobalPool(), fc=Linear(3), tap=Tap("aux"))
    stage = Stage(seq(conv=Conv(6, 3), beside=side(aux=head), more=seq(side(Tap("here")), act=Act())))

    def test_skipped_unless_tapped(self):
        net = build(tiny(stages=(self.stage, Stage(Conv(8, 3, 2))))).eval()
        plain = build(tiny(stages=(Stage(seq(conv=Conv(6, 3), more=seq(act=Act()))), Stage(Conv(8, 3, 2))))).eval()
        plain.load_state_dict({key: net.state_dict()[key] for key in plain.state_dict()})
        x = images(2, 3, 32, 32)
        ran = []
        net.stages[0][0].beside.aux.fc.register_forward_hook(lambda *_: ran.append(1))
        assert torch.equal(net(x), plain(x)) and not ran
        assert set(net.state_dict()) - set(plain.state_dict()) == {
            f"stages.0.0.beside.aux.fc.{name}" for name in ("weight", "bias")
        }
        last, aux, here = features(net, (4,), taps=("aux", "here"))(x)
        assert torch.equal(aux, net.stages[0][0].beside.aux(net.stages[0][0].conv(net.stem(x)))) and ran
        assert torch.equal(last, net.stages(net.stem(x))) and here.shape == (2, 6, 16, 16)
        assert "beside" in repr(net)

    def test_classes_reach_the_auxiliary_head(self):
        arch = tiny(stages=(self.stage,)).with_classes(9)
        assert features(build(arch), taps=("aux",)).channels == (9,)
        assert features(build(arch.scaled(width=2)), taps=("aux",)).channels == (9,)
        plain = replace(arch, stages=(Stage(Conv(6, 3)),))
        assert cost(arch).macs == cost(plain).macs and cost(arch).params == cost(plain).params + 6 * 9 + 9


# -- frozen, embeddings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frozen", "paths"), [(0, ("stem",)), (2, ("stem", "stages.0", "stages.1"))])
def test_frozen(frozen, paths):
    net = build(tiny())
    some = features(net, (2, 4, 8), frozen=frozen).train()
    sum(one.mean() for one in some(images(2, 3, 32, 32))).backward()
    for name, parameter in some.named_parameters():
        assert (parameter.grad is None) == name.startswith(tuple(f"{path}." for path in paths)), name
    for name, module in some.named_modules():
        assert module.training != any(f"{name}.".startswith(f"{path}.") for path in paths), name
    assert net.stem.norm.num_batches_tracked == 0 and net.stages[2][0].conv1.norm.num_batches_tracked == 1


def test_frozen_altogether_and_by_too_much():
    net = build(tiny())
    assert not any(parameter.requires_grad for parameter in features(net, (4,), frozen="all").train().parameters())
    for wanted in (4, -1, True, "some"):
        with pytest.raises(TransformError, match=r"^frozen is .* \(allowed: 'all', or stages from 0 to 3\)$"):
            features(net, (4,), frozen=wanted)


@pytest.mark.parametrize(
    ("head", "width"),
    [
        (seq(pool=GlobalPool(), dropout=Dropout(0.5), fc=Linear(5)), 24),
        (seq(pool=GlobalPool(), top=seq(hidden=Linear(7), act=Act(), dropout=Dropout(0.5), fc=Linear(5))), 7),
        (seq(conv=Conv(11), pool=GlobalPool(), top=seq(dropout=Dropout(0.5), fc=Linear(5))), 11),
        (Linear(5), 24 * 16),
        (Identity(), 24),
        (seq(conv=Conv(11)), 11),
    ],
)
def test_embeddings_are_what_reaches_the_classifier(head, width):
    net = build(tiny(head=head))
    x = images(2, 3, 32, 32)
    vectors = embeddings(net, frozen="all").train()
    assert vectors.width == width and vectors(x).shape == (2, width)
    seen = []
    for module in net.modules():
        if getattr(module, "out_features", 0) == 5:
            module.register_forward_pre_hook(lambda _, args: seen.append(args[0].flatten(1)))
    y = net.eval()(x)
    if getattr(net.arch, "classes", None) and not isinstance(head, Linear):
        assert torch.equal(vectors(x), seen[-1])
    elif not isinstance(head, Linear):
        torch.testing.assert_close(vectors(x), y.mean((2, 3)))
    else:
        torch.testing.assert_close(torch.nn.functional.linear(vectors(x), net.weight, net.bias), y)


def test_values_that_are_written_over():
    """ReLUs and residual sums work in place; what was asked for before them is kept."""
    net = randomised(build(architecture("resnet18"))).eval()
    block = net.stages[0][0]
    assert net.stem.act.inplace and block.act.inplace and "sum in place" in str(block.plan)
    x = images(1, 3, 64, 64)
    with torch.inference_mode():
        nodes = ("stem.conv", "stem.norm", "stem.act", "stages.0.0.conv2.norm", "stages.0.0")
        convolved, normed, activated, before, after = features(net, nodes=nodes)(x)
        expected = net.stem.conv(x)
        torch.testing.assert_close(convolved, expected)
        torch.testing.assert_close(normed, net.stem.norm(expected))
        torch.testing.assert_close(activated, net.stem.norm(expected).relu())
        torch.testing.assert_close(after, (before + net.stem.pool(activated)).relu())
    assert (normed < 0).any()


@pytest.mark.parametrize(
    "name",
    ["resnet18", "resnetv2_50", "seresnet18", "googlenet", "mobilenet_v2", "mobilenetv3_small_100", "convnext_atto"],
)
def test_every_value_is_as_without_writing_in_place(name, monkeypatch):
    """At every node, and the output and the gradients in training, as of a network that writes over nothing."""
    arch = architecture(name).scaled(width=0.5)
    net = randomised(build(arch)).double()
    monkeypatch.setattr("vertebra.nn.construct.replaceable", lambda node, shape: False)
    monkeypatch.setattr("vertebra.nn.modules.adds_in_place", lambda node, shape: False)
    plain = build(arch).double()
    monkeypatch.undo()
    assert "in place" not in str([module.plan for module in plain.modules() if hasattr(module, "plan")])
    assert not any(getattr(module, "inplace", False) for module in plain.modules())
    plain.load_state_dict(net.state_dict())
    x = images(2, 3, 64, 64).double()
    found = {}
    for path, module in plain.named_modules():
        module.register_forward_hook(lambda _, args, value, path=path: found.update({path: value}))
    expected = plain.eval()(x)
    with torch.no_grad():
        points = list(
            dict.fromkeys(one.path for _, one in every_map(arch.nodes(), 3) if one.path and one.path in found)
        )
        values = features(net.eval(), nodes=points)(x)
    for path, value in zip(points, values, strict=True):
        torch.testing.assert_close(value, found[path], msg=path)
    torch.testing.assert_close(net(x), expected)
    for one in (net, plain):
        torch.manual_seed(0)  # of the dropout
        one.train()(x).square().mean().backward()
    for (path, mine), theirs in zip(net.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, msg=path)


def test_a_sum_writes_over_nothing_that_is_not_its_own():
    """Neither over its input, where a user put an identity in a branch's place, nor a float32 sum into bfloat16."""
    net = build(add(conv=Conv(4), shortcut=Identity()), channels=4)
    assert net.plan[0] == "sum in place"
    x = images(1, 4, 8, 8)
    before = x.clone()
    with torch.autocast("cpu", torch.bfloat16):
        assert net(x).dtype == torch.float32
    net.conv = nn.Identity()
    assert torch.equal(net(x), 2 * before) and torch.equal(x, before)


@pytest.mark.parametrize("wrap", [partial(torch.compile, backend="eager"), nn.DataParallel])
def test_what_is_put_around_a_network_is_left_out(wrap):
    net = build(tiny()).eval()
    x = images(1, 3, 32, 32)
    assert torch.equal(features(wrap(net), (8,))(x)[0], features(net, (8,))(x)[0])
    assert torch.equal(embeddings(wrap(net))(x), embeddings(net)(x))


def test_stages_that_were_taken_away():
    net = build(tiny())
    del net.stages[1]
    with pytest.raises(TransformError, match=r"^the network's '2' was taken away; put nn.Identity.* in its place$"):
        features(net, (4, 8))


def test_a_classifier_that_was_taken_away():
    net = build(tiny())
    del net.fc
    assert features(net, (4,)).strides == (4,)
    for take in (embeddings, lambda net: features(net, nodes=("fc",))):
        with pytest.raises(
            TransformError, match=r"^the network's 'fc' was taken away; put nn.Identity.* in its place$"
        ):
            take(net)


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_strides_in_an_array(kind):
    with pytest.raises(TransformError, match=r"^expected a list of strides or names, got .*; put it in brackets$"):
        features(build(tiny()), kind([4, 8]))

"""build(): an ordinary module, for architectures and for any node."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from torch import nn

from tests.nn.helpers import images, randomised, tiny
from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks import Bottleneck, ConvNormAct, DenseLayer, SqueezeExcite
from vertebra.arch.combinators import add, concat, gate, seq
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import (
    Act,
    Conv,
    Dropout,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    Linear,
    Norm,
    PadChannels,
    Pool,
    Tap,
)
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, ShapeError, TransformError
from vertebra.nn import build
from vertebra.nn.layers import DropPath
from vertebra.nn.modules import ACTIVATIONS
from vertebra.zoo import architecture


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_activation_of_every_name(function):
    """Against torch's functional forms."""
    x = images(2, 3, 4, 4) * 4
    functional = {"hard_swish": "hardswish", "hard_sigmoid": "hardsigmoid"}.get(function, function)
    expected = x if function == "identity" else getattr(nn.functional, functional)(x)
    torch.testing.assert_close(build(Act(function), channels=3)(x), expected)


def test_network_is_a_chain_of_its_children():
    net = build(architecture("resnet50")).eval()
    assert [name for name, _ in net.named_children()] == ["stem", "stages", "pool", "fc"]
    x = images(2, 3, 64, 64)
    with torch.inference_mode():
        assert nn.Sequential(*list(net.children())[:-1])(x).shape == (2, 2048, 1, 1)
        assert torch.equal(nn.Sequential(*net.children())(x), net(x))
        assert net[:2](x).shape == (2, 2048, 2, 2)
    assert net.arch == architecture("resnet50")


def test_torch_classes_that_tools_look_for():
    net = build(tiny())
    kinds = {type(module) for module in net.modules()}
    assert {nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.AdaptiveAvgPool2d} <= kinds
    assert isinstance(net.fc, nn.Linear)


def test_printed_form():
    text = repr(build(tiny()))
    assert "(conv1 -> conv2 + shortcut) -> act" in text
    assert "(stem): Sequential(" in text
    assert "(fc): Linear(in_features=24, out_features=5, bias=True)" in text
    assert "input ++ (reduce.norm" not in text
    assert "identity ++ " not in repr(build(DenseLayer(8), channels=8))
    assert "input ++ (reduce -> grow)" in repr(build(DenseLayer(8), channels=8))
    assert "x * (pool -> reduce -> act -> expand -> gate)" in repr(build(SqueezeExcite(), channels=32))


def test_child_can_be_replaced():
    net = build(tiny()).eval()
    net.stages[0][0].act = nn.GELU()
    net.stages[0][1].conv2 = nn.Identity()
    assert net(images(1, 3, 32, 32)).shape == (1, 5)
    assert isinstance(net.get_submodule("stages.0.0.act"), nn.GELU)


def test_classifier_can_be_replaced_as_people_are_used_to():
    net = build(tiny()).eval()
    net.fc = nn.Linear(24, 7)
    assert net(images(1, 3, 32, 32)).shape == (1, 7)
    net.fc = nn.Identity()
    assert net(images(1, 3, 32, 32)).shape == (1, 24)


def test_copies_are_independent_and_equal():
    net = build(tiny(head=seq(pool=GlobalPool(), out=gate(Linear(24))))).eval()
    x = images(1, 3, 32, 32)
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    for twin in (copy.deepcopy(net), torch.load(file, weights_only=False)):
        assert torch.equal(twin(x), net(x))
        assert twin.arch == net.arch
        with torch.no_grad():
            next(twin.parameters()).zero_()
        assert next(net.parameters()).abs().sum() > 0


class TestNameless:
    """A nameless child adds no segment: a primitive's tensors stand on the module itself."""

    @pytest.mark.parametrize(
        ("primitive", "names"),
        [
            (Conv(4, 3), ["weight"]),
            (Conv(4, 3, padding="same", stride=1, bias=True), ["weight", "bias"]),
            (Conv(4, 2, padding="same"), ["weight"]),
            (Norm("group", groups=2), ["weight", "bias"]),
            (Norm("layer2d"), ["weight", "bias"]),
            (Norm(), ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]),
            (LayerScale(0.5), ["gamma"]),
            (GlobalResponseNorm(), ["gamma", "beta"]),
        ],
    )
    def test_primitive_with_weights(self, primitive, names):
        x = images(2, 4, 6, 6)
        alone = randomised(build(primitive, channels=4)).eval()
        net = build(add(primitive, shortcut=Identity()), channels=4).eval()
        assert list(net.state_dict()) == names
        net.load_state_dict(alone.state_dict())
        torch.testing.assert_close(net(x), alone(x) + x)

    def test_vector_layers(self):
        node = seq(GlobalPool(), body=seq(Linear(6), norm=Norm(), act=Act()), rest=seq(Norm(), fc=Linear(3)))
        net = build(node, channels=4).eval()
        assert net(images(2, 4, 5, 5)).shape == (2, 3)
        assert "body.weight" in net.state_dict() and "rest.running_var" in net.state_dict()

    def test_head_that_is_one_layer(self):
        arch = tiny(head=Linear(5))
        net = build(arch).eval()
        assert {"weight", "bias", "stem.conv.weight"} <= net.state_dict().keys()
        assert net(images(2, 3, 32, 32)).shape == (2, 5)

    def test_primitives_without_weights_take_free_names(self):
        node = seq(seq(seq(Act(), act_=Act("silu")), more=Identity()), act=Act("gelu"))
        net = build(node, channels=2)
        assert isinstance(net, nn.Sequential)
        assert [type(child) for child in net] == [nn.ReLU, nn.SiLU, nn.Identity, nn.GELU]

    def test_name_that_stands_twice(self):
        class Inner(Block, frozen=True):
            def layers(self, channels: int) -> Node:
                return seq(conv=Conv(channels))

        with pytest.raises(ArchitectureError, match=r"'conv' stands twice.*; name the child"):
            build(seq(Inner(), conv=Conv(4)), channels=4)

    def test_names_that_torch_modules_use_themselves(self):
        net = build(seq(forward=Conv(4), type=Norm(), plan=add(Conv(4), train=Identity())), channels=3).eval()
        assert net(images(1, 3, 4, 4)).shape == (1, 4, 4, 4)
        assert "forward.weight" in net.state_dict()


class TestPrimitives:
    @pytest.mark.parametrize("size", [7, 8, 9, 12])
    @pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 1), (5, 2, 1), (2, 1, 1), (3, 1, 2), (1, 3, 1)])
    def test_same_padding(self, size, kernel, stride, dilation):
        """TensorFlow's rule: ceil(size / stride) outputs, the odd zero after (tf.nn.convolution's documentation)."""
        conv = build(Conv(2, kernel, stride, "same", dilation), channels=1)
        x = images(1, 1, size, size + 1)
        pads = []
        for extent in (size + 1, size):
            span = dilation * (kernel - 1) + 1
            total = max((-(-extent // stride) - 1) * stride + span - extent, 0)
            pads += [total // 2, total - total // 2]
        expected = nn.functional.conv2d(nn.functional.pad(x, pads), conv.weight, None, stride, 0, dilation)
        torch.testing.assert_close(conv(x), expected)
        assert expected.shape[2:] == (-(-size // stride), -(-(size + 1) // stride))

    def test_rectangular_kernel(self):
        conv = build(Conv(2, (1, 7), (2, 1), padding=(0, 3)), channels=1)
        assert conv(images(1, 1, 8, 8)).shape == (1, 2, 4, 8)

    def test_a_dilated_maximum_keeps_the_size(self):
        """Nine values each two apart, the padding taking no part: as torch does on a picture padded with -inf."""
        x = torch.randn(1, 2, 9, 9)
        ours = build(Pool("max", 3, 1, 2, dilation=2), channels=2)(x)
        padded = torch.nn.functional.pad(x, (2, 2, 2, 2), value=float("-inf"))
        assert torch.equal(ours, torch.nn.functional.max_pool2d(padded, 3, 1, 0, 2))
        assert ours.shape == x.shape

    def test_average_leaves_padding_out(self):
        pooled = build(Pool("average", 3, 2, 1), channels=1)(torch.ones(1, 1, 5, 5))
        assert torch.equal(pooled, torch.ones(1, 1, 3, 3))

    def test_ceil_mode_and_subsampling(self):
        x = images(1, 1, 6, 6)
        assert torch.equal(
            build(Pool("max", 3, 2, rounding="ceil"), channels=1)(x), nn.MaxPool2d(3, 2, ceil_mode=True)(x)
        )
        assert torch.equal(build(Pool("max", 1, 2), channels=1)(x), x[..., ::2, ::2])

    def test_norm_over_channels(self):
        """ConvNeXt's: the mean and the variance of each position's channels."""
        x = images(2, 6, 3, 3)
        expected = (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        torch.testing.assert_close(build(Norm("layer2d"), channels=6)(x), expected)

    def test_group_norm_takes_a_divisor(self):
        assert build(Norm("group", groups=32), channels=24).num_groups == 24
        assert build(Norm("group", groups=32), channels=50).num_groups == 25

    def test_padding_channels_scale_and_tap(self):
        x = images(1, 2, 3, 3)
        padded = build(PadChannels(5), channels=2)(x)
        assert torch.equal(padded[:, :2], x) and not padded[:, 2:].any() and padded.shape[1] == 5
        torch.testing.assert_close(build(LayerScale(0.25), channels=2)(x), x / 4)
        assert build(Tap("here"), channels=2)(x) is x
        assert torch.equal(build(Dropout(0.5), channels=2).eval()(x), x)

    @pytest.mark.parametrize("factor", [seq(pool=GlobalPool(), fc=Linear(2)), GlobalPool(), Conv(2)])
    def test_gate_of_a_vector_a_point_or_a_map(self, factor):
        net, alone = build(gate(factor), channels=2), build(factor, channels=2)
        alone.load_state_dict(net.state_dict())
        x = images(2, 2, 3, 3)
        weight = alone(x)
        torch.testing.assert_close(net(x), x * weight.reshape(*weight.shape, *(1,) * (4 - weight.ndim)))

    def test_concat_order(self):
        x = images(1, 2, 3, 3)
        net = build(concat(Act(), input=Identity()), channels=2)
        assert torch.equal(net(x), torch.cat((x.relu(), x), 1))


class TestStochasticDepth:
    def test_rates_are_linear_in_depth(self):
        net = build(tiny(), drop_path=0.3)
        rates = [module.rate for module in net.modules() if isinstance(module, DropPath)]
        # Identity shortcuts: both blocks of stage 0, the second of stage 1.
        assert rates == pytest.approx([0.1, 0.2, 0.3])

    def test_branches_are_dropped_for_whole_images_and_rescaled(self):
        net = build(add(Act("identity"), shortcut=Identity()), channels=1, drop_path=0.25)
        torch.manual_seed(0)
        added = net(torch.ones(4000, 1, 2, 2)) - 1
        per_image = added.flatten(1)
        assert torch.equal(per_image, per_image[:, :1].expand_as(per_image))
        values, counts = per_image[:, 0].unique(return_counts=True)
        assert values.tolist() == pytest.approx([0, 4 / 3])
        assert counts[0].item() == pytest.approx(1000, abs=5 * (4000 * 0.25 * 0.75) ** 0.5)

    def test_inference_and_no_rate_change_nothing(self):
        x = images(1, 3, 32, 32)
        assert torch.equal(build(tiny(), drop_path=0.5).eval()(x), build(tiny()).eval()(x))
        assert not any(isinstance(module, DropPath) for module in build(tiny()).modules())

    def test_rate_out_of_range(self):
        with pytest.raises(ArchitectureError, match=r"^drop_path is 1.5 \(allowed: at least 0, below 1\)$"):
            build(tiny(), drop_path=1.5)


class TestOptions:
    def test_classes_and_channels(self):
        net = build(tiny(), classes=9, channels=1)
        assert net(images(2, 1, 32, 32)).shape == (2, 9)
        assert (net.arch.classes, net.arch.channels) == (9, 1)

    def test_meta_device_allocates_nothing(self):
        with torch.device("meta"):
            net = build(tiny())
            assert net(torch.empty(2, 3, 32, 32)).shape == (2, 5)
        assert all(tensor.is_meta for tensor in net.state_dict().values())

    def test_errors(self):
        with pytest.raises(ArchitectureError, match="building a conv needs channels="):
            build(Conv(3))
        with pytest.raises(TransformError, match="has no classifier"):
            build(tiny().without_head(), classes=3)
        with pytest.raises(TransformError, match="classes= needs an Architecture"):
            build(Conv(3), channels=3, classes=3)
        with pytest.raises(ShapeError, match=r"^stages\.0\.0\.conv: a window of 9 does not fit an input of 4"):
            build(Architecture("x", Conv(4), (Stage(seq(conv=Conv(4, 9, padding=0))),), resolution=4))
        with pytest.raises(ShapeError, match="put a GlobalPool before it"):
            build(seq(fc=Linear(3)), channels=3)

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (
                lambda: build("resnet18"),
                "expected an architecture or a node, got 'resnet18'; use vertebra.architecture('resnet18')",
            ),
            (lambda: build(3), "expected an architecture or a node, got 3"),
            (lambda: build(Conv(3), channels=-1), "channels of -1 (allowed: a whole number from 1)"),
            (lambda: build(Conv(3), channels="a"), "channels of 'a' (allowed: a whole number from 1)"),
            (lambda: build(tiny(), channels="a"), "Architecture.channels: expected int, got 'a'"),
            (lambda: build(tiny(), drop_path="a"), "drop_path is 'a' (allowed: at least 0, below 1)"),
            (lambda: build(tiny(), seed="a"), "seed is 'a' (allowed: a whole number from 0)"),
            (lambda: build(tiny(), seed=1 << 70), f"seed is {1 << 70} (allowed: a whole number from 0)"),
            (
                lambda: build(add(Conv(3), training=Conv(3)), channels=3),
                "a child is named 'training' (allowed: another name: torch's modules own it)",
            ),
        ],
    )
    def test_arguments_of_another_kind(self, call, message):
        with pytest.raises(ArchitectureError) as caught:
            call()
        assert str(caught.value) == message

    def test_names_of_our_own_attributes(self):
        """In a composite, a chain of vectors and at the top."""
        node = seq(pool=GlobalPool(), vectors=Linear(4), both=add(plan=Linear(4), shortcut=Identity()))
        net = build(node, channels=3).eval()
        assert net(images(1, 3, 4, 4)).shape == (1, 4)
        assert {"vectors.weight", "both.plan.weight"} <= net.state_dict().keys()
        net = build(tiny(head=seq(pool=GlobalPool(), arch=Linear(5)))).eval()
        assert net(images(1, 3, 32, 32)).shape == (1, 5)
        assert net.arch.classes == 5 and "arch.weight" in net.state_dict()

    def test_numbers_of_numpy(self):
        assert build(Conv(3), channels=np.int64(2), seed=np.int64(1)).weight.shape == (3, 2, 1, 1)

    def test_own_block_of_a_user(self):
        class Twice(Block, frozen=True):
            out: int

            def layers(self, channels: int) -> Node:
                return add(ConvNormAct(self.out), again=ConvNormAct(self.out, 3))

        net = build(Twice(6), channels=3)
        assert list(dict(net.named_parameters()))[:2] == ["conv.weight", "norm.weight"]
        assert net(images(1, 3, 4, 4)).shape == (1, 6, 4, 4)

    def test_parameter_count_is_the_cost(self):
        arch = architecture("densenet121")
        with torch.device("meta"):
            assert sum(parameter.numel() for parameter in build(arch).parameters()) == cost(arch).params

    def test_reset_parameters_still_works(self):
        """Tools that materialise modules call it; only the constructors skip it."""
        conv = build(Conv(4), channels=3)
        before = conv.weight.clone()
        conv.reset_parameters()
        assert not torch.equal(before, conv.weight)


def test_bottleneck_alone():
    block = build(Bottleneck(64, stride=2), channels=32)
    assert block(images(2, 32, 8, 8)).shape == (2, 64, 4, 4)

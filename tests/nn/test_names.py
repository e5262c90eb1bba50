"""Parameter names: the path of named children, whatever the stride, the resolution and the output stride."""

from __future__ import annotations

import pytest
import torch

from tests.nn.helpers import tiny
from vertebra.arch.blocks import BasicResidual, Bottleneck, InvertedResidual, MBConv
from vertebra.arch.expansion import joined
from vertebra.arch.node import Weight
from vertebra.arch.record import replace
from vertebra.nn import build
from vertebra.nn.construct import layers_of
from vertebra.zoo import architecture, names


def shapes(arch, **options):
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in build(arch, **options).state_dict().items()}


def weights(arch) -> dict[str, Weight]:
    return {
        joined(layer.path, weight.name): weight
        for layer in layers_of(arch)
        for weight in layer.node.weights(layer.enters)
    }


@pytest.mark.parametrize("name", [name for name in names() if "1202" not in name])
def test_names_and_shapes_are_those_that_the_tree_declares(name):
    arch = architecture(name)
    with torch.device("meta"):
        net = build(arch)
    declared = weights(arch)
    assert list(declared) == list(net.state_dict())
    assert {name: weight.shape for name, weight in declared.items()} == shapes(arch)
    assert {name for name, weight in declared.items() if weight.learned} == {name for name, _ in net.named_parameters()}


def test_readable_names():
    assert {
        "stem.conv.weight",
        "stages.0.0.conv1.norm.running_mean",
        "stages.1.0.shortcut.conv.weight",
        "fc.bias",
    } <= shapes(tiny()).keys()


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "efficientnet_b0", "densenet121"])
def test_resolution_does_not_move_names(name):
    arch = architecture(name)
    assert shapes(arch) == shapes(arch.with_resolution(97)) == shapes(arch.with_resolution(320))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "efficientnet_b0"])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_output_stride_does_not_move_names(name, output_stride):
    arch = architecture(name)
    assert list(shapes(arch).items()) == list(shapes(arch.with_output_stride(output_stride)).items())


@pytest.mark.parametrize("kind", [BasicResidual, Bottleneck, InvertedResidual, MBConv])
def test_stride_does_not_move_names(kind):
    assert shapes(kind(32, 1), channels=16) == shapes(kind(32, 2), channels=16)
    body = shapes(kind(32, 1), channels=32)
    strided = shapes(kind(32, 2), channels=32)
    assert body == {name: shape for name, shape in strided.items() if not name.startswith("shortcut.")}


def test_stochastic_depth_does_not_move_names():
    assert shapes(tiny()) == shapes(tiny(), drop_path=0.2)


def test_expanded_tree_gives_the_same_names():
    """What is stored is the expanded tree; its network must take the weights of the block form's."""
    arch = tiny()
    stages = tuple(replace(stage, block=stage.block) for stage in arch.stages)
    assert shapes(arch.tree(), channels=3) == shapes(replace(arch, stages=stages))

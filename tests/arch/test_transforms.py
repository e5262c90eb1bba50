"""The pure transforms: what changes, what stays, what has no meaning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import peers
from tests.strategies import LEAST_RESOLUTION, architectures
from vertebra.arch import Conv, Norm, Pool, Stage, layers, replace, to_json
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, TransformError, VertebraError
from vertebra.zoo import architecture, mobilenet_v2, names

GOLDEN = json.loads(Path(__file__).parent.with_name("zoo").joinpath("golden.json").read_text())
slow = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
some = pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "densenet121", "mobilenet_v2", "efficientnet_b0", "cifar_resnet20"]
)


def weights(arch) -> list[tuple[str, tuple[int, ...]]]:
    """Names and shapes of all tensors, in order."""
    found, shape = [], arch.input_shape
    for path, node in arch.nodes():
        for layer in layers(node, shape, path):
            found += [(f"{layer.path}.{weight.name}", weight.shape) for weight in layer.node.weights(layer.enters)]
        shape = node.output(shape)
    return found


def consistent(arch) -> None:
    """Nodes, parts, tree, table and costs tell the same story."""
    rows = list(arch.parts())
    assert [pair for part in rows for pair in part.nodes] == list(arch.nodes())
    assert [part.name for part in rows] == ["stem", *(f"stages.{index}" for index in range(len(arch.stages))), "head"]
    costs = cost(arch)
    assert sum(part.macs for part in costs.parts) == costs.macs
    assert sum(layer.params for layer in costs.layers) == costs.params
    assert costs.leaves == arch.tree().output(arch.input_shape) == costs.parts[-1].leaves
    assert cost(arch.tree(), resolution=arch.resolution, channels=arch.channels).macs == costs.macs
    lines = str(arch).splitlines()
    assert len(lines) == 3 + len(rows) and lines[0].startswith(arch.name)
    product = 1
    for part in costs.parts:
        product *= part.stride
    assert product == arch.reduction


TRANSFORMS = {
    "width": lambda arch: arch.scaled(width=0.7),
    "depth": lambda arch: arch.scaled(depth=1.4),
    "resolution": lambda arch: arch.scaled(resolution=1.3),
    "all": lambda arch: arch.scaled(width=1.5, depth=0.5, resolution=0.9),
    "group": lambda arch: arch.with_norm("group", groups=8),
    "layer": lambda arch: arch.with_norm("layer"),
    "layer2d": lambda arch: arch.with_norm("layer2d"),
    "activation": lambda arch: arch.with_activation("hard_swish"),
    "classes": lambda arch: arch.with_classes(7),
    "headless": lambda arch: arch.without_head(),
    "grey": lambda arch: arch.with_channels(1),
    "pixels": lambda arch: arch.with_resolution(96),
    "reduction": lambda arch: arch.with_reduction(2),
}


@some
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms_are_pure_and_consistent(name, transform):
    arch = architecture(name)
    before = to_json(arch)
    changed = TRANSFORMS[transform](arch)
    assert to_json(arch) == before and changed != arch
    assert TRANSFORMS[transform](arch) == changed
    consistent(changed)


@some
def test_nothing_to_change_changes_nothing(name):
    arch = architecture(name)
    for same in (
        arch.scaled(),
        arch.scaled(width=1, depth=1.0, resolution=1),
        arch.with_norm("batch"),
        arch.with_activation({"mobilenet_v2": "relu6", "efficientnet_b0": "silu"}.get(name, "relu")),
        arch.with_classes(arch.classes),
        arch.with_channels(3),
        arch.with_resolution(arch.resolution),
        arch.with_reduction(arch.reduction),
        arch.with_reduction(1024),
    ):
        assert same == arch and same.hash == arch.hash and str(same) == str(arch)
    assert arch.without_head().without_head() == arch.without_head()
    assert arch.with_reduction(2).with_reduction(2) == arch.with_reduction(2)


# -- scaling ------------------------------------------------------------------------------------------------------


# member, width, depth: table of the authors' code; params and MACs at 224 px of torchvision 0.28.0 and timm 1.0.31
@pytest.mark.parametrize(
    ("member", "width", "depth"),
    [(1, 1, 1.1), (2, 1.1, 1.2), (3, 1.2, 1.4), (4, 1.4, 1.8), (5, 1.6, 2.2), (6, 1.8, 2.6), (7, 2, 3.1)],
)
def test_efficientnets_are_b0_scaled(member, width, depth):
    scaled = architecture("efficientnet_b0").scaled(width=width, depth=depth)
    golden = GOLDEN[f"efficientnet_b{member}"]
    assert cost(scaled).params == golden["params"] and cost(scaled).macs == golden["macs"]
    assert scaled.with_classes(1000) == scaled


def test_widths_and_depths_of_efficientnet_b4():
    """torchvision's efficientnet_b4: features[0..8] give 48, 24, 32, 56, 112, 160, 272, 448, 1792 channels."""
    scaled = architecture("efficientnet_b0").scaled(width=1.4, depth=1.8)
    assert [row.width for row in cost(scaled).parts[:-1]] == [48, 24, 32, 56, 112, 160, 272, 448]
    assert [stage.depth for stage in scaled.stages] == [2, 4, 4, 6, 6, 8, 2]


@pytest.mark.parametrize("width", [0.25, 0.35, 0.5, 0.75, 1.0, 1.3, 1.4, 2.0])
def test_mobilenet_widths_are_torchvisions(width):
    peer = peers.torchvision().models.mobilenet_v2(width_mult=width)
    ours = mobilenet_v2(width)
    shapes = [tuple(parameter.shape) for parameter in peer.parameters()]
    learned = [shape for name, shape in weights(ours) if name.rpartition(".")[2] in ("weight", "bias")]
    assert learned == shapes


def test_names_say_how_much():
    assert architecture("resnet50").scaled(width=0.5, depth=2).name == "resnet50-w0.5-d2"


def test_scaled_by_random_numbers_is_consistent():
    arch = architecture("densenet121").scaled(width=0.3337, depth=0.21, resolution=0.37)
    assert arch.classes == 1000 and arch.resolution == 83
    consistent(arch)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a.scaled(width=0), "a width multiplier of 0 (allowed: a number above 0, at most 16)"),
        (lambda a: a.scaled(depth=-1), "a depth multiplier of -1 (allowed: a number above 0, at most 16)"),
        (lambda a: a.scaled(width=float("nan")), "a width multiplier of nan (allowed: a number above 0, at most 16)"),
        (lambda a: a.scaled(width="2"), "a width multiplier of '2' (allowed: a number above 0, at most 16)"),
        (
            lambda a: a.scaled(resolution=240),
            "a resolution multiplier of 240 (allowed: a number above 0, at most 16); "
            "for pixels use with_resolution(240)",
        ),
        (lambda a: a.with_resolution(0), "a resolution of 0 px (allowed: an integer from 1 to 16384)"),
        (lambda a: a.with_resolution(True), "a resolution of True px (allowed: an integer from 1 to 16384)"),
        (lambda a: a.with_classes(0), "Linear.out: expected int >= 1, got 0"),
        (lambda a: a.without_head().with_classes(3), "resnet18 has no classifier; give it a head with a Linear"),
        (lambda a: a.with_channels(0), "Architecture.channels: expected int >= 1, got 0"),
        (lambda a: a.with_norm("bach"), "unknown normalisation 'bach' (allowed: batch, group, layer, layer2d)"),
        (lambda a: a.with_norm(["batch"]), "unknown normalisation ['batch'] (allowed: batch, group, layer, layer2d)"),
        (lambda a: a.with_norm("group", groups=0), "Norm.groups: expected int >= 1, got 0"),
        (
            lambda a: a.with_activation("rely"),
            "Act.function: unknown value 'rely' (allowed: relu, relu6, leaky_relu, silu, hard_swish, hard_sigmoid, "
            "sigmoid, tanh, gelu, mish, identity)",
        ),
        (lambda a: a.with_output_stride(4), "an output stride of 4 (allowed: 8, 16, 32)"),
        (lambda a: a.with_reduction(3), "a reduction by 3 (allowed: 1, 2, 4, 8, ...)"),
        (lambda a: a.with_reduction(0), "a reduction by 0 (allowed: 1, 2, 4, 8, ...)"),
    ],
)
def test_what_has_no_meaning_is_one_line(call, message):
    with pytest.raises((TransformError, ArchitectureError)) as caught:
        call(architecture("resnet18"))
    assert str(caught.value) == message


def test_a_norm_where_there_is_none():
    arch = replace(architecture("resnet18"), stem=Conv(8), stages=(Stage(Conv(8)),))
    with pytest.raises(TransformError, match="resnet18 has no normalisation to change; choose a family that has one"):
        arch.with_norm("group")
    with pytest.raises(TransformError, match="resnet18 has no activation to change"):
        arch.with_activation("silu")


def test_groups_are_the_largest_divisor_not_above_those_asked_for():
    assert [Norm("group", groups=32).groups_of(channels) for channels in (64, 48, 30, 37, 7)] == [32, 24, 30, 1, 7]


def test_gates_of_attention_keep_their_function():
    arch = architecture("efficientnet_b0").with_activation("relu")
    kinds = {
        layer.path.rpartition(".")[2]: layer.node.function
        for layer in layers(arch.tree(), arch.input_shape)
        if layer.node.kind() == "act"
    }
    assert kinds == {"act": "relu", "gate": "sigmoid"}


# -- strides ------------------------------------------------------------------------------------------------------


@some
@pytest.mark.parametrize("factor", [1, 2, 4, 8, 16])
def test_with_reduction_takes_the_earliest_strides_and_keeps_names(name, factor):
    arch = architecture(name)
    small = arch.with_reduction(factor)
    assert small.reduction == min(factor, arch.reduction)
    assert weights(small) == weights(arch)
    # A power of two wide, so that extents shrink by the stride exactly.
    shape = cost(small.without_head(), resolution=128).leaves
    assert shape[1:] == (128 // small.reduction,) * 2
    strides = [part.stride for part in cost(small).parts]
    full = [part.stride for part in cost(arch).parts]
    kept = [one == other for one, other in zip(strides, full, strict=True)]
    assert sorted(kept) == kept or strides[kept.index(False)] == 1  # those taken away come first
    assert [stage.depth for stage in small.stages] == [stage.depth for stage in arch.stages]
    consistent(small)


def test_reductions_of_the_families():
    assert {architecture(name).reduction for name in names() if name.startswith("cifar")} == {4}
    assert {architecture(name).reduction for name in names() if not name.startswith("cifar")} == {32}


def test_a_reduction_that_would_change_weights_is_refused():
    from vertebra.arch import BasicResidual

    arch = replace(architecture("resnet18"), stages=(Stage(BasicResidual(64, 2)),))
    with pytest.raises(TransformError) as caught:
        arch.with_reduction(1)
    assert str(caught.value) == "resnet18 cannot shrink images by 1 alone and keep its weights"


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2", "efficientnet_b0", "cifar_resnet20"])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_output_stride_keeps_weights_and_names(name, output_stride):
    arch = architecture(name)
    spread = arch.with_output_stride(output_stride)
    assert weights(spread) == weights(arch)
    assert spread.reduction == min(output_stride, arch.reduction)
    assert spread.with_output_stride(32).hash == arch.hash
    assert [row.block for row in cost(spread).parts] == [row.block for row in cost(arch).parts]
    consistent(spread)


@pytest.mark.parametrize(("output_stride", "flags"), [(16, (False, False, True)), (8, (False, True, True))])
def test_dilations_are_torchvisions(output_stride, flags):
    peer = peers.torchvision().models.resnet50(replace_stride_with_dilation=list(flags))
    theirs = [(m.stride, m.padding, m.dilation) for m in peer.modules() if getattr(m, "kernel_size", None) == (3, 3)]
    spread = architecture("resnet50").with_output_stride(output_stride)
    ours = [
        ((layer.node.stride,) * 2, (layer.node.dilation,) * 2, (layer.node.dilation,) * 2)  # half the kernel, spread
        for layer in layers(spread.tree(), spread.input_shape)
        if layer.node.kind() == "conv" and layer.node.kernel == 3
    ]
    assert ours == theirs


def test_average_pools_spread_too():
    """DenseNet's transitions end in 2x2 averages."""
    spread = architecture("densenet121").with_output_stride(8)
    pools = [layer.node for layer in spread.layers() if layer.path.endswith("entry.pool")]
    assert pools == [Pool("average", 2, 2), Pool("average", 2, 1), Pool("average", 2, 1, dilation=2)]
    assert weights(spread) == weights(architecture("densenet121"))


# -- any network --------------------------------------------------------------------------------------------------


@slow
@given(
    architectures(),
    st.sampled_from([*TRANSFORMS.values(), lambda a: a.with_output_stride(8), lambda a: a.with_reduction(4)]),
    st.integers(LEAST_RESOLUTION, 64),
)
def test_random_networks_stay_consistent(arch, transform, resolution):
    try:
        changed = transform(arch.with_resolution(resolution))
        _ = cost(changed).macs
    except VertebraError as error:
        assert "\n" not in str(error)
    else:
        consistent(changed)

"""What differs between two architectures: every node of it, and sums that agree with the totals."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.selection import GOLDEN
from tests.strategies import architectures
from vertebra.arch import (
    Act,
    Architecture,
    AuxiliaryDense,
    Bottleneck,
    Conv,
    ConvNormAct,
    GlobalPool,
    Identity,
    Linear,
    MBConv,
    Norm,
    Seq,
    Stage,
    add,
    replace,
    seq,
)
from vertebra.costs.changes import Change
from vertebra.costs.difference import Difference, difference
from vertebra.errors import ArchitectureError, ShapeError
from vertebra.zoo import architecture
from vertebra.zoo.inceptions import googlenet

COUNTS = ("params", "macs", "activations")
some = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])


def net(*nodes, stem=None, resolution=16, **named) -> Architecture:
    """One stage that holds a row of nodes."""
    row = Seq(tuple((str(index), node) for index, node in enumerate(nodes)) or tuple(named.items()))
    return Architecture("net", stem or Conv(8, 3), (Stage(row),), seq(pool=GlobalPool(), fc=Linear(5)), resolution)


def told(changes: tuple[Change, ...]) -> list[tuple[str, str]]:
    return [(change.kind, change.path) for change in changes]


def adds_up(found: Difference) -> None:
    """The differences of each level against those of the two totals."""
    for count in COUNTS:
        whole = getattr(found.after, count) - getattr(found.before, count)
        for level in (found.parts, found.changes, found.layers):
            assert sum(getattr(change, count) for change in level) == whole
        for one in (*found.parts, *found.changes):
            if one.inside:
                assert sum(getattr(change, count) for change in one.inside) == getattr(one, count)
        for side, costs in (("before", found.before), ("after", found.after)):
            heres = [here for part in found.parts if (here := getattr(part, side)) is not None]
            assert sum(getattr(here, count) for here in heres) == getattr(costs, count)


@some
@given(architectures(), architectures())
def test_sums_agree_whatever_the_networks(one, other):
    found, back = difference(one, other, resolution=64), difference(other, one, resolution=64)
    adds_up(found)
    adds_up(back)
    if one.tree() == other.tree() and one.channels == other.channels:
        assert not found.changes


@some
@given(architectures())
def test_nothing_differs_from_itself(arch):
    same = difference(arch, replace(arch, name="another"))
    assert same.changes == () and same.layers == () and {part.kind for part in same.parts} == {"same"}
    assert all(part.what == part.after.node for part in same.parts)


@pytest.mark.parametrize(
    ("one", "other"),
    [("resnet50", "mobilenet_v2"), ("efficientnet_b0", "efficientnet_b1"), ("vgg16", "densenet121"),
     ("googlenet", "inception_v3"), ("convnext_tiny", "resnet18")],
)  # fmt: skip
def test_sums_of_registered_networks(one, other):
    found = difference(architecture(one), architecture(other))
    adds_up(found)
    assert found.after.params - found.before.params == GOLDEN[other]["params"] - GOLDEN[one]["params"]


def test_a_deeper_network_has_more_blocks():
    """He et al. 2016, table 1: ResNet-101 is ResNet-50 with 17 more blocks of 1x1, 256; 3x3, 256; 1x1, 1024."""
    found = difference(architecture("resnet50"), architecture("resnet101"))
    assert told(found.changes) == [("added", f"stages.2.{index}") for index in range(6, 23)]
    each = 1024 * 256 + 9 * 256 * 256 + 256 * 1024 + 2 * (256 + 256 + 1024)
    assert [change.params for change in found.changes] == [each] * 17
    assert [change.macs for change in found.changes] == [14 * 14 * (each - 2 * (256 + 256 + 1024))] * 17
    assert 17 * each == GOLDEN["resnet101"]["params"] - GOLDEN["resnet50"]["params"]
    back = difference(architecture("resnet101"), architecture("resnet50"))
    assert told(back.changes) == [("removed", f"stages.2.{index}") for index in range(6, 23)]
    assert sum(change.params for change in back.changes) == -17 * each


def test_squeeze_and_excitation_adds_itself_alone():
    """Hu et al. 2018, equation 5: (2 / r) times the sum over blocks of C squared, without biases."""
    arch = architecture("resnet50")
    found = difference(arch, arch.with_se(16))
    assert {change.kind for change in found.changes} == {"changed"} and len(found.changes) == 16
    assert all(change.fields[0][:2] == ("attention", "None") for change in found.changes)
    assert {change.kind for change in found.layers} == {"added"}
    assert all(change.path.endswith(".attention") for change in found.layers)
    squares = 3 * 256**2 + 4 * 512**2 + 6 * 1024**2 + 3 * 2048**2
    assert sum(change.params for change in found.changes) == 2 * squares // 16


def test_other_pixels_change_operations_alone():
    arch = architecture("resnet18")
    found = difference(arch, arch.with_resolution(448))
    assert {part.kind for part in found.parts} == {"fed", "same"}
    assert all(change.params == 0 for change in found.changes)
    maps = sum(layer.macs for layer in found.before.layers if layer.kind == "conv")
    assert sum(change.macs for change in found.changes) == 3 * maps  # four times the positions; the classifier stays
    assert found.parts[-1].kind == "same" and found.changes[0].what.startswith(
        "for 3 x 224 x 224 -> 3 x 448 x 448: conv"
    )


def test_fields_are_named_with_both_values():
    arch = architecture("resnet18")
    found = difference(arch, arch.with_activation("silu"))
    assert {change.what for change in found.layers} == {"act: function relu -> silu"}
    assert all(change.params == change.macs == 0 for change in found.changes)
    one, other = (Architecture("x", Conv(8), (Stage(Bottleneck(64, groups=groups)),)) for groups in (1, 4))
    (change,) = difference(one, other).changes
    assert change.what == "bottleneck: groups 1 -> 4" and change.fields == (("groups", "1", "4"),)
    # an inner width of 16 * groups
    assert [layer.what for layer in change.inside if layer.path.endswith("reduce.conv")] == ["conv: out 16 -> 64"]


def test_fields_of_nodes_in_a_block_come_last_and_alone():
    before = MBConv(8, norm=Norm(eps=1e-3), act=Act("silu"))
    after = MBConv(8, norm=Norm(), act=Act(), expansion=4, kernel=5)
    (change,) = difference(*(Architecture("x", Conv(8), (Stage(node),)) for node in (before, after))).changes
    said = "mbconv: expansion 6 -> 4, kernel 3 -> 5, norm.eps 0.001 -> 1e-05, act.function silu -> relu"
    assert change.what == said and [name for name, _, _ in change.fields][-2:] == ["norm.eps", "act.function"]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("resnet18", {"basic_residual: stride 2 -> 1, dilation 1 -> 2", "basic_residual: dilation 1 -> 2"}),
        ("densenet121", {"dense_transition: stride 2 -> 1", "dense_layer: dilation 1 -> 2"}),
        ("convnext_tiny", {"stride 2 -> 1 in norm + conv", "convnext_block: dilation 1 -> 2"}),
    ],
)
def test_another_output_stride_is_told_by_what_differs_in_the_blocks(name, changes):
    """Chen et al. 2017, section 3.1: the last stride becomes a dilation of 2; one tree is written as blocks."""
    arch = architecture(name)
    one, other = arch.with_output_stride(16), arch.with_output_stride(8)
    assert {change.what for change in difference(arch, one).changes} == changes
    back = {change.what for change in difference(one, arch).changes}
    assert all("dilation 2 -> 1" in what or "stride 1 -> 2" in what for what in back)
    assert all(" in " in change.what and " for " not in change.what for change in difference(one, other).changes)


def test_several_values_of_an_attribute_and_what_came_in():
    arch = architecture("resnet18")
    found = difference(arch.with_output_stride(16), arch.with_output_stride(8)).changes
    assert found[2].what == "dilation 1 -> 2 and 2 -> 4 in conv1 + conv2 + shortcut + act"
    same = architecture("tf_efficientnet_b0")  # its padding follows the size, and is written out where it is spread
    assert difference(same, same.with_output_stride(16)).changes[0].what == (
        "mbconv: stride 2 -> 1, padding same -> 0, dilation 1 -> 2, added same_pad(kernel=5, taken=2)"
    )


def test_a_layer_put_in_between_leaves_the_others():
    convs = [ConvNormAct(8, 3), ConvNormAct(8, 1), ConvNormAct(8, 5)]
    one, other = net(*convs), net(convs[0], Conv(8, 7), *convs[1:])
    (change,) = difference(one, other).changes
    assert (change.kind, change.path, change.params) == ("changed", "stages.0.0", 49 * 64)
    assert told(change.inside) == [
        ("added", "stages.0.0.1"),
        ("renamed", "stages.0.0.2"),
        ("renamed", "stages.0.0.3"),
    ]


def test_a_body_is_found_within_a_residual_sum():
    body = seq(conv=Conv(8, 3), act=Act())
    one, other = (Architecture("x", Conv(8), (Stage(node),)) for node in (body, add(body, shortcut=Identity())))
    for found, kinds in ((difference(one, other), "added"), (difference(other, one), "removed")):
        (change,) = found.changes
        assert [layer.kind for layer in change.inside] == ["changed", kinds]
        assert change.inside[0].what in ("seq -> sum", "sum -> seq") and change.params == 0


def test_what_has_nothing_in_common_is_removed_and_added():
    one, other = net(Conv(8, 3)), Architecture("net", Conv(8, 3), (Stage(Act()),), net(Act()).head, 16)
    kinds = [change.kind for change in difference(one, other).changes]
    assert sorted(kinds) == ["added", "removed"]


def test_a_stage_more():
    one = net(Conv(8, 3))
    other = replace(one, stages=(*one.stages, Stage(Conv(8, 3), 2)))
    (change,) = difference(one, other).changes
    assert (change.kind, change.path, change.params) == ("added", "stages.1", 2 * 9 * 64)
    assert change.what == "2 x conv(out=8, kernel=3)"


def test_an_auxiliary_head_costs_parameters_alone():
    """torchvision 0.28.0's googlenet: 13,004,888 parameters with both heads, 6,624,904 without."""
    found = difference(googlenet(), googlenet(auxiliary=AuxiliaryDense()))
    adds_up(found)
    assert sum(change.params for change in found.changes) == 13_004_888 - 6_624_904
    assert all(change.macs == change.activations == 0 for change in found.layers)
    fewer = difference(googlenet(auxiliary=AuxiliaryDense()), googlenet(auxiliary=AuxiliaryDense(), classes=10))
    adds_up(fewer)
    assert {layer.macs < 0 for layer in fewer.layers if "aux" in layer.path} == {False}


def test_bad_input():
    arch = architecture("densenet121")
    with pytest.raises(ArchitectureError, match="expected an architecture, got 'resnet18'"):
        difference("resnet18", arch)
    with pytest.raises(ArchitectureError, match="a resolution of 0 px"):
        difference(arch, arch, resolution=0)
    with pytest.raises(ShapeError, match=r"^stages\.3\.entry\.pool: a window of 2"):
        difference(architecture("resnet18"), arch, resolution=16)

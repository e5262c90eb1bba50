"""Parameters, MACs and activations: by hand, by published numbers, and the whole against its layers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import LEAST_RESOLUTION, architectures, nodes
from vertebra.arch import (
    Act,
    Architecture,
    BasicResidual,
    Conv,
    GlobalPool,
    Identity,
    Linear,
    Norm,
    Pool,
    Primitive,
    Seq,
    Stage,
    add,
    concat,
    layers,
    seq,
)
from vertebra.arch.shapes import UNKNOWN
from vertebra.costs import cost
from vertebra.costs.profile import POINT, profile, stage_profile
from vertebra.costs.rules import ACTIVATIONS, MACS
from vertebra.errors import ArchitectureError, ShapeError
from vertebra.zoo import architecture, cifar_resnet

slow = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def test_by_hand():
    node = seq(conv=Conv(8, 3, 2, groups=2), norm=Norm(), act=Act(), pool=GlobalPool(), fc=Linear(5))
    costs = cost(node, resolution=10, channels=4)
    assert costs.params == 8 * 2 * 9 + 16 + 8 * 5 + 5
    assert costs.macs == 8 * 5 * 5 * 2 * 9 + 8 * 5
    assert costs.activations == 8 * 5 * 5
    assert costs.parameter_bytes == 4 * costs.params
    assert costs.leaves == (5,) and costs.resolution == 10
    assert repr(costs) == "Cost(params=205, macs=3,640, activations=200, parameter_bytes=820, resolution=10)"


# pycls, dev/model_complexity.json (2020-09-04).  It counts the outputs of all convolutions, of the classifier (1000)
# and of the ResNets' first pool (64 x 56 x 56); its MODEL_ZOO.md prints those of convolutions alone, in millions.
PYCLS = {
    "resnet50": 11315688 - 200704,
    "resnet101": 16433640 - 200704,
    "resnet152": 22755816 - 200704,
    "efficientnet_b0": 6748036,
    "efficientnet_b1": 10884328,
    "efficientnet_b2": 13832834,
    "efficientnet_b3": 23831296,
    "efficientnet_b4": 49489032,
    "efficientnet_b5": 98857400,
}


@pytest.mark.parametrize("name", PYCLS)
def test_activations_are_pyclss(name):
    assert cost(architecture(name)).activations == PYCLS[name] - 1000


# He et al. 2016, table 6: parameters in millions.
@pytest.mark.parametrize(
    ("n", "millions"), [(3, "0.27"), (5, "0.46"), (7, "0.66"), (9, "0.85"), (18, "1.7"), (200, "19.4")]
)
def test_parameters_of_the_cifar_resnets(n, millions):
    decimals = len(millions.partition(".")[2])
    assert f"{cost(cifar_resnet(n)).params / 1e6:.{decimals}f}" == millions


# He et al. 2016, table 1, "FLOPs" (multiply-adds) of the 18- to 152-layer networks; within 5%, for the paper rounds and
# has the stride on the first 1x1.
@pytest.mark.parametrize(("layers", "billions"), [(18, 1.8), (34, 3.6), (101, 7.6), (152, 11.3)])
def test_macs_of_table_1(layers, billions):
    assert cost(architecture(f"resnet{layers}")).macs == pytest.approx(billions * 1e9, rel=0.05)


# -- the whole is the sum of its layers ------------------------------------------------------------------------------


def agrees(of, shape) -> None:
    """The fast profile against a walk over every layer at the known shape."""
    costs = cost(of, resolution=shape[1], channels=shape[0])
    tree = of.tree() if isinstance(of, Architecture) else of
    params = macs = activations = 0
    for layer in layers(tree, shape):
        positions = 1
        for extent in layer.leaves[1:]:
            positions *= extent
        positions = 0 if layer.aside else positions  # what stands beside the way does not run
        for weight in layer.node.weights(layer.enters):
            count = 1
            for extent in weight.shape:
                count *= extent
            params += count * weight.learned
        macs += MACS[type(layer.node)](layer.node, layer.enters) * positions
        activations += ACTIVATIONS[type(layer.node)](layer.node, layer.enters) * positions
    assert (costs.params, costs.macs, costs.activations) == (params, macs, activations)
    assert costs.leaves == tree.output(shape)
    assert sum(layer.macs for layer in costs.layers) == macs
    assert sum(part.activations for part in costs.parts) == activations


@slow
@given(architectures(), st.integers(LEAST_RESOLUTION, 80))
def test_random_architectures(arch, resolution):
    agrees(arch, arch.shape_at(resolution))


@slow
@given(
    st.integers(1, 6).flatmap(lambda channels: st.tuples(st.just(2 * channels), nodes(2 * channels, 3))),
    st.integers(1, 40),
)
def test_random_nodes(drawn, resolution):
    channels, node = drawn
    agrees(node, (channels, resolution, resolution))


@pytest.mark.parametrize("resolution", [33, 64, 97, 224])
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenetv2_035", "cifar_resnet20"])
def test_registered_architectures(name, resolution):
    arch = architecture(name)
    agrees(arch, arch.shape_at(resolution))
    if name != "densenet121":
        agrees(arch.with_output_stride(8), arch.shape_at(resolution))


def test_a_classifier_over_a_whole_map():
    """Its weights depend on the resolution, as VGG's: such counts are no multiple of positions."""
    arch = Architecture("x", Conv(4, 3), (Stage(Conv(8, 3, 2), 2),), seq(pool=Pool(), fc=Linear(10)), resolution=16)
    assert cost(arch).params == 4 * 27 + 8 * 36 + 8 * 72 + 8 * 4 * 4 * 10 + 10
    for resolution in (8, 9, 16, 31):
        agrees_without_tree = cost(arch, resolution=resolution)
        assert agrees_without_tree.macs == sum(layer.macs for layer in agrees_without_tree.layers)
        assert agrees_without_tree.params == sum(layer.params for layer in agrees_without_tree.layers)


class Halves(Primitive, frozen=True):
    """A user's own primitive: every second row and column, so its extents are not those that enter."""

    def output(self, shape):
        return (shape[0], *(-(-extent // 2) for extent in shape[1:]))


class Brightness(Primitive, frozen=True):
    """A user's own primitive with rules for what it counts."""


def test_a_users_own_primitive():
    for fold in (MACS, ACTIVATIONS):
        fold.rule(Halves)(lambda node, enters: 0)
        fold.rule(Brightness)(lambda node, enters: 3 * enters[0])
    try:
        costs = cost(seq(a=Halves(), b=Conv(2), c=Brightness()), resolution=7, channels=3)
        assert costs.leaves == (2, 4, 4) and costs.macs == 16 * (6 + 6)
    finally:
        for fold in (MACS, ACTIVATIONS):
            del fold.rules[Halves], fold.rules[Brightness]
        profile.cache_clear()
    with pytest.raises(ArchitectureError) as caught:
        _ = cost(Brightness(), resolution=7, channels=3).macs
    assert str(caught.value) == (
        "the fold 'macs' has no rule for 'brightness'; "
        "build new nodes as a Block of existing ones, or enter a rule with Fold.rule"
    )


# -- the profile ----------------------------------------------------------------------------------------------------


def test_a_network_has_one_grid_for_each_stride():
    arch = architecture("efficientnet_b7")
    for stage in arch.stages:
        one = stage_profile(stage, (16, UNKNOWN, UNKNOWN))
        assert len(one.grids) <= 1 and not one.alike
    assert profile(seq(a=Conv(4), b=GlobalPool()), (3, UNKNOWN, UNKNOWN)).last == POINT


def test_branches_that_meet_are_compared_at_every_resolution():
    node = add(a=Conv(4, 3, 2, padding=1), b=Conv(4, 2, 2, padding=0))  # (n - 1) // 2 + 1 and n // 2: equal for even n
    assert cost(node, resolution=8, channels=3).leaves == (4, 4, 4)
    for resolution in (7, 9):
        with pytest.raises(ShapeError, match="Sum: branches give a"):
            _ = cost(node, resolution=resolution, channels=3).macs
    with pytest.raises(ShapeError, match="Concat: branches give a"):
        _ = cost(concat(a=Conv(4, 3, 2), b=Conv(4)), resolution=8, channels=3).macs


def test_a_thousand_copies_are_counted_once():
    deep = Architecture("deep", Conv(16, 3), (Stage(BasicResidual(16), 10_000),), Identity(), 32)
    assert cost(deep).params == 432 + 10_000 * (2 * 16 * 16 * 9 + 4 * 16)


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [0, -1, 1.5, True, 10**9, "224", None.__class__])
def test_resolutions_that_are_none(resolution):
    with pytest.raises(ArchitectureError, match=r"a resolution of .* px \(allowed: an integer from 1 to 16384\)"):
        cost(architecture("resnet18"), resolution=resolution)


def test_other_arguments_that_are_none():
    for call, message in (
        (lambda: cost("resnet18"), "expected an architecture or a node, got 'resnet18'"),
        (lambda: cost(Conv(3)), "the cost of a Conv needs resolution= and channels="),
        (lambda: cost(Conv(3), resolution=8, channels=0), "channels of 0 (allowed: an integer from 1)"),
        (lambda: cost(Conv(3), resolution=8.0, channels=3), "resolution of 8.0 (allowed: an integer from 1)"),
    ):
        with pytest.raises(ArchitectureError) as caught:
            call()
        assert str(caught.value) == message


def test_other_channels():
    arch = architecture("resnet18")
    assert cost(arch).params - cost(arch, channels=1).params == 2 * 64 * 49
    assert cost(arch, channels=1).layers[0].enters == (1, 224, 224)


def test_a_map_that_vanishes_names_its_layer():
    conv = Conv(8, 3, 2, padding=0)
    four = Seq(tuple((str(index), conv) for index in range(4)))
    net = Architecture("x", Conv(8, 3, 2), (Stage(four),), Identity())
    with pytest.raises(ShapeError) as caught:
        _ = cost(net, resolution=40).macs
    assert str(caught.value) == (
        "stages.0.0.3: a window of 3 does not fit an input of 1 with padding 0; "
        "use a larger resolution, a smaller kernel or less stride before this layer"
    )
    for use in (
        lambda: cost(net, resolution=40).layers,
        lambda: cost(net, resolution=40).parts,
        lambda: str(net.with_resolution(40)),
    ):
        with pytest.raises(ShapeError, match=r"^stages\.0\.0\.3: a window of 3"):
            use()


def test_a_registered_network_at_a_resolution_too_small():
    with pytest.raises(ShapeError) as caught:
        _ = cost(architecture("densenet121"), resolution=16).macs
    assert str(caught.value).startswith(
        "stages.3.entry.pool: a window of 2 does not fit an input of 1 with padding 0; use a larger"
    )


def test_numbers_of_numpy():
    arch = architecture("cifar_resnet20")
    assert cost(arch, resolution=np.int64(32), channels=np.int32(3)).macs == cost(arch).macs
    assert type(arch.with_resolution(np.int64(64)).resolution) is int
    assert cost(Conv(8), resolution=np.int64(4), channels=np.int16(2)).params == 16

"""Bytes moved, intensity, roles of weights and receptive fields: by hand, and the whole against its parts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import LEAST_RESOLUTION, architectures
from vertebra.arch import (
    Act,
    Conv,
    Dropout,
    GlobalPool,
    Identity,
    Linear,
    Norm,
    SqueezeExcite,
    Tap,
    add,
    concat,
    seq,
    side,
)
from vertebra.costs import cost
from vertebra.nn import build
from vertebra.zoo import architecture


def test_by_hand():
    node = seq(conv=Conv(8, 3, 2), norm=Norm(), act=Act(), tap=Tap("x"), drop=Dropout(), fc=Linear(5))
    costs = cost(node, resolution=10, channels=4)
    conv = 4 * (400 + 8 * 4 * 9 + 200)
    norm = 4 * (200 + 4 * 8 + 200)  # gain, bias, mean and variance; the counter is not read
    act = 4 * (200 + 200)
    fc = 4 * (200 + 5 * 200 + 5 + 5)
    assert [layer.traffic for layer in costs.layers] == [conv, norm, act, 0, 0, fc]
    assert costs.traffic == conv + norm + act + fc
    assert costs.layers[0].intensity == 2 * 25 * 8 * 4 * 9 / conv
    assert costs.layers[3].intensity == 0
    assert costs.intensity == 2 * costs.macs / costs.traffic
    assert costs.params_by_role == {"kernel": 288 + 1000, "gain": 8, "bias": 8 + 5}
    assert costs.buffers == 17  # mean and variance of 8 channels, one counter


def test_the_memory_access_cost_of_a_pointwise_convolution():
    """Ma et al. 2018, section 2, G1: h w (c1 + c2) + c1 c2; least where both are equal at equal MACs."""
    moved = {}
    for enters, out in ((128, 128), (64, 256), (32, 512)):
        costs = cost(Conv(out), resolution=28, channels=enters)
        assert costs.traffic == 4 * (28 * 28 * (enters + out) + enters * out)
        moved[enters] = (costs.macs, costs.traffic)
    assert len({macs for macs, _ in moved.values()}) == 1
    assert moved[128][1] < moved[64][1] < moved[32][1]


def test_joins_move_bytes_and_are_no_layers():
    node = seq(
        sum=add(a=Conv(4), b=Identity(), c=Identity()),
        cat=concat(a=Identity(), b=Conv(2)),
        se=SqueezeExcite(2),
        aside=side(aux=seq(sum=add(a=Identity(), b=Identity()), pool=GlobalPool())),
        one=add(a=Act()),
    )
    costs = cost(node, resolution=5, channels=4)
    moved = [(join.path, join.kind, join.traffic) for join in costs.joins]
    assert moved == [
        ("sum", "sum", 4 * 4 * 100),
        ("cat", "concat", 4 * 2 * 150),
        ("se", "gate", 4 * (150 + 6 + 150)),
        ("one", "sum", 0),
    ]
    assert all(layer.traffic == 0 for layer in costs.layers if layer.path.startswith("aside"))
    assert costs.traffic == sum(layer.traffic for layer in costs.layers) + sum(join.traffic for join in costs.joins)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(architectures(), st.integers(LEAST_RESOLUTION, 80))
def test_the_whole_is_the_sum_of_its_parts(arch, resolution):
    costs = cost(arch, resolution=resolution)
    assert sum(part.traffic for part in costs.parts) == costs.traffic > 0
    assert sum(part.params for part in costs.parts) == costs.params
    assert sum(costs.params_by_role.values()) == costs.params
    for role, number in costs.params_by_role.items():
        assert sum(part.params_by_role.get(role, 0) for part in costs.parts) == number
        assert sum(layer.params_by_role.get(role, 0) for layer in costs.layers) == number
    assert sum(layer.buffers for layer in costs.layers) == costs.buffers


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "convnext_atto"])
def test_roles_are_torchs(name):
    arch = architecture(name)
    with torch.device("meta"):
        net = build(arch)
    costs = cost(arch)
    assert costs.buffers == sum(buffer.numel() for buffer in net.buffers())
    assert costs.params_by_role["bias"] == sum(
        weight.numel() for key, weight in net.named_parameters() if key.endswith(("bias", "beta"))
    )


# Araujo, Norris and Sim 2019 (Distill): the last map's field, here of the last layer before the pooling.
@pytest.mark.parametrize(("name", "field"), [("mobilenetv1_100", 315), ("alexnet", 195)])
def test_receptive_fields_of_layers_end_at_the_published(name, field):
    layers = cost(architecture(name)).layers
    seen = [layer.receptive_field for layer in layers if layer.receptive_field is not None]
    assert max(seen) == (field, field)
    assert layers[-1].receptive_field is None


def test_the_growth_of_a_field_by_hand():
    node = seq(a=Conv(4, 3, 2), b=add(x=Conv(4, 3), y=Conv(4, 5)), c=SqueezeExcite(), d=Conv(4), e=GlobalPool())
    layers = cost(node, resolution=32, channels=3).layers
    fields = {layer.path: (layer.receptive_field, layer.context, layer.pixel_stride) for layer in layers}
    assert fields["a"] == ((3, 3), False, 2)
    assert fields["b.x"] == ((7, 7), False, 2) and fields["b.y"] == ((11, 11), False, 2)
    assert fields["d"] == ((11, 11), True, 2)
    assert fields["e"][0] is None
    costs = cost(node, resolution=32, channels=3)
    assert (costs.receptive_field, costs.context) == ((11, 11), True)  # of the map that the pooling takes

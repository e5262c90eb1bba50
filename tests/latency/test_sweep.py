"""Many networks at many resolutions at once: what the predictor says of each."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings

from tests.latency.made_up import made_up_profile
from tests.strategies import LEAST_RESOLUTION, architectures
from vertebra.arch import Architecture, Conv, ConvNormAct, Linear, Stage, seq
from vertebra.arch.shapes import elements
from vertebra.errors import ShapeError
from vertebra.latency.features import ACTS, KINDS, LANES, NUMBERS, WIDTH, columns_of, features
from vertebra.latency.grids import Tallies
from vertebra.latency.predictor import Predictor
from vertebra.latency.sweep import Sweep
from vertebra.latency.units import PRODUCTS, Unit, tally
from vertebra.zoo import architecture, names

PROFILE = made_up_profile()


def agree(archs: list[Architecture], sides: list[list[int]]) -> None:
    predictor = Predictor.of(PROFILE)
    found = Sweep.of(PROFILE)(archs, sides)
    for arch, own, times in zip(archs, sides, found, strict=True):
        expected = [predictor.predict(arch, side).ms for side in own]
        assert times == pytest.approx(expected, rel=1e-4), arch.name


def test_every_registered_network() -> None:
    """At its own resolution, at an odd one and at a third: 176 networks together."""
    archs = [architecture(name) for name in names()]
    agree(archs, [[arch.resolution, 2 * arch.resolution // 3 + 1, arch.resolution + 8] for arch in archs])


def test_scaled_networks_and_those_without_some_strides() -> None:
    archs = [architecture(name).scaled(width=0.6, depth=1.7) for name in ("mobilenet_v3_large", "densenet121")]
    archs += [architecture("resnet18").with_reduction(4), architecture("resnet50d").with_output_stride(8)]
    agree(archs, [[64, 65], [96], [32, 33, 40], [64]])


def test_a_head_that_takes_the_whole_map_and_no_networks_at_all() -> None:
    flat = Architecture("flat", Conv(4, 3, 2), (Stage(ConvNormAct(8, 3, 2)),), seq(fc=Linear(10)))
    agree([flat, flat], [[8, 9], [17]])
    assert Sweep.of(PROFILE)([], []) == ()


@settings(max_examples=25, deadline=None)
@given(architectures())
def test_any_network(arch: Architecture) -> None:
    agree([arch], [[LEAST_RESOLUTION, LEAST_RESOLUTION + 1, 64]])


def test_a_network_that_does_not_fit() -> None:
    with pytest.raises(ShapeError):
        Sweep.of(PROFILE)([architecture("resnet50d").with_output_stride(8), architecture("alexnet")], [[64], [8]])


def test_units_are_met_once_and_counted() -> None:
    tallies = Tallies()
    counts = tallies.of(architecture("resnet50"))
    again = tallies.of(architecture("resnet50").scaled(depth=2))
    assert counts is not None and again is not None
    assert counts.times.sum() == sum(tally(architecture("resnet50")).values())
    assert set(again.units) == set(counts.units) and len(tallies.units) == len(counts.units)


def test_features_of_a_convolution() -> None:
    """By hand, from the definitions in words: a 3x3 depthwise one with stride 2, 24 channels, 14x14 to 7x7."""
    unit = Unit("depthwise", (24, 14, 14), (24, 7, 7), (3, 3), (2, 2), (1, 1), 24, True, "relu6", 1)
    (row,) = features(columns_of([unit])).tolist()
    macs, weights = 24 * 9 * 49, 24 * 9
    expected = {
        0: math.log2(25), 2: math.log2(197), 3: math.log2(50), 4: math.log2(macs + 1), 5: math.log2(weights + 1),
        8: math.log2(10), 9: math.log2(3), 10: 1.0, 11: math.log2(25), 12: 1.0, 13: 1.0, 14: 1.0,
        15: math.log2(33), 18: 24 % LANES / LANES, 20: 0.0, 22: 1.0, 25: 7 / 16, 28: 0.0,
        29: math.log2(macs + 1) - math.log2(elements(unit.enters) + elements(unit.leaves) + weights + 1),
        NUMBERS + KINDS.index("depthwise"): 1.0, NUMBERS + len(KINDS) + ACTS.index("relu6"): 1.0,
    }  # fmt: skip
    assert {place: row[place] for place in expected} == pytest.approx(expected)
    assert len(row) == WIDTH and sum(row[NUMBERS:]) == 2.0 and KINDS[: len(PRODUCTS)] == PRODUCTS


def test_features_of_a_vector() -> None:
    (row,) = features(columns_of([Unit("linear", (7, 2, 2), (10,))])).tolist()
    assert row[0] == pytest.approx(math.log2(29)) and row[5] == pytest.approx(math.log2(281))
    assert row[3] == 1.0 and np.isclose(row[4], math.log2(281))
    assert features(columns_of([])).shape == (0, WIDTH)

"""Predictions: the sum of what the estimator says of each unit, whatever is asked at once."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.latency.made_up import made_up_profile
from tests.latency.small import small
from vertebra.arch.architecture import Architecture
from vertebra.arch.primitives import Identity
from vertebra.arch.stage import Stage
from vertebra.errors import ArchitectureError, ShapeError
from vertebra.latency.predictor import Predictor
from vertebra.latency.units import placed, tally
from vertebra.zoo.registry import architecture

PROFILE = made_up_profile()
START = PROFILE.estimator.start_ms


def by_hand(arch: Architecture, resolution: int | None = None) -> float:
    """Each unit by itself, one after the other."""
    ready = PROFILE.estimator.ready()
    parts = [ready.parts([one.unit]) for one in placed(arch, resolution)]
    return float(ready.total(sum(one.ms[0] for one in parts), sum(one.megabytes[0] for one in parts)))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "densenet121"])
def test_the_sum_of_the_units(name: str) -> None:
    arch = architecture(name)
    found = Predictor.of(PROFILE).predict(arch)
    assert found.ms == pytest.approx(by_hand(arch), rel=1e-4)
    assert (found.low, found.high) == pytest.approx((0.9 * found.ms, 1.2 * found.ms))


def test_at_a_resolution() -> None:
    predictor, arch = Predictor.of(PROFILE), architecture("resnet18")
    assert predictor.predict(arch, 64).ms == pytest.approx(by_hand(arch, 64), rel=1e-4)
    assert predictor.predict(arch, 64).ms == pytest.approx(predictor.predict(arch.with_resolution(64)).ms)
    assert predictor.predict(arch).ms == predictor.predict(arch, arch.resolution).ms


def test_many_at_once_as_each_alone() -> None:
    archs = [small(width=width).with_resolution(side) for width in (4, 8, 9) for side in (24, 31)] * 2
    found = Predictor.of(PROFILE).many(archs)
    assert found.shape == (12,) and found.dtype == np.float64
    assert found == pytest.approx([Predictor.of(PROFILE).predict(arch).ms for arch in archs], rel=1e-5)
    assert Predictor.of(PROFILE).many([]).shape == (0,)


def test_what_was_asked_before_changes_nothing() -> None:
    predictor, arch = Predictor.of(PROFILE), architecture("resnet18")
    first = predictor.predict(arch)
    predictor.many([architecture("googlenet"), small()])
    assert predictor.predict(arch) == first


def test_units_of_a_network() -> None:
    predictor, arch = Predictor.of(PROFILE), architecture("mobilenet_v2")
    units = predictor.units(arch, 96)
    assert units.keys() == tally(arch, 96).keys()
    ready, beside = PROFILE.estimator.ready(), predictor.beside(arch, 96)
    read = sum(float(ready.parts([unit]).megabytes[0]) * times for unit, times in tally(arch, 96).items())
    assert START + beside.streaming_ms == pytest.approx(ready.total(0.0, read)) and beside.start_ms == START
    assert sum(units.values()) + START + beside.streaming_ms == pytest.approx(predictor.predict(arch, 96).ms)
    one, times = Counter(tally(arch, 96)).most_common(1)[0]
    assert units[one] == pytest.approx(times * ready.parts([one]).ms[0], rel=1e-5)


def test_a_network_that_does_nothing_takes_the_start() -> None:
    nothing = Architecture("nothing", Identity(), (Stage(Identity()),))
    assert Predictor.of(PROFILE).predict(nothing).ms == START
    assert Predictor.of(PROFILE).units(nothing) == {}


def test_what_does_not_fit_is_told_with_its_path() -> None:
    predictor, alexnet = Predictor.of(PROFILE), architecture("alexnet")
    for asked in (lambda: predictor.predict(alexnet, 16), lambda: predictor.units(alexnet, 16)):
        with pytest.raises(ShapeError) as error:
            asked()
        assert error.value.where == "stages.1.entry"  # two pools leave one row of 16 px
    with pytest.raises(ShapeError) as error:
        predictor.many([alexnet, alexnet.with_resolution(16)])
    assert error.value.where == "stages.1.entry"
    with pytest.raises(ArchitectureError, match="a resolution of 0 px"):
        predictor.predict(alexnet, 0)

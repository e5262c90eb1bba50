"""The estimator: what it computes, what it survives, and what it refuses."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from tests.latency.made_up import made_up_profile
from vertebra.errors import ProfileError
from vertebra.latency.estimator import KNEE, MOST_LOG, Array, Dense, Estimator, Streaming, excess
from vertebra.latency.features import WIDTH, columns_of, features
from vertebra.latency.units import Unit

UNITS = [
    Unit("conv", (3, 24, 24), (8, 12, 12), (3, 3), (2, 2), norm=True, act="relu"),
    Unit("depthwise", (16, 12, 12), (16, 12, 12), (5, 5), groups=16),
    Unit("linear", (16,), (5,)),
]
ESTIMATOR = made_up_profile().estimator


def by_hand(estimator: Estimator, row: list[float]) -> float:
    """Milliseconds of one row of features, one number at a time."""
    mean, scale = estimator.mean.array().tolist(), estimator.scale.array().tolist()
    logs = []
    for member in estimator.members:
        values = [(value - m) / s for value, m, s in zip(row, mean, scale, strict=True)]
        for place, layer in enumerate(member):
            weight, bias = layer.weight.array().tolist(), layer.bias.array().tolist()
            values = [sum(v * w[out] for v, w in zip(values, weight, strict=True)) + b for out, b in enumerate(bias)]
            if place < len(member) - 1:
                values = [v / (1 + math.exp(-v)) for v in values]
        logs.append(values[0])
    return math.exp(sum(logs) / len(logs))


def test_it_computes_what_it_says() -> None:
    expected = [by_hand(ESTIMATOR, row) for row in features(columns_of(UNITS)).tolist()]
    assert ESTIMATOR.ready().parts(UNITS).ms == pytest.approx(expected, rel=1e-4)
    assert ESTIMATOR.ready().parts([]).ms.shape == (0,)


def test_through_json_nothing_changes() -> None:
    again = msgspec.json.decode(msgspec.json.encode(ESTIMATOR), type=Estimator)
    assert again == ESTIMATOR
    assert np.array_equal(again.ready().parts(UNITS).ms, ESTIMATOR.ready().parts(UNITS).ms)


def test_an_array_is_its_little_endian_bytes() -> None:
    array = np.array([[1.5, -2.0], [0.0, 3.0e38]], np.float32)
    made = Array.of(array)
    assert made.shape == (2, 2)
    assert base64.b64decode(made.data)[:4] == bytes([0, 0, 0xC0, 0x3F])  # 1.5 in IEEE 754
    assert np.array_equal(made.array(), array)
    assert np.array_equal(Array.of(array.T).array(), array.T), "whatever the memory's order"


def test_weights_that_the_cache_does_not_hold() -> None:
    """Nothing for no weights, next to nothing while they fit, then so much for each further megabyte."""
    ready = made_up_profile().estimator.ready()
    start, streaming = ESTIMATOR.start_ms, ESTIMATOR.streaming
    assert ready.total(0.0, 0.0) == start
    assert ready.total(3.0, 1.0) == pytest.approx(start + 3.0, abs=streaming.ms_per_mb * KNEE / 4)
    more = ready.total(3.0, np.array([200.0, 300.0]))
    assert more[1] - more[0] == pytest.approx(100 * streaming.ms_per_mb, rel=1e-3)
    assert excess(np.array([300.0]), streaming.cache_mb) == pytest.approx(300 - streaming.cache_mb, abs=KNEE / 4)


def test_far_from_what_was_measured_nothing_runs_away() -> None:
    huge = features(columns_of(UNITS)) * 1e4
    found = ESTIMATOR.ready().of_features(np.concatenate([huge, -huge]))
    assert ((math.exp(-MOST_LOG) <= found) & (found <= math.exp(MOST_LOG))).all()


def array(*shape: int, value: float = 1.0) -> Array:
    return Array.of(np.full(shape, value, np.float32))


ONES = array(WIDTH)
NONE = Streaming(0.0, 1.0)
MEMBER = (Dense(array(WIDTH, 4), array(4)), Dense(array(4, 1), array(1)))


@dataclass(frozen=True)
class Broken:
    """An estimator that does not fit together, by the name of the test."""

    name: str
    mean: Array = ONES
    scale: Array = ONES
    members: tuple[tuple[Dense, ...], ...] = (MEMBER,)


@pytest.mark.parametrize(
    "one",
    [
        Broken("no members", members=()),
        Broken("a member without layers", members=((),)),
        Broken("members of unequal depth", members=(MEMBER, MEMBER[1:])),
        Broken("another number of features", mean=array(WIDTH + 1)),
        Broken("features in rows", scale=array(1, WIDTH)),
        Broken("a scale of 0", scale=array(WIDTH, value=0.0)),
        Broken("a negative scale", scale=array(WIDTH, value=-1.0)),
        Broken("two outputs", members=((Dense(array(WIDTH, 2), array(2)),),)),
        Broken("layers that do not meet", members=((MEMBER[0], Dense(array(5, 1), array(1))),)),
        Broken("a bias of another width", members=((Dense(array(WIDTH, 4), array(3)), MEMBER[1]),)),
        Broken("numbers for matrices", members=((Dense(array(), array()),),)),
        Broken("values that are no numbers", mean=array(WIDTH, value=math.nan)),
        Broken("infinite values", members=((MEMBER[0], Dense(array(4, 1, value=math.inf), array(1))),)),
        Broken("no base 64", mean=Array((WIDTH,), "*" * 8)),
        Broken("letters of other alphabets", mean=Array((WIDTH,), "ä" * 8)),
        Broken("too few bytes", mean=Array((WIDTH,), ONES.data[:8])),
        Broken("a piece of a value", mean=Array((WIDTH,), "AAAA")),
        Broken("a negative extent", mean=Array((-2, -3), ONES.data)),
        Broken("an extent beyond any memory", mean=Array((10**30,), ONES.data)),
    ],
    ids=lambda one: one.name,
)
def test_broken_ones_are_refused(one: Broken) -> None:
    with pytest.raises(ProfileError):
        Estimator(one.mean, one.scale, one.members, 0.1, NONE).ready()


def test_numbers_that_are_too_large_give_no_times() -> None:
    most = float(np.finfo(np.float32).max)
    huge = (Dense(array(WIDTH, 4, value=most), array(4)), Dense(array(4, 1, value=-most), array(1)))
    ready = Estimator(ONES, ONES, (huge, MEMBER), 0.1, NONE).ready()
    with pytest.raises(ProfileError, match="times that are no numbers; build it again"):
        ready.parts(UNITS)
    tiny = Estimator(ONES, array(WIDTH, value=float(np.finfo(np.float32).tiny)), (MEMBER,), 0.1, NONE).ready()
    with pytest.raises(ProfileError):
        tiny.parts([Unit("conv", (1 << 20, 9, 9), (1 << 20, 9, 9))])

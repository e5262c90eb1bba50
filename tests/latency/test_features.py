"""Features: finite for whatever may stand in a network, and none of a unit's fields is lost."""

from __future__ import annotations

import numpy as np
import pytest

from vertebra.arch.architecture import MAX_RESOLUTION
from vertebra.latency.features import ACTS, KINDS, NUMBERS, WIDTH, columns_of, features, megabytes
from vertebra.latency.units import Unit


def rows_of(units: list[Unit]) -> np.ndarray:
    return features(columns_of(units))


UNIT = Unit("grouped", (24, 14, 14), (32, 7, 7), (3, 3), (2, 2), (1, 1), 4, True, "silu", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "conv"}, {"enters": (48, 14, 14)}, {"enters": (24, 28, 14)}, {"leaves": (64, 7, 7)},
        {"leaves": (32, 7, 14)}, {"kernel": (5, 5)}, {"kernel": (1, 9)}, {"stride": (1, 1)}, {"dilation": (2, 2)},
        {"groups": 8}, {"norm": False}, {"act": ""}, {"act": "relu"}, {"joins": 0},
    ],
)  # fmt: skip
def test_each_field_counts(change: dict[str, object]) -> None:
    one, other = rows_of([UNIT, UNIT._replace(**change)])
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_and_the_smallest_are_finite(kind: str) -> None:
    """The most channels of a layer on the largest image, and a single value."""
    huge = (1 << 20, MAX_RESOLUTION, MAX_RESOLUTION)
    most = Unit(kind, huge, huge, (99, 99), act="mish", joins=9)
    units = [most, Unit(kind, (1, 1, 1), (1, 1, 1)), Unit(kind, (1,), (1,))]
    found = rows_of(units)
    assert found.shape == (3, WIDTH) and found.dtype == np.float32 and np.isfinite(found).all()
    assert abs(found).max() < 128 and (found[0, :4] > found[1, :4]).all()


def test_indicators_are_one_of_each() -> None:
    units = [UNIT._replace(kind=kind, act=act) for kind in KINDS for act in ("", *ACTS)]
    indicators = rows_of(units)[:, NUMBERS:]
    assert (indicators[:, : len(KINDS)].sum(1) == 1).all()
    assert indicators[:, len(KINDS) :].sum(1).tolist() == [float(bool(unit.act)) for unit in units]
    assert len(np.unique(indicators, axis=0)) == len(units)


def test_rows_are_independent_of_their_neighbours() -> None:
    units = [UNIT, Unit("linear", (7, 2, 2), (10,)), Unit("act", (3, 4, 5), (3, 4, 5), act="gelu")]
    together = rows_of(units)
    assert np.array_equal(together, np.concatenate([rows_of([unit]) for unit in units]))
    assert np.array_equal(together, features(columns_of(iter(units))))


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        (Unit("conv", (16, 8, 8), (32, 8, 8), (3, 3)), 32 * 16 * 9),
        (Unit("conv", (16, 2, 2), (32, 2, 2), (3, 3)), 32 * 16 * 9),
        (Unit("conv", (16, 1, 1), (32, 1, 1), (3, 3)), 32 * 16),  # all but the middle lies outside
        (Unit("conv", (16, 2, 1), (32, 1, 1), (3, 3), (2, 2)), 32 * 16 * 2),
        (Unit("conv", (16, 3, 3), (32, 3, 3), (7, 7)), 32 * 16 * 25),
        (Unit("grouped", (16, 8, 8), (32, 8, 8), (3, 3), groups=4), 32 * 4 * 9),
        (Unit("depthwise", (16, 8, 8), (16, 8, 8), (5, 5), groups=16), 16 * 25),
        (Unit("linear", (16, 2, 2), (10,)), 640),
        (Unit("max_pool", (16, 8, 8), (16, 4, 4), (2, 2), (2, 2)), 0),
    ],
)  # fmt: skip
def test_weights_that_are_read(unit: Unit, values: int) -> None:
    """By hand; in float32 of 4 bytes."""
    assert megabytes(columns_of([unit])) == pytest.approx([values * 4e-6])

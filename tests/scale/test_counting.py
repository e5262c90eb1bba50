"""Counts at many resolutions at once are those of the cost fold, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.strategies import LEAST_RESOLUTION, architectures
from vertebra.arch import Architecture, Conv, ConvNormAct, Linear, Pool, Stage, Sum, seq
from vertebra.costs import cost
from vertebra.errors import ShapeError
from vertebra.scale.counting import Counter, last_rows
from vertebra.zoo import architecture, names

SIDES = (1, 16, 31, 32, 33, 75, 112, 224, 299)


def one_by_one(arch: Architecture, side: int) -> tuple[int, int, int, int] | None:
    try:
        counts = cost(arch, resolution=side)
        rows = cost(arch.without_head(), resolution=side).leaves[1]
        return counts.params, counts.macs, counts.activations, rows
    except ShapeError:
        return None


def check(arch: Architecture, counter: Counter) -> None:
    params, macs, activations, rows = counter.counts(arch)
    for place, side in enumerate(counter.resolutions):
        expected = one_by_one(arch, side)
        if expected is None:
            assert rows[place] == 0, (arch.name, side)
        else:
            found = (params[place], macs[place], activations[place], rows[place])
            assert found == expected, (arch.name, side)


@pytest.mark.parametrize("part", range(4))
def test_every_registered_network(part: int) -> None:
    counter = Counter(SIDES)
    for name in names()[part::4]:
        check(architecture(name), counter)


def test_scaled_reduced_and_dilated_networks() -> None:
    counter = Counter(SIDES)
    for name in ("mobilenet_v2", "densenet121", "inception_v3", "convnext_tiny", "resnet50"):
        check(architecture(name).scaled(width=0.6, depth=1.7), counter)
    check(architecture("resnet18").with_reduction(4), counter)
    check(architecture("resnet18").with_output_stride(8), counter)


def test_a_head_that_takes_the_whole_map() -> None:
    """A Linear over a map: parameters follow the resolution, so no profile holds for all."""
    arch = Architecture("flat", Conv(4, 3, 2), (Stage(ConvNormAct(8, 3, 2)),), seq(fc=Linear(10)))
    counter = Counter((8, 9, 16))
    check(arch, counter)
    assert list(counter.counts(arch).params) == [cost(arch, resolution=side).params for side in (8, 9, 16)]


def test_branches_that_only_meet_at_some_resolutions() -> None:
    body = Sum((("", Pool("max", 2, 2)), ("shortcut", Pool("max", 3, 2, padding=1))))
    arch = Architecture("meets", Conv(4, 3), (Stage(seq(sum=body)),))
    counter = Counter((8, 9, 10, 11))
    check(arch, counter)
    assert [int(rows > 0) for rows in counter.counts(arch).rows] == [1, 0, 1, 0]


def test_rows_of_the_last_map() -> None:
    """224 / 32; Inception v3's windows without padding leave 8 of 299 (Szegedy et al. 2016, table 1)."""
    assert last_rows(architecture("resnet50"), 224) == 7
    assert last_rows(architecture("inception_v3"), 299) == 8
    assert last_rows(architecture("inception_v3"), 20) == 0


@settings(max_examples=25, deadline=None)
@given(architectures())
def test_any_network(arch: Architecture) -> None:
    check(arch, Counter((3, LEAST_RESOLUTION, LEAST_RESOLUTION + 1, 64)))

"""The space of variants: near its bases, each network once, with exact costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.costs import cost
from vertebra.errors import BudgetError, ShapeError, TransformError, UnknownNameError
from vertebra.scale.bases import LAST_MAP, every_member, families_named, smallest_members, stride_for
from vertebra.scale.grid import LOPSIDED, STEP, around, divided, lopsidedness, sides_between, sides_of, some, spaced
from vertebra.scale.space import costed, formed, space
from vertebra.scale.variants import Variants, clock_of
from vertebra.zoo import architecture, families

FEW = ("mobilenet_v1", "resnet", "efficientnet", "cifar_resnet", "inception", "vgg")


@pytest.fixture(scope="module")
def found() -> Variants:
    return space(every_member(families_named(FEW)), variants=1500)


def test_about_as_many_as_were_asked_for(found: Variants) -> None:
    assert 1300 <= len(found) <= 2500
    assert found.families == FEW


def test_costs_are_those_of_the_architecture(found: Variants) -> None:
    for place in range(0, len(found), 37):
        arch, one = found.arch(place), found.variant(place)
        exact = cost(arch)
        assert (one.params, one.macs, one.activations) == (exact.params, exact.macs, exact.activations), one.name
        assert (arch.name, arch.resolution) == (one.name, one.resolution)
        assert arch.classes == (10 if "cifar" in one.base else 1000)


def test_a_variant_is_what_its_facts_say(found: Variants) -> None:
    for place in range(0, len(found), 97):
        one = found.variant(place)
        made = architecture(one.base)
        made = made if one.reduction is None else made.with_reduction(one.reduction)
        made = made.scaled(width=one.width, depth=one.depth).with_resolution(one.resolution)
        assert made.hash == found.arch(place).hash


def test_each_network_stands_once(found: Variants) -> None:
    keys = set()
    for place in range(len(found)):
        arch = found.arch(place)
        keys.add((arch.stem, arch.stages, arch.head, arch.channels, arch.resolution))
    assert len(keys) == len(found)
    assert len({found.variant(place).name for place in range(len(found))}) == len(found)


def test_every_member_stands_in_it_as_published(found: Variants) -> None:
    """By its own name; where one is another at a resolution of its own (MobileNetV1 at 160 px), by that."""
    places = {found.variant(place).name: place for place in range(len(found))}
    for base in every_member(families_named(FEW)):
        arch = architecture(base.name)
        assert found.arch(places[base.name]).hash == arch.hash
        assert int(found.resolution[places[base.name]]) == arch.resolution
        assert int(found.macs[places[base.name]]) == cost(arch).macs


def test_resolutions_are_allowed_ones() -> None:
    table = space(every_member(families_named(["resnet"]), classes=7), variants=200, sides=(96, 160))
    assert {96, 160} <= set(table.resolution.tolist()) <= set(range(96, 161, STEP))
    assert table.arch(0).classes == 7
    only = space(every_member(families_named(["resnet"])), variants=100, sides=(225, 230))
    assert set(only.resolution.tolist()) == {230}


def test_no_variant_is_lopsided(found: Variants) -> None:
    """Depth, width squared and resolution squared: what each multiplies MACs by."""
    for place in range(len(found)):
        one = found.variant(place)
        factors = (one.depth, one.width**2, (one.resolution / architecture(one.base).resolution) ** 2)
        assert max(factors) / min(factors) <= LOPSIDED, one.name
    assert lopsidedness(0.5, 1.0) == 4.0 and lopsidedness(1.0, 2.0, 0.5) == 8.0


def test_small_pictures_keep_a_map_to_the_end() -> None:
    table = space(every_member(families_named(["resnet", "inception", "alexnet"])), variants=300, sides=(32, 64))
    assert len(table) > 100 and {"resnet", "alexnet"} <= {table.variant(place).family for place in range(len(table))}
    for place in range(0, len(table), 11):
        one = table.variant(place)
        rows = cost(table.arch(place).without_head()).leaves[1]
        assert rows >= LAST_MAP
        if one.reduction is not None:  # one stride more would leave too few
            more = architecture(one.base).with_reduction(2 * one.reduction)
            assert cost(more.without_head(), resolution=one.resolution).leaves[1] < LAST_MAP


def test_strides_are_taken_away_only_where_they_must() -> None:
    arch = architecture("resnet18")
    assert [stride_for(arch, side) for side in (224, 112, 97, 96, 64, 32, 16, 4)] == [None, None, None, 16, 16, 8, 4, 1]
    with pytest.raises(ShapeError, match="fewer than 4 rows of 3 px"):
        stride_for(arch, 3)


def test_bases_of_a_layout() -> None:
    (base,) = smallest_members(families_named(["efficientnet"]), classes=5, channels=1)
    assert (base.name, base.arch.classes, base.arch.channels, base.home) == ("efficientnet_b0", 5, 1, 224)
    forms = formed([base], [(0.5, 1.0), (1.0, 1.0), (1.0, 0.9), (1.0, 1e-6)])
    table = costed(forms, lambda source: (32, 224))
    scaled = {(table.variant(place).width, table.variant(place).depth) for place in range(len(table))}
    assert (1.0, 1.0) in scaled and (0.5, 1.0) in scaled
    assert {table.variant(place).reduction for place in range(len(table))} == {None, 8}


def test_latencies_are_those_that_were_predicted(found: Variants) -> None:
    table = found.where(np.arange(0, len(found), 10))
    timed = table.timed(clock_of(lambda archs: np.array([cost(arch).macs / 1e9 for arch in archs])))
    assert np.allclose(timed.column("latency"), table.macs / 1e9)
    shuffled = table.where(np.random.default_rng(0).permutation(len(table)))
    assert shuffled.timed(lambda archs, sides: [np.array(own, float) for own in sides]).latency.tolist() == (
        shuffled.resolution.tolist()
    )
    with pytest.raises(ValueError, match="no latency"):
        table.column("latency")


def test_unknown_families_have_neighbours() -> None:
    with pytest.raises(UnknownNameError, match=r"--families: unknown family 'resnett' \(allowed: resnet"):
        families_named(["resnet", "resnett"])
    assert [family.name for family in families_named(None)] == [family.name for family in families()]
    assert len(families_named(["resnet", "resnet"])) == 1


def test_a_network_without_classifier_is_an_error_of_its_own() -> None:
    with pytest.raises(TransformError):
        architecture("resnet18").without_head().with_classes(3)


@given(st.floats(0.05, 0.95), st.floats(1.05, 8), st.integers(1, 40))
def test_multipliers(low: float, high: float, count: int) -> None:
    found = spaced(low, high, count)
    assert 1.0 in found and list(found) == sorted(set(found)) and len(found) <= count
    assert all(float(f"{value:.3g}") == value for value in found)
    if count >= 3:
        assert math.isclose(found[0], low, rel_tol=0.01) and math.isclose(found[-1], high, rel_tol=0.01)


@given(st.integers(1, 700), st.integers(0, 700), st.integers(1, 50))
def test_resolutions(low: int, more: int, count: int) -> None:
    sides = sides_between(low, low + more)
    assert sides and all(low <= side <= low + more for side in sides) and list(sides) == sorted(set(sides))
    fewer = some(sides, count)
    assert len(fewer) == min(count, len(sides)) == len(set(fewer)) and set(fewer) <= set(sides)
    assert fewer[-1] == sides[-1] and (len(fewer) == 1 or fewer[0] == sides[0])


@given(st.integers(1, 10**6), st.integers(1, 100))
def test_a_grid_has_at_least_as_many(each: int, sides: int) -> None:
    widths, depths = divided(each, sides)
    assert widths * depths * max(1, min(sides, round(each ** (1 / 3)))) >= each


def test_around_a_resolution() -> None:
    assert around(224)[0] == 112 and around(224)[-1] == 336 and around(32) == (16, 24, 32, 40, 48)


def test_resolutions_as_written() -> None:
    assert sides_of("224") == (224, 224)
    assert sides_of("96..320") == sides_of(" 96 px .. 320px ") == (96, 320)


@pytest.mark.parametrize("text", ["", "..", "96..", "320..96", "0", "1..99999", "2.5", "-5", "224 cm", "१२"])
def test_resolutions_misspelt(text: str) -> None:
    with pytest.raises(BudgetError, match=r"^--resolution: "):
        sides_of(text)


@given(st.text(max_size=12))
def test_any_text_is_a_resolution_or_the_typed_error(text: str) -> None:
    try:
        low, high = sides_of(text)
    except BudgetError:
        return
    assert 1 <= low <= high

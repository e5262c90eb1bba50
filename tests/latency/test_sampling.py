"""Which networks are timed: random relatives of the registered ones, within limits, and never without end."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from tests.latency.small import small
from vertebra.arch.architecture import Architecture
from vertebra.arch.node import Primitive
from vertebra.arch.stage import Stage
from vertebra.costs.count import cost
from vertebra.errors import ProfileError
from vertebra.latency import sampling
from vertebra.latency.sampling import ATTEMPTS, COPIES, MACS, PARAMS, SIDES, SMALL_SIDES, WHOLE, samples, shallow
from vertebra.latency.units import tally
from vertebra.zoo.entry import Entry, Family
from vertebra.zoo.registry import architecture, families


def family(arch: Architecture) -> Family:
    """A family of a user's own with one member."""
    plain = families()[0]
    entries = (Entry(arch.name, lambda: arch),)
    fields = {name: getattr(plain, name) for name in Family.__struct_fields__}
    return Family(**fields | {"name": "own", "entries": entries})


DRAWN = list(islice(samples(families(), 3), 120))


def test_they_stay_within_the_limits() -> None:
    for one in DRAWN:
        costs = cost(one.arch)
        assert MACS[0] <= costs.macs <= MACS[1] and costs.params <= PARAMS[one.whole]
        assert one.arch.resolution in SIDES
        assert one.whole or all(stage.depth <= COPIES for stage in one.arch.stages)


def test_large_networks_are_there_and_seldom() -> None:
    """What they take in all is bounded: of twice the MACs there are half as many."""
    macs = [cost(one.arch).macs / (1 + one.whole) for one in islice(samples(families(), 5), 300)]
    ordinary, large, huge = (sum(low <= of < 2 * low for of in macs) for low in (2e8, 8e8, 1.6e9))
    assert ordinary > 2 * large > 2 * huge > 0


def test_small_resolutions_are_there_more_often() -> None:
    sides = Counter(one.arch.resolution for one in islice(samples(families(), 5), 300))
    small = [sides[side] for side in SIDES[:SMALL_SIDES]]
    assert min(small) > 1.5 * sum(sides[side] for side in SIDES[SMALL_SIDES:]) / (len(SIDES) - SMALL_SIDES)


def test_every_so_many_keep_their_depth() -> None:
    assert [one.whole for one in DRAWN] == [place % WHOLE == WHOLE - 1 for place in range(len(DRAWN))]
    assert any(stage.depth > COPIES for one in DRAWN if one.whole for stage in one.arch.stages)


def test_most_families_and_many_makes_are_among_them() -> None:
    assert len(Counter(one.family for one in DRAWN)) > 0.7 * len(families())
    kinds = {(unit.kind, unit.act) for one in DRAWN for unit in tally(one.arch)}
    assert {kind for kind, _ in kinds} >= {"conv", "depthwise", "grouped", "linear", "concat", "gate"}
    assert len({act for _, act in kinds}) >= 7
    assert len({one.arch.hash for one in DRAWN}) > 100


def test_a_seed_says_which() -> None:
    again = list(islice(samples(families(), 3), 20))
    assert again == DRAWN[:20]
    assert list(islice(samples(families(), 4), 20)) != again


def test_families_that_are_left_out() -> None:
    some = [one for one in families() if one.name != "resnet"][:3]
    assert {one.family for one in islice(samples(some), 20)} <= {one.name for one in some}


def test_two_copies_of_a_block() -> None:
    """What comes after the second copy is what the second was: the same units, fewer times."""
    whole = architecture("resnet50")
    cut = shallow(whole)
    assert [stage.depth for stage in cut.stages] == [2, 2, 2, 2] != [stage.depth for stage in whole.stages]
    assert tally(cut).keys() == tally(whole).keys()


class _Squared(Primitive, frozen=True):
    """A user's own kind of layer, without a rule."""


def test_families_without_a_network_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ATTEMPTS >= 1000, "families whose members seldom fit get their chance"
    monkeypatch.setattr(sampling, "ATTEMPTS", 30)
    own = small("own", 64)
    unknown = Architecture("unknown", own.stem, (*own.stages, Stage(_Squared())), own.head, 96)
    huge = own.scaled(width=16.0)
    for strange in (huge, unknown):
        with pytest.raises(ProfileError, match=r"own: no network to time \(allowed: from 1,000,000 to "):
            next(samples([family(strange)]))
    with pytest.raises(ProfileError, match="no family: no network to time"):
        next(samples([]))


def test_a_family_of_a_users_own() -> None:
    assert next(samples([family(small("mine", 64))])).family == "own"

"""The frontier: what none of the family beats, and the best for each budget."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vertebra.costs import cost
from vertebra.costs.budget import Range
from vertebra.errors import BudgetError, UsageError
from vertebra.scale.bases import every_member, families_named
from vertebra.scale.frontier import COUNTS, Frontier, budgets_of, frontier, frontier_of
from vertebra.scale.references import bracketed, references
from vertebra.scale.space import space
from vertebra.scale.variants import Variant, Variants, clock_of
from vertebra.zoo import architecture, entry

FEW = ("resnet", "mobilenet_v2", "cifar_plain", "cifar_resnet")


def clock(archs) -> np.ndarray:
    """A made-up latency that neither MACs nor activations decide alone."""
    costs = [cost(arch) for arch in archs]
    return np.array([0.05 + one.macs / 4e8 + one.activations / 2e6 for one in costs])


@pytest.fixture(scope="module")
def table() -> Variants:
    return space(every_member(families_named(FEW), classes=1000), variants=500).timed(clock_of(clock))


@pytest.fixture(scope="module")
def known() -> tuple:
    return references(families_named(FEW), classes=1000)


@pytest.fixture(scope="module")
def found(table: Variants, known: tuple) -> Frontier:
    return frontier_of(table, {"latency": Range(1.0, 20.0)}, paid="latency", known=known)


def everyone(found: Frontier) -> list[Variant]:
    return [found.variants.variant(place) for place in range(len(found.variants))]


def pays(one: Variant, paid: str) -> float:
    return one.latency_ms if paid == "latency" else getattr(one, paid)


@pytest.mark.parametrize("paid", ["latency", "macs", "params"])
def test_none_of_the_family_beats_what_is_on_it(table: Variants, known: tuple, paid: str) -> None:
    """The definition, over all pairs."""
    found = frontier_of(table, {}, paid=paid, known=known)
    every = everyone(found)
    held = [one for one in COUNTS if one != paid]
    values = np.array([[-pays(one, paid), *(getattr(one, name) for name in held)] for one in every])
    family = np.array([one.family for one in every])
    assert found.held == tuple(held) and len(every) == len(table)
    for place, own in enumerate(values):
        mine = values[family == family[place]]
        beaten = ((mine >= own).all(axis=1) & (mine > own).any(axis=1)).any()
        assert found.mask[place] == (not beaten), every[place].name


def test_what_is_paid_ascends_and_keeps_its_limit(found: Frontier) -> None:
    latency = found.variants.latency
    assert (np.diff(latency) >= 0).all() and latency.max() <= 20.0
    assert latency.min() < 1.0  # cheaper ones are eligible for the first budget,
    assert (latency[found.places] >= 1.0).all()  # but nobody asked for their part of the frontier


def test_the_best_for_each_budget(found: Frontier) -> None:
    """Of all within the budget the one that holds the best member, then the one with most MACs: on the frontier."""
    assert found.budgets == (1.0, 2.0, 5.0, 10.0, 20.0)
    every = everyone(found)
    for one in found.best:
        within = [
            (found.bracket.above_of(place), other)
            for place, other in enumerate(every)
            if other.family == one.variant.family and other.latency_ms <= one.budget
        ]
        top = max(above.top1 if above else -1 for above, _ in within)
        assert (one.above.top1 if one.above else -1) == top
        rivals = [other.macs for above, other in within if (above.top1 if above else -1) == top]
        assert one.variant.macs == max(rivals) and one.variant.latency_ms <= one.budget
        assert found.mask[every.index(one.variant)]
    for budget in found.budgets:
        mine = [one for one in found.best if one.budget == budget]
        assert len({one.variant.family for one in mine}) == len(mine) > 0


def test_families_stand_by_what_is_published(found: Frontier) -> None:
    """ImageNet first, CIFAR-10 then, and last what has no published accuracy (He et al. 2016 drew that of plain
    networks, and did not print it)."""
    last = [one for one in found.best if one.budget == 20.0]
    assert [one.variant.family for one in last[-2:]] == ["cifar_resnet", "cifar_plain"]
    assert last[-1].above is None and last[-1].below is None
    imagenet = [one.above.top1 for one in last if one.above and one.above.task == 1000]
    assert imagenet == sorted(imagenet, reverse=True) and len(imagenet) == 2


def test_a_published_network_holds_itself(table: Variants, known: tuple) -> None:
    """And is held by no worse one than the next better that is larger in all counts."""
    bracket = bracketed(table, known)
    names = {table.variant(place).name: place for place in range(len(table))}
    for name in ("resnet50", "resnet101", "mobilenet_v2"):
        above = bracket.above_of(names[name])
        assert above.top1 >= entry(name)[1].accuracy.top1
    assert bracket.above_of(names["resnet18"]).name == "resnet18"
    assert bracket.below_of(names["resnet18"]).name == "resnet34"
    assert bracket.top1[names["resnet18"]] == 69.758


def test_what_stands_between_two_published_ones_does(table: Variants, known: tuple) -> None:
    bracket = bracketed(table, known)
    for place in range(0, len(table), 7):
        one, above, below = table.variant(place), bracket.above_of(place), bracket.below_of(place)
        rivals = [other for other in known if other.family == one.family]
        held = [other for other in rivals if all(getattr(other, name) <= getattr(one, name) for name in COUNTS)]
        assert above == (max(held, key=lambda other: other.top1) if held else None)
        if below is not None:
            assert all(getattr(below, name) >= getattr(one, name) for name in COUNTS)
            assert above is None or below.top1 >= above.top1


def test_without_its_strides_nothing_published_is_known_of_a_network() -> None:
    """Counts of a network for pictures of 24 px say nothing of accuracies at 224 px."""
    found = frontier(families_named(["resnet", "cifar_resnet"]), limits={}, variants=100, sides=(24, 24))
    for one in found.best:
        assert (one.variant.reduction is None) == (one.variant.family == "cifar_resnet")
        assert one.variant.reduction is None or (one.above, one.below) == (None, None)
    assert any(one.above for one in found.best)


def test_references_count_what_variants_count(known: tuple) -> None:
    """At the resolution of the accuracy, with the variants' classes: CIFAR networks with 1000 here."""
    by_name = {one.name: one for one in known}
    resnet200 = by_name["resnet200"]
    assert (resnet200.resolution, resnet200.macs) == (320, cost(architecture("resnet200"), resolution=320).macs)
    small = by_name["cifar_resnet20"]
    exact = cost(architecture("cifar_resnet20").with_classes(1000))
    assert (small.params, small.task, small.resolution) == (exact.params, 10, 32)
    assert [one.top1 for one in known] == sorted(one.top1 for one in known)


@pytest.mark.parametrize(
    ("reach", "values", "budgets"),
    [
        (Range(1, 50), [0.3, 90], (1, 2, 5, 10, 20, 50)),
        (Range(3, 8), [0.3, 90], (3, 5, 8)),
        (Range(most=8), [0.3, 90], (8,)),
        (Range(least=3), [0.3, 9], (3, 5, 9)),
        (Range(), [0.3, 9], (0.5, 1, 2, 5)),
        (Range(), [1e3, 2e8], (1e3, 1e4, 1e5, 1e6, 1e7, 1e8)),
        (Range(5, 5), [0.3, 9], (5,)),
        (Range(), [3.0, 4.0], (4.0,)),
    ],
)
def test_budgets(reach: Range, values: list[float], budgets: tuple[float, ...]) -> None:
    found = budgets_of(reach, np.array(values))
    assert found == pytest.approx(budgets)


def test_the_whole_way_from_families() -> None:
    asked = []

    def heard(archs, sides):
        asked.append(sum(map(len, sides)))
        return clock_of(clock)(archs, sides)

    found = frontier(
        families_named(["resnet"]), limits={"latency": Range(most=8.0), "params": Range(1e6, 2e7)}, clock=heard,
        interval=lambda arch: (0.0, cost(arch).macs / 1.0), variants=100,
    )  # fmt: skip
    assert found.paid == "latency" and found.laid_out >= 100
    assert ((found.variants.params >= 1e6) & (found.variants.params <= 2e7)).all()
    assert len(asked) == 1 and asked[0] < found.laid_out  # only what keeps the exact limits is predicted
    assert found.best and all(one.variant.latency_ms <= 8 for one in found.best)
    assert all(one.interval == (0.0, one.variant.macs) for one in found.best)


def test_without_a_clock_macs_or_parameters_are_paid() -> None:
    resnet = families_named(["resnet"])
    assert frontier(resnet, limits={}, variants=50).paid == "macs"
    assert frontier(resnet, limits={"macs": Range(most=5e9), "params": Range(most=3e7)}, variants=50).paid == "macs"
    found = frontier(resnet, limits={"params": Range(5e6, 3e7)}, variants=50)
    assert found.paid == "params" and found.held == ("macs", "activations")
    with pytest.raises(UsageError, match="nothing predicts it"):
        frontier(resnet, limits={"latency": Range(most=5)}, variants=50)
    for families, number in (([], 5), (resnet, 0)):
        with pytest.raises(UsageError, match=r"variants of \d families \(allowed: at least one of each\)"):
            frontier(families, limits={}, variants=number)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"macs": Range(most=1000)}, r"--macs: no variant has at most 1,000 MACs; the least is [\d,]+ MACs \(resnet"),
        ({"params": Range(least=1e12)}, r"--params: no variant has at least [\d,]+ parameters; the most is [\d,]+ p"),
        (
            {"macs": Range(most=1e9), "params": Range(least=5e7)},
            r"no variant keeps all limits: at most 1,000,000,000 MACs and at least 50,000,000 parameters; the nearest, "
            r"resnet[-\w.]+, has 1,\d{3},\d{3},\d{3} MACs and [34]\d,\d{3},\d{3} parameters; of [\d,]+ "
            r"variants --macs alone leaves [\d,]+, --params alone leaves [\d,]+",
        ),
        (  # between two variants
            {"macs": Range(least=1_000_000_001, most=1_000_000_002)},
            r"--macs: no variant has at least [\d,]+ MACs and at most [\d,]+ MACs; the nearest is [\d,]+ MACs \(resnet",
        ),
    ],
)
def test_impossible_limits_say_what_binds(limits, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        frontier(families_named(["resnet"]), limits={**limits, "activations": Range(most=1e12)}, variants=60)


def test_pictures_that_no_network_fits() -> None:
    with pytest.raises(BudgetError, match="no network fits pictures this small"):
        frontier(families_named(["inception"]), limits={}, variants=20, sides=(1, 2))


def test_latency_that_nothing_keeps(table: Variants, known: tuple) -> None:
    with pytest.raises(BudgetError, match=r"--latency: no variant has at most 0.001 ms; the least is 0\.\d+ ms \("):
        frontier_of(table, {"latency": Range(most=1e-3)}, paid="latency", known=known)


def test_a_latency_that_only_smaller_networks_keep_is_not_said_to_be_impossible() -> None:
    def clock(archs, sides):
        each = zip(archs, sides, strict=True)
        return [np.array([cost(arch, resolution=side).macs / 1e9 for side in own]) for arch, own in each]

    limits = {"latency": Range(most=2.0), "macs": Range(least=5e9)}
    said = r"no variant with at least 5,000,000,000 MACs has at most 2 ms; the least is [5-9]\.\d+ ms \(resnet"
    with pytest.raises(BudgetError, match=said):
        frontier(families_named(["resnet"]), limits=limits, clock=clock, variants=60)


def test_counts_are_whole_numbers_and_latencies_finite(found: Frontier) -> None:
    assert all(column.dtype == np.int64 for column in (found.variants.macs, found.variants.params))
    assert all(math.isfinite(one.variant.latency_ms) for one in found.best)

"""The largest phi that fits, against brute force over a fine grid; what binds; what cannot be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scale.networks import DIPPING, DIPPING_PARAMS, GROUPED, Point, grid, same
from vertebra.arch import Architecture, Conv, Stage, replace
from vertebra.costs import cost
from vertebra.costs.memory import memory
from vertebra.errors import ArchitectureError, BudgetError, ShapeError, TransformError, UsageError
from vertebra.scale import Compound, to
from vertebra.scale.search import HOPELESS
from vertebra.scale.solve import at
from vertebra.zoo import architecture

LOW, HIGH, COUNT = -12.0, 4.0, 640
NETWORKS = {
    **{name: architecture(name) for name in ("cifar_resnet20", "mobilenet_v2", "efficientnet_b0", "resnext50_32x4d")},
    "dipping": DIPPING,
    "grouped": GROUPED,
}
SLOPES = {
    "compound": Compound(),
    "width": Compound(1.0, 1.1, 1.0),
    "depth and resolution": Compound(1.2, 1.0, 1.15),
}


def points(name: str, slope: str) -> tuple[Point, ...]:
    return grid(NETWORKS[name], SLOPES[slope], LOW, HIGH, COUNT)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(NETWORKS)), st.sampled_from(sorted(SLOPES)), st.data())
def test_the_largest_is_that_of_brute_force(name: str, slope: str, data: st.DataObject) -> None:
    """Budgets between what networks on the grid cost, one or both; the grid ends where none fits any more."""
    found = points(name, slope)
    one, other = (data.draw(st.sampled_from(found[: -COUNT // 4])) for _ in range(2))
    budgets = data.draw(
        st.sampled_from([{"macs": one.macs}, {"params": one.params}, {"macs": one.macs, "params": other.params}])
    )
    largest = max(
        (point.phi for point in found if all(getattr(point, key) <= most for key, most in budgets.items())),
        default=None,
    )
    if largest is None or largest > HIGH - 1:
        return
    solution = to(NETWORKS[name], **budgets, coefficients=SLOPES[slope])
    costs = cost(solution.arch)
    assert all(getattr(costs, key) <= most for key, most in budgets.items())
    point = next(point for point in found if point.phi == largest)
    # A step that is narrower than the grid may lie above.
    assert solution.phi > largest or same(solution.arch, point.arch)
    assert solution.phi < largest + 2 * (HIGH - LOW) / COUNT or same(solution.arch, point.arch)
    assert solution.above is not None and solution.binds
    above = cost(solution.above)
    assert set(solution.binds) == {key for key, most in budgets.items() if getattr(above, key) > most}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("slope", SLOPES)
def test_what_the_search_takes_for_granted(name: str, slope: str) -> None:
    """Where costs fall as phi grows, they do not fall by so much."""
    for key in ("params", "macs"):
        highest = 0.0
        for point in points(name, slope):
            if point.phi == 0:
                continue  # the base itself, with widths of its own
            highest = max(highest, getattr(point, key))
            assert highest < HOPELESS * getattr(point, key)


def test_costs_do_fall_where_phi_grows() -> None:
    """So that a bisection would not do: see ``DIPPING`` for the counts."""
    below, above = (cost(DIPPING.scaled(width=width)).params for width in (0.999, 1.001))
    assert (below, above) == (DIPPING_PARAMS["below"], DIPPING_PARAMS["above"])
    assert below > above
    solution = to(DIPPING, params=below - 1, only=("width",))
    assert solution.width > 1 and cost(solution.arch).params == above


def test_the_largest_efficientnet_of_600_million_macs() -> None:
    solution = to(architecture("efficientnet_b0"), macs="600M")
    # B1, at 240 px, has 0.7 billion (Tan and Le 2019, table 2).  Its depths come with the first phi above 0.
    depths = [stage.depth for stage in architecture("efficientnet_b1").stages]
    assert [stage.depth for stage in solution.arch.stages] == depths and 224 <= solution.resolution < 240
    assert solution.phi > 0
    assert solution.cost.macs <= 600e6 < cost(solution.above).macs
    assert solution.binds == ("macs",)
    assert solution.width == pytest.approx(1.1**solution.phi)
    assert solution.depth == pytest.approx(1.2**solution.phi)
    assert solution.resolution == solution.arch.resolution == int(224 * 1.15**solution.phi + 0.5)
    assert same(Compound().of(architecture("efficientnet_b0"), solution.phi), solution.arch)


def test_its_own_cost_as_a_budget_gives_the_network_or_a_larger_one() -> None:
    for name in ("resnet18", "efficientnet_b0", "densenet121"):
        arch = architecture(name)
        solution = to(arch, macs=cost(arch).macs)
        assert solution.phi >= 0 and cost(solution.arch).macs <= cost(arch).macs


def test_below_zero_it_shrinks() -> None:
    solution = to(architecture("resnet50"), macs="500M", params="5M")
    assert solution.phi < 0 and solution.width < 1 and solution.resolution < 224
    assert solution.cost.macs <= 500e6 and solution.cost.params <= 5e6


def test_several_budgets_and_which_one_binds() -> None:
    arch = architecture("efficientnet_b0")
    loose, tight = to(arch, macs="600M"), to(arch, macs="600M", params="6M")
    assert tight.phi < loose.phi and tight.binds == ("params",) and tight.cost.params <= 6e6
    assert to(arch, macs="600M", params="1G").phi == loose.phi


def test_memory_is_weights_and_peak_activations() -> None:
    arch = architecture("cifar_resnet20")
    solution = to(arch, memory="2MB")
    assert solution.memory_bytes == memory(solution.arch).inference_total_bytes <= 2e6
    assert memory(solution.above).inference_total_bytes > 2e6 and solution.binds == ("memory",)


@pytest.mark.parametrize("dimension", ["width", "depth", "resolution"])
def test_one_dimension_alone_or_all_but_one(dimension: str) -> None:
    arch = architecture("efficientnet_b0")
    alone, fixed = to(arch, macs="900M", only=(dimension,)), to(arch, macs="900M", fixed=(dimension,))
    for solution, moves in ((alone, {dimension}), (fixed, {"width", "depth", "resolution"} - {dimension})):
        moved = {
            "width": solution.width != 1,
            "depth": [stage.depth for stage in solution.arch.stages] != [stage.depth for stage in arch.stages],
            "resolution": solution.resolution != 224,
        }
        assert {name for name, did in moved.items() if did} == moves
        assert 700e6 < solution.cost.macs <= 900e6


def test_no_budget_binds_where_multipliers_end() -> None:
    solution = to(architecture("cifar_resnet20"), params=1e15, only=("resolution",))
    assert solution.resolution == 16 * 32 and solution.binds == () and solution.above is None
    assert "no budget binds" in solution.why


def test_why_says_what_the_next_costs() -> None:
    solution = to(architecture("mobilenet_v2"), macs="200M")
    assert solution.why.startswith("macs binds: the next larger network, mobilenet_v2")
    assert solution.why.endswith(f" px (phi {solution.above_phi:g}), has {cost(solution.above).macs:,} MACs")
    assert solution.above_phi > solution.phi
    assert same(Compound().of(architecture("mobilenet_v2"), solution.above_phi), solution.above)


def test_of_networks_that_are_equally_near_the_base_is_named() -> None:
    """The parameters do not follow the resolution."""
    with pytest.raises(BudgetError, match=r"the nearest, resnet18 at 224 px \(phi 0\), has 11,689,512 parameters"):
        to(architecture("resnet18"), params="4M", only=("resolution",))


def test_a_phi_at_which_there_is_no_network() -> None:
    with pytest.raises(TransformError, match=r"no network at phi -100: .*; name one nearer to 0, or a budget"):
        at(architecture("efficientnet_b0"), -100)


def test_a_network_that_only_fits_some_widths() -> None:
    """Of its widths only multiples of 24 can be split in three groups.

    With c channels: 3 c in the stem, 2 * 9 c * c / 3 in the stage, 10 c + 10 in the classifier.
    """
    for channels in (24, 48, 72, 96):
        params = 13 * channels + 6 * channels**2 + 10
        for spare in (0, 5 * channels):
            found = to(GROUPED, params=params + spare, only=("width",))
            assert found.arch.stages[0].block.out == channels and found.cost.params == params


# -- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cifar_resnet20", "mobilenet_v2"])
def test_an_impossible_budget_names_the_nearest(name: str) -> None:
    """Nothing on the grid has fewer parameters than what the error names."""
    with pytest.raises(BudgetError) as caught:
        to(NETWORKS[name], params=100)
    line = str(caught.value)
    assert line.startswith("no network fits 100 parameters; the nearest, ") and line.endswith(": params binds")
    (least,) = re.findall(r"has ([0-9,]+) parameters", line)
    smallest = min(point.params for point in grid(NETWORKS[name], Compound(), -40.0, -10.0, 300))
    assert int(least.replace(",", "")) == smallest > 100


def test_of_impossible_budgets_the_worst_decides() -> None:
    with pytest.raises(BudgetError, match=r"no network fits 100 parameters and 600,000,000 MACs; .*: params binds"):
        to(architecture("cifar_resnet20"), params=100, macs="600M")


@pytest.mark.parametrize(
    ("budgets", "error", "said"),
    [
        ({}, UsageError, "no budget is given (allowed: macs, params, memory, latency)"),
        ({"macs": "600X"}, BudgetError, "--macs: '600X' is not understood (allowed: 50M, 1.5G or a number)"),
        ({"memory": "-1MB"}, BudgetError, "--memory: '-1MB' is not understood (allowed: 200MB, 1GiB)"),
        ({"latency": "5"}, BudgetError, "--latency: '5' is not understood (allowed: 5ms, 0.01s, 800us)"),
        ({"params": 0}, BudgetError, "--params: 0 is no budget (allowed: a number above 0)"),
        (
            {"latency": "5ms"},
            UsageError,
            "a latency can be neither predicted nor measured (allowed: predict=, measure= or both)",
        ),
    ],
)
def test_budgets_that_make_no_sense(budgets: dict[str, str | float], error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        to(architecture("resnet18"), **budgets)
    assert str(caught.value) == said


def test_networks_that_make_no_sense() -> None:
    with pytest.raises(ArchitectureError, match="expected an architecture, got 'resnet18'"):
        to("resnet18", macs="1G")
    with pytest.raises(ShapeError, match="stem"):
        to(replace(architecture("resnet18"), stem=Conv(8, 7, padding=0), resolution=3), macs="1G")


def test_a_width_that_nothing_writes_cannot_be_scaled() -> None:
    from vertebra.arch import Pool

    arch = Architecture("pools", Pool("max", 3, 2), (Stage(Pool("max", 3)),), resolution=32)
    with pytest.raises(TransformError, match="pools cannot be scaled in width: no width is written in it"):
        to(arch, macs="1M")

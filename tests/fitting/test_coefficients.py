"""The candidates of a grid search: about twice the cost, by exact counts, each network once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import replace
from vertebra.arch.rounding import Rounding
from vertebra.costs import cost
from vertebra.errors import BudgetError, UsageError
from vertebra.fitting.coefficients import ALPHAS, BETAS, TOLERANCE, grid
from vertebra.zoo import architecture
from vertebra.zoo.cifar_resnets import cifar_resnet


def base() -> Architecture:
    """Widths that follow a multiplier to the channel, five blocks a stage: rounding leaves most of the grid."""
    return replace(cifar_resnet(5, resolution=20).scaled(width=0.5), rounding=Rounding(divisor=1))


def nearest(arch: Architecture, least: int, macs: float) -> float:
    """The least distance to so many MACs, by brute force; several resolutions may have it."""
    return min(abs(cost(arch, resolution=side).macs - macs) for side in range(least, 2 * least))


@pytest.mark.parametrize("arch", [base(), architecture("efficientnet_b0")], ids=["cifar", "efficientnet_b0"])
def test_gamma_is_the_resolution_nearest_to_twice_the_cost(arch: Architecture) -> None:
    found, twice = grid(arch), 2 * cost(arch).macs
    assert found.base.arch == arch and found.base.cost == 1
    assert found.candidates
    for one in found.candidates:
        deep_and_wide = arch.scaled(depth=one.alpha, width=one.beta)
        assert abs(one.macs - twice) == nearest(deep_and_wide, arch.resolution, twice)
        assert one.gamma == one.arch.resolution / arch.resolution >= 1
        assert one.macs == cost(one.arch).macs and one.cost == pytest.approx(2, rel=TOLERANCE)
        assert one.blocks == sum(stage.depth for stage in deep_and_wide.stages)


def test_every_pair_is_a_candidate_or_explained_or_beyond_the_constraint() -> None:
    arch = base()
    found = grid(arch)
    pairs = {(one.alpha, one.beta) for one in found.candidates}
    for alpha in ALPHAS:
        for beta in BETAS:
            said = any(line.startswith(f"alpha {alpha:g}, beta {beta:g} at ") for line in found.left_out)
            macs = cost(arch.scaled(depth=alpha, width=beta)).macs
            assert ((alpha, beta) in pairs) + said + (macs > 2 * (1 + TOLERANCE) * cost(arch).macs) == 1
    # Without rounding these would be all with alpha * beta^2 up to 2 (Tan and Le 2019, equation 3).
    assert {(1.0, 1.0), (1.2, 1.1), (2.0, 1.0)} <= pairs
    assert all(1.7 < one.alpha * one.beta**2 * one.gamma**2 < 2.3 for one in found.candidates)


def test_the_base_itself_is_no_candidate() -> None:
    """A target that is near 1 would take it for one, and nothing would grow."""
    found = grid(base(), alphas=(1,), betas=(1, 1.05), target=1.04)
    assert all((one.alpha, one.beta, one.gamma) != (1, 1, 1) for one in found.candidates)
    assert "alpha 1, beta 1 at 20 px is the base itself" in found.left_out


def test_each_network_once() -> None:
    """One block a stage: every alpha above 1 doubles it."""
    found = grid(cifar_resnet(1, resolution=32), alphas=(1, 1.2, 1.6, 2), betas=(1,))
    assert [(one.alpha, one.blocks) for one in found.candidates] == [(1, 3), (1.2, 6)]
    assert found.left_out[0].startswith("alpha 1.6, beta 1 at ")
    assert "is the same network as alpha 1.2, beta 1 at" in found.left_out[0]


@settings(max_examples=25)
@given(
    st.lists(st.floats(1, 4), min_size=1, max_size=3),
    st.lists(st.floats(1, 4), min_size=1, max_size=3),
    st.floats(1.1, 4),
)
def test_any_grid(alphas: list[float], betas: list[float], target: float) -> None:
    arch = cifar_resnet(2, resolution=16)
    try:
        found = grid(arch, alphas=alphas, betas=betas, target=target)
    except BudgetError as error:
        assert "no candidate costs about" in str(error)
        return
    assert len({(one.arch.hash, one.arch.resolution) for one in found.candidates}) == len(found.candidates)
    for one in found.candidates:
        assert one.alpha in alphas and one.beta in betas and one.gamma >= 1
        assert abs(one.macs / (target * cost(arch).macs) - 1) <= TOLERANCE


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"alphas": (0.9,)}, "--alphas: 0.9 (allowed: numbers from 1 to 4, such as 1,1.2,1.4)"),
        ({"betas": (1, float("nan"))}, "--betas: nan (allowed: numbers from 1 to 4, such as 1,1.2,1.4)"),
        ({"betas": ()}, "--betas: no value (allowed: numbers from 1 to 4, such as 1,1.2,1.4)"),
        ({"alphas": (True,)}, "--alphas: True (allowed: numbers from 1 to 4, such as 1,1.2,1.4)"),
        ({"target": 1}, "--target: 1 (allowed: a number above 1, at most 4)"),
        ({"target": "2"}, "--target: '2' (allowed: a number above 1, at most 4)"),
    ],
)
def test_bad_input(arguments: dict, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        grid(cifar_resnet(1), **arguments)
    assert str(caught.value) == line


def test_a_grid_without_candidates_says_what_to_do() -> None:
    with pytest.raises(
        BudgetError,
        match=r"no candidate costs about 2 times cifar_resnet8 at 32 px; the nearest, alpha 4, beta 3 at "
        r"32 px, costs \d\d\.\d\d times as much: name finer",
    ):
        grid(cifar_resnet(1), alphas=(4,), betas=(3, 4))

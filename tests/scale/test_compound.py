"""Compound scaling: its multipliers, its coefficients, and what it makes of B0 at phi 1."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vertebra
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, TransformError, UsageError, VertebraError
from vertebra.scale import Compound, to
from vertebra.scale.solve import at
from vertebra.zoo import architecture


def test_it_stands_at_the_front() -> None:
    assert vertebra.scale.to is to and vertebra.scale.Compound is Compound


def test_the_defaults_are_the_papers() -> None:
    """Tan and Le 2019, section 4: alpha 1.2, beta 1.1, gamma 1.15; 1.2 * 1.21 * 1.3225 = 1.92027."""
    usual = Compound()
    assert (usual.alpha, usual.beta, usual.gamma) == (1.2, 1.1, 1.15)
    assert usual.product == pytest.approx(1.92027)
    assert usual.warning is None


def test_multipliers() -> None:
    width, depth, resolution = Compound().multipliers(2)
    assert (width, depth, resolution) == pytest.approx((1.21, 1.44, 1.3225))
    assert Compound().multipliers(0) == (1, 1, 1)
    assert Compound(1.0, 2.0, 1.0).multipliers(-1) == (0.5, 1, 1)


def test_phi_1_has_the_blocks_of_b2() -> None:
    """B2's multipliers are 1.1 and 1.2 (the authors' code): torchvision counts 9,109,994 parameters; 224 * 1.15."""
    scaled = Compound().of(architecture("efficientnet_b0"), 1)
    assert cost(scaled).params == 9_109_994
    assert scaled.resolution == 258


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v2", "convnext_tiny"])
def test_phi_0_is_the_network_itself(name: str) -> None:
    arch = architecture(name)
    assert Compound().of(arch, 0) == arch
    found = at(arch, 0)
    assert (found.phi, found.width, found.depth, found.arch) == (0, 1, 1, arch)


@given(st.floats(-6, 6))
def test_a_phi_and_its_negative_cancel(phi: float) -> None:
    for one, other in zip(Compound().multipliers(phi), Compound().multipliers(-phi), strict=True):
        assert one * other == pytest.approx(1)


@pytest.mark.parametrize(("coefficients", "said"), [((1.2, 1.1, 1.3), "2.45"), ((1.2, 1, 1), "1.2"), ((2, 2, 2), "32")])
def test_a_product_far_from_two_is_said(coefficients: tuple[float, float, float], said: str) -> None:
    warning = Compound(*coefficients).warning
    assert warning is not None and f"is {said}, not about 2" in warning


@pytest.mark.parametrize("coefficients", [(0.9, 1.1, 1.15), (1.2, 5, 1), (1, 1, 1), (math.nan, 1, 1), ("a", 1, 1)])
def test_coefficients_that_make_no_sense(coefficients: tuple[float, float, float]) -> None:
    with pytest.raises(ArchitectureError, match=r"Compound\.(alpha|beta)"):
        Compound(*coefficients)


def test_dimensions_that_stay() -> None:
    usual = Compound()
    assert usual.restricted(fixed=("resolution",)) == Compound(1.2, 1.1, 1.0)
    assert usual.restricted(only=("width",)) == usual.restricted(only="width") == Compound(1.0, 1.1, 1.0)
    assert usual.restricted(only=("width", "depth")) == usual.restricted(fixed=["resolution"])
    assert usual.restricted() == usual


@pytest.mark.parametrize(
    ("fixed", "only", "said"),
    [
        (("height",), (), "--fixed: unknown dimension 'height' (allowed: width, depth, resolution)"),
        ((), ("widht",), "--only: unknown dimension 'widht' (allowed: width, depth, resolution)"),
        (("width",), ("width",), "both --fixed and --only are given (allowed: one of them)"),
        (
            ("width", "depth", "resolution"),
            (),
            "no dimension is left to scale (allowed: one of width, depth, resolution)",
        ),
    ],
)
def test_dimensions_that_make_no_sense(fixed: tuple[str, ...], only: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Compound().restricted(fixed=fixed, only=only)
    assert str(caught.value) == said


def test_the_only_dimension_must_grow() -> None:
    with pytest.raises(UsageError, match="no dimension is left"):
        Compound(1.0, 1.1, 1.15).restricted(only=("depth",))


@pytest.mark.parametrize("phi", ["1", None, True, math.nan, math.inf, 1e9, -1e9])
def test_phis_that_make_no_sense(phi: float) -> None:
    with pytest.raises(TransformError, match=r"^a (phi|width multiplier) of "):
        Compound().of(architecture("resnet18"), phi)


@given(st.floats(-40, 16))
def test_any_phi_is_a_network_or_a_typed_error(phi: float) -> None:
    """Of a depth six decimals count."""
    try:
        found = Compound().of(architecture("cifar_resnet20"), phi)
    except VertebraError as error:
        assert "\n" not in str(error)
    else:
        assert found.resolution == max(1, math.floor(32 * 1.15**phi + 0.5))
        assert [stage.depth for stage in found.stages] == [max(1, math.ceil(3 * 1.2**phi - 5e-7))] * 3

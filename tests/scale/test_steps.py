"""The steps of phi: nothing changes within one, none is missed, and phi 0 stands apart."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scale.networks import DIPPING, same
from vertebra.arch import Architecture, Conv, Stage
from vertebra.errors import TransformError
from vertebra.scale import Compound
from vertebra.scale.steps import RESOLVED, Path, Step, check_scalable
from vertebra.zoo import architecture

NETWORKS = {
    "efficientnet_b0": architecture("efficientnet_b0"),
    "mobilenet_v2": architecture("mobilenet_v2"),
    "cifar_resnet20": architecture("cifar_resnet20"),
    "dipping": DIPPING,
}
PATHS = {name: Path(arch, Compound()) for name, arch in NETWORKS.items()}
LOW, HIGH = -6.0, 3.0
STEPS = {name: [*path.steps(LOW, 0.0), *path.steps(0.0, HIGH)] for name, path in PATHS.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_are_in_order_and_leave_no_gap(name: str) -> None:
    steps = STEPS[name]
    assert steps[0].low == LOW and steps[-1].high == HIGH
    assert all(step.low <= step.phi <= step.high for step in steps)
    for one, other in pairwise(steps):
        assert 0 <= other.low - one.high <= 4 * RESOLVED


@pytest.mark.parametrize("name", NETWORKS)
def test_neighbours_differ(name: str) -> None:
    """But where the search for changes was cut: at 0."""
    networks = [NETWORKS[name].scaled(width=1.1**s.phi, depth=1.2**s.phi, resolution=1.15**s.phi) for s in STEPS[name]]
    alike = [one.high for one, a, b in zip(STEPS[name], networks, networks[1:], strict=False) if same(a, b)]
    assert set(alike) <= {0.0}


@settings(max_examples=60)
@given(st.sampled_from(sorted(NETWORKS)), st.floats(LOW, HIGH))
def test_a_phi_has_the_network_of_its_step(name: str, phi: float) -> None:
    """Each phi lies in one step (or within a float's error of two), and has the network that stands for it."""
    around = [step for step in STEPS[name] if step.low - RESOLVED <= phi <= step.high + RESOLVED]
    scaled = NETWORKS[name].scaled(width=1.1**phi, depth=1.2**phi, resolution=1.15**phi)
    assert any(same(scaled, Compound().of(NETWORKS[name], step.phi)) for step in around)


def test_a_base_with_widths_of_its_own_is_a_step_of_its_own() -> None:
    """Its stem has 12 channels, and rounds to 16 just above phi 0 and to 8 just below."""
    widths = {step.phi: Compound().of(DIPPING, step.phi).stem.out for step in STEPS["dipping"]}
    assert Step(0.0, 0.0) in STEPS["dipping"]
    near = [widths[phi] for phi in sorted(widths) if -0.2 < phi < 0.2]
    assert near == sorted(near) and set(near) == {8, 12, 16} and near.count(12) == 1


@given(st.floats(-50, 50), st.floats(0, 2))
def test_the_phi_of_a_step_is_in_it(low: float, width: float) -> None:
    assert low <= Step(low, low + width).phi <= low + width


def test_the_phi_of_a_step_has_few_decimals() -> None:
    assert Step(0.1234, 0.9876).phi == 0.98
    assert Step(-0.005, 1e-7).phi == 0
    assert Step(0.12345, 0.12349).phi == 0.1234 or Step(0.12345, 0.12349).phi == 0.12349


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "vgg16", "convnext_tiny", "googlenet", "resnext50_32x4d"])
@pytest.mark.parametrize("dimension", ["width", "depth", "resolution"])
def test_families_can_be_scaled_in_every_dimension(name: str, dimension: str) -> None:
    check_scalable(architecture(name), Compound().restricted(only=(dimension,)))


def test_a_dimension_that_cannot_be_scaled_is_named() -> None:
    # 6 channels in 3 groups: twice is 12, which rounds to 16; half is 3, which rounds to 8
    stuck = Architecture("stuck", Conv(6, 3, groups=3), (Stage(Conv(6, 3)),), resolution=8)
    with pytest.raises(TransformError) as caught:
        check_scalable(stuck, Compound())
    assert str(caught.value).startswith("stuck cannot be scaled in width: ")
    assert str(caught.value).endswith("; leave it with --fixed width")
    check_scalable(stuck, Compound().restricted(fixed=("width",)))

"""Output stride by dilation: the values at the kept positions are the network's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.nn.helpers import images, randomised
from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks import SqueezeExcite
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Act, Conv, Pool
from vertebra.nn import build, features
from vertebra.zoo import architecture

EXACT = ("resnet18", "mobilenet_v2", "densenet121", "tf_efficientnet_lite0", "googlenet", "resnet18d")


@pytest.mark.parametrize("side", [64, 75])
@pytest.mark.parametrize("name", EXACT)
def test_output_stride_keeps_the_values_at_kept_positions(name, side):
    """Chen et al. 2017, section 3.1: dilation computes the same responses on a finer grid.

    DenseNet has average pools, the tf_ networks TensorFlow's padding, GoogLeNet and ResNet-D pools that round up.
    """
    arch = architecture(name).without_head()
    net = randomised(build(arch)).eval()
    x = images(1, 3, side, side + 10)
    with torch.inference_mode():
        coarse = net(x)
        for output_stride in (8, 16):
            fine = build(arch.with_output_stride(output_stride)).eval()
            fine.load_state_dict(net.state_dict())
            step = 32 // output_stride
            torch.testing.assert_close(fine(x)[:, :, ::step, ::step], coarse, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("output_stride", [8, 16])
def test_even_kernels_spread_too(output_stride):
    """Half an even kernel is no whole number of dilated pixels: the padding is written out."""
    nodes = (Conv(6, 2, 2), Conv(6, 4, 1), Conv(6, (2, 3), 2), Conv(6, 2), Pool("max", 3, 2, 1), Conv(6, 1, 1, "same"))
    arch = Architecture("even", seq(a=Conv(6, 3, 4), b=Act()), tuple(Stage(node) for node in nodes), resolution=61)
    net = build(arch).eval()
    fine = build(arch.with_output_stride(output_stride)).eval()
    fine.load_state_dict(net.state_dict())
    x = images(1, 3, 61, 64)
    with torch.inference_mode():
        coarse, step = net(x), 32 // output_stride
        torch.testing.assert_close(fine(x)[:, :, ::step, ::step], coarse, rtol=1e-4, atol=1e-5)


ROUNDINGS = st.sampled_from(("floor", "ceil"))
METHODS = st.sampled_from(("max", "average", "padded_average"))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.one_of(
            st.builds(Conv, st.just(3), st.integers(1, 5), st.integers(1, 2), st.just("same"), st.integers(1, 2)),
            st.builds(Pool, METHODS, st.just(3), st.integers(1, 2), st.just(1), rounding=ROUNDINGS),
            st.builds(Conv, st.just(3), st.integers(1, 5), st.integers(1, 2)),
        ),
        min_size=2,
        max_size=5,
    ),
    st.integers(60, 80),
)
def test_windows_of_any_kind(nodes, extent):
    stem = seq(a=Conv(3, 4, 4, "same"), b=Conv(3, 2, 2, "same"))
    arch = Architecture("windows", stem, tuple(Stage(node) for node in nodes))
    net = randomised(build(arch)).eval().double()
    fine = build(arch.with_output_stride(8)).eval().double()
    fine.load_state_dict(net.state_dict())
    x = images(1, 3, extent, extent + 3).double()
    step = arch.reduction // 8
    with torch.inference_mode():
        torch.testing.assert_close(fine(x)[:, :, ::step, ::step], net(x))


def test_a_squeeze_sees_the_finer_map():
    """So its networks' values differ; docs/features.md says by how much."""
    arch = Architecture("squeezed", Conv(8, 3, 8), (Stage(Conv(8, 3, 2)), Stage(SqueezeExcite(2)), Stage(Conv(8, 3))))
    assert arch.feature_info()[-1].context
    net = randomised(build(arch)).eval()
    fine = build(arch.with_output_stride(8)).eval()
    fine.load_state_dict(net.state_dict())
    x = images(1, 3, 64, 64)
    before, after = features(net, nodes=("stages.0",))(x)[0], features(fine, nodes=("stages.0",))(x)[0]
    torch.testing.assert_close(after[:, :, ::2, ::2], before)
    assert not torch.allclose(fine(x)[:, :, ::2, ::2], net(x))

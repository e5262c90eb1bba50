"""The formulas against the papers' figures, and against what the blocks cost."""

from __future__ import annotations

import pytest

from vertebra.arch import Bottleneck, Conv, DenseLayer, DepthwiseSeparable, SqueezeExcite, Stage
from vertebra.arch.architecture import Architecture
from vertebra.costs import cost
from vertebra.costs.formulas import (
    conv_macs,
    conv_params,
    dense_block_macs,
    dense_channels,
    depthwise_macs,
    depthwise_separable_macs,
    depthwise_separable_ratio,
    resnext_block_macs,
    resnext_lesson_expression,
    squeeze_excite_macs,
)
from vertebra.errors import ShapeError


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("kernel", [1, 3, (1, 7)])
def test_convolutions(kernel, groups):
    node = Conv(12, kernel, groups=groups, bias=True)
    costs = cost(node, resolution=10, channels=8)
    assert costs.macs == 100 * conv_macs(8, 12, kernel, groups)
    assert costs.params == conv_params(8, 12, kernel, groups, bias=True)


@pytest.mark.parametrize(("enters", "out"), [(7, 12), (12, 7)])
def test_groups_that_do_not_divide(enters, out):
    with pytest.raises(ShapeError, match=rf"^3 groups do not divide {enters} channels that enter and {out} that leave"):
        conv_macs(enters, out, 3, 3)


def test_no_groups():
    with pytest.raises(ShapeError, match=r"^0 groups do not divide 8 channels that enter and 8 that leave"):
        conv_macs(8, 8, 3, 0)


def test_depthwise_separable_against_standard():
    """Howard et al. 2017, section 3.1: between 8 and 9 times less computation with 3x3."""
    assert depthwise_macs(64, 3) == 576
    for enters, out in ((32, 64), (512, 512), (7, 1000)):
        ratio = depthwise_separable_macs(enters, out, 3) / conv_macs(enters, out, 3)
        assert ratio == pytest.approx(depthwise_separable_ratio(out, 3))
    assert 8 < 1 / depthwise_separable_ratio(512, 3) < 9
    assert cost(DepthwiseSeparable(64), resolution=5, channels=32).macs == 25 * depthwise_separable_macs(32, 64, 3)


def test_squeeze_and_excitation():
    """Hu et al. 2018, section 4, equation 5: 2 C^2 / r weights a block."""
    block = SqueezeExcite(16)
    for resolution in (7, 56):
        costs = cost(block, resolution=resolution, channels=256)
        assert costs.macs == costs.params == squeeze_excite_macs(256, 16) == 2 * 256 * 256 // 16


def test_dense_growth():
    """Huang et al. 2017, table 1: DenseNet-121's first block of 6 layers grows 64 channels by 32 each to 256."""
    assert dense_channels(64, 32, 6) == 256
    block = Architecture("block", Conv(64), (Stage(DenseLayer(32), 6),), resolution=4)
    costs = cost(block)
    assert costs.leaves == (256, 4, 4)
    assert costs.macs == 16 * (3 * 64 + dense_block_macs(64, 32, 6))


def test_resnext_at_equal_cost():
    """Xie et al. 2017, section 3.2 and table 2: about 70k for each of these pairs of cardinality and width."""
    for cardinality, width in ((1, 64), (2, 40), (4, 24), (8, 14), (32, 4)):
        macs = resnext_block_macs(256, width, cardinality)
        assert 69_000 < macs < 72_000
        node = Bottleneck(256, groups=cardinality, base_width=width)
        assert cost(node, resolution=3, channels=256).macs == 9 * macs
    assert resnext_block_macs(256, 4, 32) == 70_144 and resnext_block_macs(256, 64, 1) == 69_632


def test_the_expression_of_lessons_is_the_grouped_convolution_alone():
    assert resnext_lesson_expression(4, 32) == 4608 == conv_macs(128, 128, 3, 32)
    assert resnext_lesson_expression(64, 1) == 2304 != conv_macs(64, 64, 3) == 36_864

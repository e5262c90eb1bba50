"""Padding and stride arithmetic against windows counted one by one, torch and TensorFlow's rule."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vertebra.arch.rounding import Rounding, round_channels
from vertebra.arch.shapes import KEEP, after, extent, pads, step
from vertebra.errors import ArchitectureError, ShapeError

SIZES = st.integers(1, 60)


@given(SIZES, st.integers(1, 9), st.integers(1, 4), st.integers(0, 4), st.integers(1, 3))
def test_explicit_padding_is_the_number_of_windows_that_fit(size, kernel, stride, padding, dilation):
    span = dilation * (kernel - 1) + 1
    starts = [start for start in range(-padding, size + padding, stride) if start + span <= size + padding]
    if starts:
        assert extent(size, kernel, stride, padding, dilation) == len(starts)
    else:
        with pytest.raises(ShapeError, match="does not fit"):
            extent(size, kernel, stride, padding, dilation)


@given(SIZES, st.integers(1, 9), st.integers(1, 4), st.integers(1, 3))
def test_same_is_tensorflows(size, kernel, stride, dilation):
    """tf.nn.convolution: ceil(size / stride), padding max((out - 1) * stride + span - size, 0), its odd rest after."""
    out = math.ceil(size / stride)
    total = max((out - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    assert extent(size, kernel, stride, "same", dilation) == out
    assert pads(size, kernel, stride, "same", dilation) == (total // 2, total - total // 2)


@given(SIZES, st.integers(1, 4).map(lambda n: 2 * n - 1), st.integers(1, 3))
def test_half_keeps_the_size_of_odd_kernels(size, kernel, dilation):
    assert extent(size, kernel, 1, "half", dilation) == size
    assert step(kernel, 1, "half", dilation) == KEEP


@given(SIZES, st.integers(1, 7), st.integers(1, 4), st.integers(1, 3), st.sampled_from(["floor", "ceil"]), st.data())
def test_pooling_as_torch(size, kernel, stride, dilation, rounding, data):
    padding = data.draw(st.integers(0, kernel // 2))
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        return
    image = torch.zeros(1, size, 1)
    pooled = torch.nn.functional.max_pool2d(
        image.unsqueeze(0), (kernel, 1), (stride, 1), (padding, 0), (dilation, 1), ceil_mode=rounding == "ceil"
    )
    assert extent(size, kernel, stride, padding, dilation, rounding) == pooled.shape[2]
    assert after(size, step(kernel, stride, padding, dilation, rounding)) == pooled.shape[2]


def test_a_window_larger_than_its_input():
    with pytest.raises(ShapeError) as caught:
        extent(5, 7)
    assert str(caught.value) == (
        "a window of 7 does not fit an input of 5 with padding 0; "
        "use a larger resolution, a smaller kernel or less stride before this layer"
    )


@pytest.mark.parametrize(
    ("channels", "divisor", "expected"),
    # _make_divisible of the TensorFlow models repository (slim/nets/mobilenet), worked by hand; 0.9 guards 11.9 from 8.
    [
        (32 * 1.4, 8, 48),
        (16 * 0.35, 8, 8),
        (11.9, 8, 16),
        (24 * 0.75, 8, 24),
        (1280 * 1.4, 8, 1792),
        (4, 8, 8),
        (12, 8, 16),
    ],
)
def test_channels_round_as_published(channels, divisor, expected):
    assert round_channels(channels, divisor) == expected


@given(st.floats(0.1, 5000), st.sampled_from((1, 4, 8, 16)))
def test_rounded_channels_are_divisible_near_and_never_much_less(channels, divisor):
    rounded = round_channels(channels, divisor)
    assert rounded % divisor == 0 and rounded >= max(divisor, 0.9 * channels)
    assert rounded <= max(divisor, channels + 1.5 * divisor)


def test_a_multiplier_of_one_changes_nothing():
    assert Rounding(8).scaled(30, 1) == 30


def test_rounding_refuses_infinity():
    with pytest.raises(ArchitectureError, match=r"Rounding\.head_floor: expected a finite number, got inf"):
        Rounding(head_floor=math.inf)

"""Primitives against their papers' formulas and torch's functions."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from tests import peers
from tests.nn.helpers import images, randomised
from vertebra.arch.primitives import AdaptivePool, Conv, GlobalResponseNorm, LocalResponseNorm, Pool
from vertebra.errors import ShapeError
from vertebra.nn import build


def test_local_response_norm_is_the_papers():
    """Krizhevsky et al. 2012, section 3.3: the sum runs over the n channels around i, where there are."""
    a = images(2, 7, 3, 3).double()
    k, n, alpha, beta = 2.0, 5, 1e-1, 0.75
    expected = torch.stack(
        [
            a[:, i] / (k + alpha * (a[:, max(0, i - n // 2) : min(6, i + n // 2) + 1] ** 2).sum(1)) ** beta
            for i in range(7)
        ],
        1,
    )
    torch.testing.assert_close(build(LocalResponseNorm(n, alpha, beta, k), channels=7)(a), expected)


def test_global_response_norm_is_the_papers_and_timms():
    """Woo et al. 2023, equations 1 to 3, and algorithm 1: gamma * x * n + beta + x."""
    net = randomised(build(GlobalResponseNorm(), channels=5)).double()
    x = images(2, 5, 4, 3).double()
    energy = x.square().sum((2, 3), keepdim=True).sqrt()
    share = energy / (energy.sum(1, keepdim=True) / 5 + 1e-6)
    gamma, beta = net.gamma[:, None, None], net.beta[:, None, None]
    torch.testing.assert_close(net(x), gamma * x * share + beta + x)
    peers.timm()
    from timm.layers.grn import GlobalResponseNorm as Theirs

    theirs = Theirs(5, channels_last=False).double()
    theirs.load_state_dict({"weight": net.gamma, "bias": net.beta})
    torch.testing.assert_close(net(x), theirs(x))


@pytest.mark.parametrize("extent", [1, 4, (5, 7), (17, 2)])
def test_adaptive_pool_is_torchs(extent):
    x = images(2, 3, 12, 14)
    assert torch.equal(build(AdaptivePool(extent), channels=3)(x), F.adaptive_avg_pool2d(x, extent))
    assert AdaptivePool(extent).output((3, 0, 0)) == (3, *(extent if isinstance(extent, tuple) else (extent, extent)))


@pytest.mark.parametrize("rounding", ["floor", "ceil"])
def test_padded_average_counts_its_zeros(rounding):
    x = images(2, 3, 8, 9)
    pool = Pool("padded_average", 3, 2, 1, rounding=rounding)
    expected = F.avg_pool2d(x, 3, 2, 1, rounding == "ceil", count_include_pad=True)
    assert torch.equal(build(pool, channels=3)(x), expected)
    assert pool.output((3, 8, 9)) == tuple(expected.shape[1:])


@pytest.mark.parametrize("method", ["average", "padded_average"])
@pytest.mark.parametrize("padding", [0, 2, (1, 2)])
def test_an_average_over_dilated_windows(method, padding):
    """The mean over the taps by hand, those beyond the border left out or counted as zeros."""
    x = images(1, 1, 7, 8)
    pool = Pool(method, 3, (1, 2), padding, dilation=2)
    found = build(pool, channels=1)(x)[0, 0]
    rows, columns = padding if isinstance(padding, tuple) else (padding, padding)
    for row in range(found.shape[0]):
        for column in range(found.shape[1]):
            taps = [(row - rows + 2 * i, 2 * column - columns + 2 * j) for i in range(3) for j in range(3)]
            values = [x[0, 0, i, j].item() for i, j in taps if 0 <= i < 7 and 0 <= j < 8]
            count = 9 if method == "padded_average" else len(values)
            assert found[row, column].item() == pytest.approx(sum(values) / count, abs=1e-6)


@pytest.mark.parametrize("node", [AdaptivePool(), LocalResponseNorm(), GlobalResponseNorm()])
def test_maps_alone(node):
    with pytest.raises(ShapeError, match=r"expected a map \(C, H, W\), got \(4,\)"):
        node.output((4,))


STRIDED = """
import torch
from vertebra.arch import Conv
from vertebra.nn import build
net = build(Conv(8, 1, 2), channels=4).train()
for batch in (64, 61, 19):
    for side in (32, 31, 16, 15, 8):
        x = torch.randn(batch, 4, side, side).contiguous(memory_format=torch.channels_last)
        net(x).sum().backward()
print("trained")
"""


def test_strided_1x1_convolutions_of_few_channels_train() -> None:
    """torch 2.13's own end the process here (on CPUs with AVX-512); the values are the same."""
    done = subprocess.run([sys.executable, "-c", STRIDED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["trained"]), done.stderr
    net = build(Conv(8, 1, (2, 3)), channels=4)
    x = images(2, 4, 9, 11)
    torch.testing.assert_close(net(x), torch.nn.functional.conv2d(x, net.weight, stride=(2, 3)))

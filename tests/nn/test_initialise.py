"""Starting values: their distributions against the papers' formulas, and their seeds."""

from __future__ import annotations

import math
from typing import get_args, get_type_hints

import pytest
import torch

from tests.nn.helpers import tiny
from vertebra.arch.architecture import Initialisation, Stage
from vertebra.arch.blocks import ConvNormAct
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Conv, GlobalPool, GlobalResponseNorm, LayerScale, Linear
from vertebra.nn import build
from vertebra.nn.initialise import KERNELS, fans


def wide(**rules):
    """A network whose second convolution and classifier have enough values for statistics."""
    conv = Conv(256, 3, groups=2)
    return tiny(
        stem=ConvNormAct(64),
        stages=(Stage(seq(conv=conv, scale=LayerScale(0.1))),),
        head=seq(pool=GlobalPool(), fc=Linear(128)),
        initialisation=Initialisation(**rules),
    )


def test_fans_are_those_of_one_group():
    """He et al. 2015, section 2.2: fan-in is k * k * inputs, fan-out k * k * outputs; here of one of two groups."""
    assert fans((256, 32, 3, 3), groups=2) == (32 * 9, 128 * 9)
    assert fans((10, 64)) == (64, 10)


@pytest.mark.parametrize(
    ("rule", "deviation"),
    [
        ("he_fan_out", math.sqrt(2 / (128 * 9))),  # He et al. 2015, equation 14
        ("he_fan_in", math.sqrt(2 / (32 * 9))),  # equation 10
        ("truncated_normal", 0.02),  # Liu et al. 2022, ConvNeXt's published code
    ],
)
def test_convolution(rule, deviation):
    kernel = build(wide(conv=rule)).stages[0][0].conv.weight
    standard_error = deviation / math.sqrt(2 * kernel.numel())
    assert kernel.std().item() == pytest.approx(deviation, abs=5 * standard_error)
    assert kernel.mean().item() == pytest.approx(0, abs=5 * deviation / math.sqrt(kernel.numel()))
    assert (kernel.abs() > 2 * deviation).float().mean().item() == pytest.approx(0.0455, abs=0.01)  # a normal's tails


@pytest.mark.parametrize(
    ("rule", "deviation", "bound"),
    [
        ("uniform_fan_in", math.sqrt(1 / 256 / 3), 1 / 16),  # torch's own nn.Linear
        ("uniform_fan_out", math.sqrt(1 / 128 / 3), 1 / math.sqrt(128)),  # EfficientNet's published code
        ("normal", 0.01, 0.06),  # MobileNetV2 in torchvision
        ("truncated_normal", 0.02, 0.12),
    ],
)
def test_classifier(rule, deviation, bound):
    fc = build(wide(linear=rule)).fc
    assert fc.weight.std().item() == pytest.approx(deviation, rel=0.03)
    assert fc.weight.abs().max().item() <= bound
    assert not fc.bias.any()


def test_every_rule_is_in_the_table():
    hints = get_type_hints(Initialisation)
    assert set(KERNELS) == {*get_args(hints["conv"]), *get_args(hints["linear"])}


def test_gains_biases_and_statistics():
    net = build(wide())
    norm = net.stem.norm
    assert torch.equal(norm.weight, torch.ones(64)) and not norm.bias.any()
    assert not norm.running_mean.any() and torch.equal(norm.running_var, torch.ones(64))
    assert norm.num_batches_tracked.item() == 0
    assert torch.equal(net.stages[0][0].scale.gamma, torch.full((256,), 0.1))
    energies = build(GlobalResponseNorm(), channels=4)
    assert not energies.gamma.any() and not energies.beta.any()  # Woo et al. 2023: the identity at first


def test_seed_decides_and_the_global_generator_does_not():
    torch.manual_seed(1)
    first = build(tiny(), seed=3).state_dict()
    after = torch.rand(())
    torch.manual_seed(1)
    assert torch.equal(torch.rand(()), after), "building moved the global generator"
    torch.manual_seed(99)
    again, other = build(tiny(), seed=3).state_dict(), build(tiny(), seed=4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.conv.weight"], other["stem.conv.weight"])


def test_bare_node_follows_the_default_rules():
    kernel = build(Conv(256, 3), channels=64).weight
    assert kernel.std().item() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.02)

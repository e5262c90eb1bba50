"""Exact counts: torch's own parameter count and its flop counter, on the meta device, for every registered network.

At an odd resolution; at 224 px golden.json has the peers' own counts, and one of each family is counted here too.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.selection import EVERY, QUICK, marked
from vertebra.costs import cost
from vertebra.nn import build
from vertebra.zoo import architecture

DEEP = {"cifar_resnet1202", "cifar_resnetv2_1001"}
"""Thousands of layers: seconds each, and made as their smaller kin."""


@pytest.mark.parametrize("name", marked(EVERY, set(EVERY) - DEEP))
def test_params_and_macs_are_torchs(name):
    same(name, 193)


@pytest.mark.parametrize("name", QUICK)
def test_at_the_usual_resolution(name):
    same(name, 224)


def same(name: str, resolution: int) -> None:
    arch = architecture(name)
    with torch.device("meta"):
        net = build(arch).eval()
    assert cost(arch).params == sum(parameter.numel() for parameter in net.parameters())
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        net(torch.zeros(1, 3, resolution, resolution, device="meta"))
    assert 2 * cost(arch, resolution=resolution).macs == counter.get_total_flops()

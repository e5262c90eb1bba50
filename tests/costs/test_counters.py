"""Exact counts: torch's own parameter count and its flop counter, on the meta device, for every registered network."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vertebra.costs import cost
from vertebra.nn import build
from vertebra.zoo import architecture, names


@pytest.mark.parametrize("name", names())
def test_params_and_macs_are_torchs(name):
    arch = architecture(name)
    with torch.device("meta"):
        net = build(arch).eval()
    assert cost(arch).params == sum(parameter.numel() for parameter in net.parameters())
    for resolution in (224, 193):
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            net(torch.zeros(1, 3, resolution, resolution, device="meta"))
        assert 2 * cost(arch, resolution=resolution).macs == counter.get_total_flops()

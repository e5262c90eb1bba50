"""Costing speed: random EfficientNets a second on one core, cold, and against fvcore's counter on EfficientNet-B0.

Each row runs in a fresh process: every tree is distinct, the trees stand before the clock starts (their construction is timed apart), and
``.macs`` is read.  Times are CPU time of the process, so that a busy machine does not count.

    python bench/cost.py [N]
"""

from __future__ import annotations

import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from vertebra.arch import Architecture, ConvNormAct, MBConv, Stage, round_channels, seq
from vertebra.arch.primitives import Act, GlobalPool, Linear
from vertebra.costs import cost
from vertebra.zoo import architecture
from vertebra.zoo.efficientnets import STAGES

RESOLUTIONS = range(128, 321, 16)
SHARES = (0.5, 0.75, 1.0, 1.25, 1.5)


def continuous(rng: random.Random) -> Architecture:
    """B0 scaled by random real numbers: any width, depth and resolution from half to twice its own."""
    base = architecture("efficientnet_b0")
    return base.scaled(width=rng.uniform(0.5, 2), depth=rng.uniform(0.5, 2), resolution=rng.uniform(0.5, 2))


def choices(rng: random.Random) -> Architecture:
    """A search space: five widths a stage, kernels 3 and 5, expansions 3, 4 and 6, any depth up to 4, thirteen resolutions."""
    return _drawn(rng, lambda channels: round_channels(channels * rng.choice(SHARES)))


def every_width(rng: random.Random) -> Architecture:
    """The same with every multiple of 8 from half to one and a half times each width: most blocks are met for the first time."""
    return _drawn(rng, lambda channels: 8 * rng.randint(max(1, channels // 16), 3 * channels // 16))


def _drawn(rng: random.Random, width: Callable[[int], int]) -> Architecture:
    silu = Act("silu")
    stages = tuple(
        Stage(MBConv(width(channels), stride, rng.choice((3, 4, 6)), rng.choice((3, 5))), rng.randint(1, 4))
        for _, _, stride, channels, _ in STAGES
    )
    head = seq(conv=ConvNormAct(width(1280), act=silu), pool=GlobalPool(), fc=Linear(1000))
    return Architecture("drawn", ConvNormAct(width(32), 3, 2, act=silu), stages, head, rng.choice(RESOLUTIONS))


SPACES = {"continuous": continuous, "choices": choices, "every_width": every_width}


def ours(space: str, count: int) -> dict[str, float]:
    """CPU seconds for building and for costing ``count`` distinct networks, and for costing one of them again and again."""
    rng = random.Random(20260101)
    begun = time.process_time()
    networks = [SPACES[space](rng) for _ in range(count)]
    built = time.process_time()
    for network in networks:
        _ = cost(network).macs
    done = time.process_time()
    distinct = len({(network.stem, network.stages, network.head, network.resolution) for network in networks})
    return {"build": built - begun, "cost": done - built, "distinct": distinct, "n": count}


def peer() -> dict[str, float]:
    """fvcore on timm's efficientnet_b0, and ours on the same network, cold (first call) and warm (median), in CPU seconds."""
    import torch
    from fvcore.nn import FlopCountAnalysis
    from tests.peers import timm_model

    torch.set_num_threads(1)
    model = timm_model("efficientnet_b0").eval()
    image = torch.zeros(1, 3, 224, 224)

    def fvcore() -> int:
        analysis = FlopCountAnalysis(model, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return int(analysis.total())

    first, macs = _timed(fvcore)
    return {"first": first, "median": statistics.median(_timed(fvcore)[0] for _ in range(5)), "macs": macs}

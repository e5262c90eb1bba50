"""Costing speed: random EfficientNets a second on one core, cold, and against fvcore's counter on EfficientNet-B0.

Each row runs in a fresh process: every tree is distinct, the trees stand before the clock starts (their construction is
timed apart), and ``.macs`` is read.  Times are CPU time of the process, so that a busy machine does not count.

    python bench/cost.py [N]
"""

from __future__ import annotations

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
    """A search space: five widths a stage, kernels 3 and 5, expansions 3, 4 and 6, any depth up to 4, thirteen
    resolutions.
    """
    return _drawn(rng, lambda channels: round_channels(channels * rng.choice(SHARES)))


def every_width(rng: random.Random) -> Architecture:
    """The same with every multiple of 8 from half to one and a half times each width: most blocks are met for the first
    time.
    """
    return _drawn(rng, lambda channels: 8 * rng.randint(max(1, channels // 16), 3 * channels // 16))


def _drawn(rng: random.Random, width: Callable[[int], int]) -> Architecture:
    silu = Act("silu")
    stages = tuple(
        Stage(MBConv(width(channels), stride, rng.choice((3, 4, 6)), rng.choice((3, 5))), rng.randint(1, 4))
        for _, _, stride, channels, _ in STAGES
    )
    head = seq(conv=ConvNormAct(width(1280), act=silu), pool=GlobalPool(), fc=Linear(1000))
    return Architecture("drawn", ConvNormAct(width(32), 3, 2, act=silu), stages, head, rng.choice(RESOLUTIONS))


CLAIM, CLAIMED = 10_000, ("continuous", "choices")
SPACES = {"continuous": continuous, "choices": choices, "every_width": every_width}


def ours(space: str, count: int) -> dict[str, float]:
    """CPU seconds for building and for costing one of ``count`` distinct networks, and how many draws they took."""
    rng = random.Random(20260101)
    begun = time.process_time()
    networks: dict[tuple[object, ...], Architecture] = {}
    drawn = 0
    while len(networks) < count:  # without repetition
        network = SPACES[space](rng)
        networks.setdefault((network.stem, network.stages, network.head, network.resolution), network)
        drawn += 1
    built = time.process_time()
    for network in networks.values():
        _ = cost(network).macs
    done = time.process_time()
    return {"build": (built - begun) / drawn, "cost": (done - built) / count, "drawn": drawn}


def beside_fvcore() -> dict[str, float]:
    """EfficientNet-B0 at 224 px, CPU seconds a call: ours first, then fvcore's, on timm's network."""
    arch = architecture("efficientnet_b0")
    first, macs = _timed(lambda: cost(arch).macs)
    again = statistics.median(_timed(lambda: cost(arch).macs)[0] for _ in range(1000))

    import torch
    from fvcore.nn import FlopCountAnalysis

    for name in ("torchvision::nms", "torchvision::qnms"):  # see tests/peers.py
        torch.library.define(name, "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

    torch.set_num_threads(1)
    model, image = timm.create_model("efficientnet_b0").eval(), torch.zeros(1, 3, 224, 224)

    def total() -> int:
        analysis = FlopCountAnalysis(model, image)
        return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())

    with torch.inference_mode():
        peer_first, peer_macs = _timed(total)
        peer = statistics.median(_timed(total)[0] for _ in range(5))
    return {
        "first": first,
        "again": again,
        "macs": macs,
        "peer_first": peer_first,
        "peer": peer,
        "peer_macs": peer_macs,
    }


def _timed(call: Callable[[], int]) -> tuple[float, int]:
    begun = time.process_time()
    value = call()
    return time.process_time() - begun, value


def _fresh(*arguments: str) -> dict[str, float]:
    """One part of this file in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main(count: int) -> None:
    b0 = _fresh("--fvcore")
    print(f"{count:,} random EfficientNets, one core, fresh process, caches cold; CPU time\n")
    print("space            drawn   build/s    cost/s    both/s   cost against fvcore on B0")
    for space in SPACES:
        row = _fresh("--space", space, str(count))
        build, costs = row["build"], row["cost"]
        rates = f"{1 / build:8,.0f}  {1 / costs:8,.0f}  {1 / (build + costs):8,.0f}"
        print(f"{space:12}  {row['drawn']:8,.0f}  {rates}   {b0['peer'] / costs:,.0f} x")
    print(
        f"\nThe claim, at least {CLAIM:,} costed a second, is about {' and '.join(CLAIMED)}: random networks as scaling"
    )
    print("and searches draw them.  every_width meets nearly each block for the first time, and is slower.")
    print("\nEfficientNet-B0 at 224 px")
    print(f"ours    first call {b0['first'] * 1e3:9.2f} ms   then {b0['again'] * 1e3:9.4f} ms   {b0['macs']:,.0f} MACs")
    print(
        f"fvcore  first call {b0['peer_first'] * 1e3:9.2f} ms   then {b0['peer'] * 1e3:9.4f} ms   "
        f"{b0['peer_macs']:,.0f}, element-wise work included"
    )
    print(f"ratio   first call {b0['peer_first'] / b0['first']:9,.0f} x    then {b0['peer'] / b0['again']:9,.0f} x")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--fvcore"]:
            print(json.dumps(beside_fvcore()))
        case ["--space", space, number]:
            print(json.dumps(ours(space, int(number))))
        case _:
            main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)

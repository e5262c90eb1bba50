"""Is the predicted peak memory what torch allocates?  Predicted, measured and their ratio for ten families.

    python bench/memory.py [--layout contiguous] [NAME ...]

Eager, float32, batch 4, at each network's own resolution, channels_last unless said otherwise, as torch's memory
profiler sees it on this CPU: a pass without gradients, and a forward and backward pass without and with checkpointing
of blocks and of stages.  The images count; weights and their gradients do not.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from tests.allocations import checkpointed, inference_peak, training_peak
from vertebra.costs.memory import memory
from vertebra.nn import build
from vertebra.zoo import architecture

NETWORKS = (
    "alexnet",
    "vgg11",
    "googlenet",
    "inception_v3",
    "resnet50",
    "resnetv2_50",
    "resnext50_32x4d",
    "seresnet50",
    "densenet121",
    "mobilenetv1_100",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mnasnet1_0",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "convnext_tiny",
)
"""One of each of sixteen families."""
BATCH = 4
AIM = 0.10


def ratios(name: str, layout: torch.memory_format) -> dict[str, tuple[int, int]]:
    """Predicted and measured bytes of each way to run a network."""
    arch = architecture(name)
    images = torch.randn(BATCH, *arch.input_shape).contiguous(memory_format=layout)

    def made() -> Any:
        return build(arch).to(memory_format=layout)  # type: ignore[call-overload]

    plain = memory(arch, batch=BATCH)
    found = {
        "inference": (plain.inference_bytes, inference_peak(made(), images)),
        "training": (plain.training_bytes or 0, training_peak(made(), images)),
    }
    for what in ("block", "stage"):
        predicted = memory(arch, batch=BATCH, checkpointing=what).training_bytes or 0
        found[f"{what}s again"] = (predicted, training_peak(checkpointed(made(), what), images))
    return found


def main(names: tuple[str, ...], layout: torch.memory_format) -> None:
    """A row for each network, then the median and the worst of each column."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {BATCH}, {layout}; MB (10^6 bytes)")
    seen: dict[str, dict[str, float]] = {}
    for name in names:
        for what, (predicted, measured) in ratios(name, layout).items():
            seen.setdefault(what, {})[name] = predicted / measured
            print(f"{name:20} {what:14} {predicted / 1e6:10.2f} {measured / 1e6:10.2f}   {predicted / measured:.3f}")
        sys.stdout.flush()
    print()
    for what, found in seen.items():
        worst = max(found, key=lambda name: abs(found[name] - 1))
        beyond = sum(abs(ratio - 1) > AIM for ratio in found.values())
        print(
            f"{what:14} median {statistics.median(found.values()):.3f}, worst {found[worst]:.3f} ({worst}), "
            f"{beyond} of {len(found)} beyond {AIM:.0%}"
        )


if __name__ == "__main__":
    given = sys.argv[1:]
    chosen = torch.channels_last
    if given[:2] == ["--layout", "contiguous"]:
        chosen, given = torch.contiguous_format, given[2:]
    main(tuple(given) or NETWORKS, chosen)

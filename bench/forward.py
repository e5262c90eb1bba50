"""Is there a tax for being data?  A forward pass and a training step of our module beside the peer's.

    python bench/forward.py [SECONDS] [NAME ...]

One member of each family that torchvision or timm has; eager, float32, the same memory format, interleaved in one
process.  Prints the peer's time over ours (medians): 1 is equal, below 1 we are slower.

Both get huge pages (torch's own THP_MEM_ALLOC_ENABLE).  Without them the time of a network with hundreds of megabytes
of weights depends on which physical pages the system had left when it was built, by 5% and for as long as it lives.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable

os.environ["THP_MEM_ALLOC_ENABLE"] = "1"  # read when torch first allocates

import torch
from torch import Tensor, nn
from zoo import peer_maker

from vertebra.costs.count import cost
from vertebra.nn import build
from vertebra.zoo.registry import entry, families, variant

SECONDS = 6.0
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
LEAST_PARAMETERS = 3_000_000
"""The member shown is the cheapest of its family that is not a toy."""
BATCH = {"forward": 8, "step": 8}
SIDE = 128


def members() -> list[tuple[str, str]]:
    """(name, source): of each family the cheapest member of some size."""
    chosen = []
    for family in families():
        sized = [(cost(one.make()), one) for one in family.entries if one.peers]
        large = [pair for pair in sized if pair[0].params >= LEAST_PARAMETERS]
        if sized:
            _, one = min(large or sized, key=lambda pair: pair[0].macs)
            chosen.append((one.name, next(iter(one.peers))))
    return chosen


def pair_of(name: str, source: str) -> tuple[nn.Module, nn.Module]:
    """Our network and the peer's; values do not matter for time as long as they stay finite."""
    return build(variant(name, source)), peer_maker(source, entry(name)[1].peers[source].name)()


def task(net: nn.Module, images: Tensor, what: str) -> Callable[[], object]:
    """What is timed."""
    if what == "forward":

        def forward() -> None:
            with torch.inference_mode():
                net(images)

        return forward

    def step() -> None:
        net(images).square().mean().backward()
        net.zero_grad(set_to_none=True)

    return step


def ratio(ours: nn.Module, theirs: nn.Module, images: Tensor, what: str, seconds: float) -> tuple[float, int]:
    """The peer's median time over ours, and how many pairs were run."""
    for net in (ours, theirs):
        net.train(what == "step")
    runs = [task(ours, images, what), task(theirs, images, what)]
    taken: tuple[list[float], list[float]] = ([], [])
    for run in runs:
        run()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[0]) < 5:
        order = (0, 1) if len(taken[0]) % 2 else (1, 0)
        for place in order:
            start = time.perf_counter()
            runs[place]()
            taken[place].append(time.perf_counter() - start)
    return statistics.median(theirs / mine for mine, theirs in zip(*taken, strict=True)), len(taken[0])


def main(seconds: float, chosen: list[tuple[str, str]]) -> None:
    """A row for each network."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {BATCH['forward']}; peer over ours")
    heads = [f"{what} {layout}" for what in BATCH for layout in FORMATS]
    print(f"{'':36}" + "".join(f"{head:>24}" for head in heads))
    found: dict[str, list[float]] = {head: [] for head in heads}
    for name, source in chosen:
        side = max(SIDE, 160 if "inception_v3" in name else 0)
        cells = []
        for what, batch in BATCH.items():
            for layout, memory_format in FORMATS.items():
                pair = [net.to(memory_format=memory_format) for net in pair_of(name, source)]
                images = torch.randn(batch, 3, side, side).contiguous(memory_format=memory_format)
                value, count = ratio(*pair, images, what, seconds / 4)
                found[f"{what} {layout}"].append(value)
                cells.append(f"{value:.3f} (n {count})")
        print(f"{name:24}{source:12}" + "".join(f"{cell:>24}" for cell in cells), flush=True)
    for head, values in found.items():
        print(f"{head}: median {statistics.median(values):.3f}, worst {min(values):.3f}, n {len(values)}")


if __name__ == "__main__":
    given = sys.argv[1:]
    length = float(given.pop(0)) if given and given[0].replace(".", "").isdigit() else SECONDS
    with open(os.devnull, "w") as null, contextlib.redirect_stderr(null), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peers, about their own initialisation
        main(length, [(name, next(iter(entry(name)[1].peers))) for name in given] or members())

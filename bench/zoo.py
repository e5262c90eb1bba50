"""Every registered network that a peer has: creation, and creation with weights, beside that peer.

    python bench/zoo.py [ROUNDS] [NAME ...]

For each entry and each project that has it, five ways take turns in one process:

- ours: ``build(arch)``, and ``load(name, file)`` from the peer's own checkpoint, under the peer's names;
- the peer, as documented: ``create_model(name)`` or ``get_model(name)``, and then its own loading of the checkpoint
  (``checkpoint_path=``, or ``load_state_dict(load_file(path))``);
- the peer on the meta device with ``load_state_dict(load_file(path), assign=True)``: its fastest.

Prints medians in milliseconds and the peer's time over ours; the last lines are medians of those ratios.
"""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import _peers
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from vertebra.costs.count import cost
from vertebra.nn import build
from vertebra.weights.load import load
from vertebra.zoo.registry import entry, names, variant

ROUNDS = 3
MOST_PARAMETERS = 200_000_000
"""Larger networks are left out, and said so: their file alone fills the memory."""
COLUMNS = ("create", "load", "load, meta")


def peer_maker(source: str, name: str) -> Callable[[], nn.Module]:
    """The peer's documented way to make a network, without its own weights."""
    if source == "timm":
        timm = _peers.timm()
        return lambda: timm.create_model(name)
    models = _peers.torchvision().models
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    if options:
        options["aux_logits"] = False
    return lambda: models.get_model(name, weights=None, **options)


def told(net: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state with the versions of its modules, without which torchvision's MNASNet refuses it."""
    if type(net).__name__ != "MNASNet":
        return state
    versioned = OrderedDict(state)
    versioned._metadata = net.state_dict()._metadata
    return versioned


def ways(name: str, source: str, file: Path) -> dict[str, Callable[[], nn.Module]]:
    """The five ways by their name."""
    arch = variant(name, source)
    theirs = entry(name)[1].peers[source].name
    make = peer_maker(source, theirs)

    def documented() -> nn.Module:
        if source == "timm":
            return _peers.timm().create_model(theirs, checkpoint_path=str(file)).eval()
        net = make()
        net.load_state_dict(told(net, load_file(file)))
        return net.eval()

    def on_meta() -> nn.Module:
        with torch.device("meta"):
            net = make()
        net.load_state_dict(told(net, load_file(file)), assign=True)
        return net.eval()

    return {
        "ours create": lambda: build(arch),
        "ours load": lambda: load(name, f"file:{file}"),
        "create": make,
        "load": documented,
        "load, meta": on_meta,
    }


def medians(made: dict[str, Callable[[], nn.Module]], rounds: int) -> dict[str, float]:
    """Milliseconds of each way, taking turns; the first turn warms up."""
    taken: dict[str, list[float]] = {way: [] for way in made}
    for turn in range(rounds + 1):
        for way, make in made.items():
            gc.collect()
            start = time.perf_counter()
            net = make()
            if turn:
                taken[way].append(1e3 * (time.perf_counter() - start))
            del net
    return {way: statistics.median(times) for way, times in taken.items()}


def ratios(name: str, source: str, rounds: int) -> dict[str, float] | None:
    """The peer's times over ours; prints the row."""
    arch = variant(name, source)
    if cost(arch).params > MOST_PARAMETERS:
        print(f"{name:24} {source:12} left out: {cost(arch).params:,} parameters")
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "weights.safetensors")
        peer = peer_maker(source, entry(name)[1].peers[source].name)()
        save_file({key: value.contiguous() for key, value in peer.state_dict().items()}, file, {"format": "pt"})
        del peer
        found = medians(ways(name, source, file), rounds)
    against = {
        "create": found["create"] / found["ours create"],
        "load": found["load"] / found["ours load"],
        "load, meta": found["load, meta"] / found["ours load"],
    }
    times = "  ".join(f"{way} {ms:.0f}" for way, ms in found.items())
    print(
        f"{name:24} {source:12} " + "  ".join(f"{against[one]:6.2f}x" for one in COLUMNS) + f"   ({times} ms)",
        flush=True,
    )
    return against


def main(rounds: int, chosen: list[str]) -> None:
    """Every row, then the medians."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {rounds} rounds; peer over ours")
    print(f"{'':37} " + "  ".join(f"{one:>7}" for one in COLUMNS))
    rows = []
    with open(os.devnull, "w") as null, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the peers, about their own initialisation
        for name in chosen:
            for source in entry(name)[1].peers:
                with contextlib.redirect_stderr(null):
                    rows.append(ratios(name, source, rounds))
    kept = [row for row in rows if row is not None]
    for one in COLUMNS:
        found = sorted(row[one] for row in kept)
        low, high = found[0], found[-1]
        print(f"{one}: median {statistics.median(found):.2f}x, worst {low:.2f}x, best {high:.2f}x, n {len(found)}")


if __name__ == "__main__":
    given = sys.argv[1:]
    number = int(given.pop(0)) if given and given[0].isdigit() else ROUNDS
    main(number, given or [name for name in names() if entry(name)[1].peers])

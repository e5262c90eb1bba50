"""From a safetensors file to an EfficientNet-B7 ready to run: vertebra beside timm.

Three ways take turns in one process, from the same values under each library's own names:

- vertebra ``load(arch, path)``: built on the meta device, values mapped from the file and checked
  (names, shapes, finiteness);
- timm ``create_model(name, checkpoint_path=...)``: its documented way;
- timm ``create_model(name)`` on the meta device, then ``load_state_dict(load_file(path), assign=True)``: its fastest.

Each ends with ``eval()``.  Prints medians in milliseconds and their ratios.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import _peers
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from vertebra.nn import build
from vertebra.weights.load import load
from vertebra.zoo import architecture

timm = _peers.timm()
NAME = "efficientnet_b7"
ROUNDS = 15


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "vertebra.safetensors"), Path(folder, "timm.safetensors")
        _write(ours, theirs)
        arch = architecture(NAME)

        def timm_on_meta() -> nn.Module:
            with torch.device("meta"):
                net = timm.create_model(NAME)
            net.load_state_dict(load_file(theirs), assign=True)
            return net.eval()

        ways: dict[str, Callable[[], nn.Module]] = {
            "vertebra load": lambda: load(arch, ours),
            "timm create_model(checkpoint_path=...)": lambda: timm.create_model(
                NAME, checkpoint_path=str(theirs)
            ).eval(),
            "timm on meta, load_state_dict(assign=True)": timm_on_meta,
        }
        _same_answers(ways)
        medians = _medians(ways, rounds)
    best = medians["vertebra load"]
    print(f"{NAME}, file to ready network, {rounds} rounds, torch {torch.__version__}, timm {timm.__version__}")
    for way, seconds in medians.items():
        print(f"{way:45} {seconds * 1e3:8.1f} ms   {seconds / best:5.2f} x")


def _write(ours: Path, theirs: Path) -> None:
    """The same values in both files; both state_dicts list their tensors in the order of execution."""
    net, peer = build(architecture(NAME)).state_dict(), timm.create_model(NAME).state_dict()
    if [tensor.shape for tensor in net.values()] != [tensor.shape for tensor in peer.values()]:
        raise SystemExit("the two networks differ")
    save_file(net, ours, {"format": "pt"})
    save_file(dict(zip(peer, net.values(), strict=True)), theirs, {"format": "pt"})


def _same_answers(ways: dict[str, Callable[[], nn.Module]]) -> None:
    """Warms each way up, and shows that all give the same network (batch-norm's eps is the peers' own)."""
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    answers = []
    for make in ways.values():
        net = make()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-3
        with torch.inference_mode():
            answers.append(net(image))
    for answer in answers[1:]:
        torch.testing.assert_close(answer, answers[0], rtol=1e-4, atol=1e-4)


def _medians(ways: dict[str, Callable[[], nn.Module]], rounds: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, make in ways.items():
            gc.collect()
            start = time.perf_counter()
            net = make()
            seconds[way].append(time.perf_counter() - start)
            del net
    return {way: statistics.median(times) for way, times in seconds.items()}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)

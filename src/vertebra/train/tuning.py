"""Layout and precision for one network on its device, chosen by a short measurement and not by a rule."""

from __future__ import annotations

import copy
import time
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from vertebra.train.recipe import Recipe

Layout = Literal["channels_last", "contiguous"]
Precision = Literal["float32", "bfloat16"]

SECONDS = 0.3
"""Of measurement for each combination, at least two steps."""
HOPELESS = 1.5
"""A combination whose first measured step is this many times slower than the best gets no more."""
WORTH = 0.93
"""bfloat16 must take at most this fraction of float32's time to be chosen."""


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """One combination and its training speed, images/s."""

    layout: Layout
    precision: Precision
    images_per_second: float


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The layout and precision that a network is trained with, and the measurements that chose them (none: given)."""

    layout: Layout
    precision: Precision
    measured: tuple[Speed, ...] = ()

    @property
    def memory_format(self) -> torch.memory_format:
        """The layout, as torch calls it."""
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format

    def autocast(self, device: torch.device) -> torch.autocast:
        """The context in which the forward pass runs."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")


FLOAT32 = Setting(layout="channels_last", precision="float32")
"""What a network is judged with."""


def tuned(net: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor) -> tuple[Setting, float]:
    """The fastest setting that the recipe allows, for a real batch float32[B, C, S, S] with its labels, and its
    seconds a step.

    The network itself is left as it is: a copy takes the steps.  Takes about 0.3 s for each combination, or two steps.
    """
    layouts: tuple[Layout, ...] = ("channels_last", "contiguous") if recipe.layout == "auto" else (recipe.layout,)
    precisions: tuple[Precision, ...] = ("float32", "bfloat16") if recipe.precision == "auto" else (recipe.precision,)
    settings = [Setting(layout=layout, precision=precision) for precision in precisions for layout in layouts]
    speeds: list[Speed] = []
    trial = copy.deepcopy(net).train()
    best = float("inf")
    with torch.random.fork_rng(devices=_cuda(images.device)):
        for setting in settings:
            seconds = _seconds(trial, setting, images, labels, best)
            best = min(best, seconds)
            speeds.append(
                Speed(layout=setting.layout, precision=setting.precision, images_per_second=len(images) / seconds)
            )
    chosen = max(speeds, key=lambda one: one.images_per_second * (WORTH if one.precision == "bfloat16" else 1))
    setting = Setting(layout=chosen.layout, precision=chosen.precision, measured=tuple(speeds))
    return setting, len(images) / chosen.images_per_second


def _seconds(net: nn.Module, setting: Setting, images: Tensor, labels: Tensor, best: float) -> float:
    """Of the fastest step; the first, which compiles kernels, does not count."""
    net.to(memory_format=setting.memory_format)  # type: ignore[call-overload]
    batch = images.contiguous(memory_format=setting.memory_format)
    fastest, start = float("inf"), time.perf_counter()
    for index in range(100):
        begin = time.perf_counter()
        with setting.autocast(images.device):
            output = net(batch)
        functional.cross_entropy(output.float(), labels).backward()
        net.zero_grad(set_to_none=True)
        if images.device.type == "cuda":
            torch.cuda.synchronize(images.device)
        now = time.perf_counter()
        if index:
            fastest = min(fastest, now - begin)
        if index and (now - start > SECONDS or fastest > HOPELESS * best):
            break
    return fastest


def _cuda(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []

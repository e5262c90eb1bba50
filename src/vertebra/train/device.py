"""The device and the threads that training runs on."""

from __future__ import annotations

import os

import torch

from vertebra.data.threads import cores
from vertebra.errors import RecipeError


def device_named(name: str = "auto") -> torch.device:
    """``"auto"`` (a CUDA device where there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``; raises RecipeError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise RecipeError(f"unknown device {name!r}", where="device", allowed="auto, cpu, cuda, cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RecipeError(f"there is no {name} here", where="device", remedy="use 'auto' or 'cpu'")
    return device


def use_own_cores() -> int:
    """Gives torch as many threads as this process may use cores (OMP_NUM_THREADS wins); returns their number."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(cores())
    return torch.get_num_threads()

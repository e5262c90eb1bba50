"""Weights to a safetensors file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from vertebra.errors import OutputError


def save(weights: nn.Module | Mapping[str, Tensor] | Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write a network's parameters and buffers, or a mapping of names to arrays, as safetensors.

    The file is written under a temporary name beside it and renamed, so that ``path`` holds the old content or the
    new, whole.
    Raises OutputError where it cannot be written.
    """
    path = Path(path)
    named = weights.state_dict() if isinstance(weights, nn.Module) else weights
    tensors = {name: _plain(value) for name, value in named.items()}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, {"format": "pt"})
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot be written: {reason}", where=str(path)) from None
    finally:
        partial.unlink(missing_ok=True)


def _plain(value: Tensor | np.ndarray) -> Tensor:
    """A tensor in the order of its indices; channels_last is a layout of the running network, not of files."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return value.detach().contiguous()

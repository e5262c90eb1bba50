"""Weights to a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from vertebra.bundle.files import replacing
from vertebra.errors import OutputError, WeightsError
from vertebra.weights.origin import HEADER, description


def save(weights: nn.Module | Mapping[str, Tensor] | Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write a network's parameters and buffers, or a mapping of names to arrays, as safetensors.

    A network of ours takes its architecture along, and what came with its weights (:class:`Origin`), in the file's
    header, so that ``load(None, "file:PATH")`` gives it back.
    The file is written under a temporary name beside it and renamed, so that ``path`` holds the old content or the
    new, whole.
    Raises OutputError where it cannot be written, WeightsError for tensors that share their memory.
    """
    path = Path(path)
    named = weights.state_dict() if isinstance(weights, nn.Module) else weights
    tensors = {name: _plain(value) for name, value in named.items()}
    _apart(tensors)
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, _header(weights))
        except SafetensorError as error:
            raise OutputError(f"cannot be written: {error}", where=str(path)) from None


def _header(weights: object) -> dict[str, str]:
    """One entry, since safetensors writes several in any order and equal networks should be equal files."""
    said = description(weights) if isinstance(weights, nn.Module) else None
    return {"format": "pt"} if said is None else {HEADER: msgspec.json.encode(said).decode()}


def _apart(tensors: Mapping[str, Tensor]) -> None:
    """Raise WeightsError where two tensors are one: a file would hold it twice, and training would part them."""
    seen: dict[tuple[torch.device, int], str] = {}
    for name, tensor in tensors.items():
        if tensor.is_meta or not tensor.numel():
            continue
        first = seen.setdefault((tensor.device, tensor.untyped_storage().data_ptr()), name)
        if first != name:
            raise WeightsError(f"{first} and {name} share their memory", remedy="save a copy of one: tensor.clone()")


def _plain(value: Tensor | np.ndarray) -> Tensor:
    """A tensor in the order of its indices; channels_last is a layout of the running network, not of files."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return value.detach().contiguous()

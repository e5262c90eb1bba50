"""Weights to a safetensors file."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import brief
from vertebra.bundle.files import replacing
from vertebra.errors import OutputError, WeightsError
from vertebra.nn.wrapping import unwrapped
from vertebra.weights.described import fitting, origin_in
from vertebra.weights.origin import HEADER, description

NUMBERS = "biufc"
"""NumPy's kinds of types that a file holds."""


def save(weights: nn.Module | Mapping[str, Tensor] | Mapping[str, np.ndarray], path: str | Path) -> None:
    """Write a network's parameters and buffers, or a mapping of names to arrays, as safetensors.

    A network of ours takes its architecture along, and what came with its weights (:class:`Origin`), in the file's
    header, so that ``load(None, "file:PATH")`` gives it back.
    What ``torch.compile`` or data parallelism put around a network is left out.
    The file is written under a temporary name beside it and renamed, so that ``path`` holds the old content or the
    new, whole.
    Raises OutputError where it cannot be written, WeightsError for tensors that share their memory and for values that
    a file cannot hold.
    """
    path = Path(path)
    if isinstance(weights, nn.Module):
        weights = unwrapped(weights)
    elif not isinstance(weights, Mapping):
        raise WeightsError(f"expected a network or a mapping of names to tensors, got {brief(weights)}")
    named = weights.state_dict() if isinstance(weights, nn.Module) else weights
    tensors = {name: _plain(name, value) for name, value in named.items()}
    _apart(tensors)
    with replacing(path) as temporary:
        temporary.touch()  # with the rights of any file: those that safetensors makes only their owner may read
        mode = temporary.stat().st_mode
        try:
            save_file(tensors, temporary, _header(weights, tensors))
        except SafetensorError as error:
            raise OutputError(f"cannot be written: {error}", where=str(path)) from None
        if temporary.stat().st_mode != mode:
            temporary.chmod(stat.S_IMODE(mode))


def _header(weights: object, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """One entry, since safetensors writes several in any order and equal networks should be equal files."""
    arch = getattr(weights, "arch", None)
    if not isinstance(weights, nn.Module) or not isinstance(arch, Architecture):
        return {"format": "pt"}
    arch = fitting(arch, tensors) or arch
    return {HEADER: msgspec.json.encode(description(arch, origin_in(weights, arch))).decode()}


def _apart(tensors: Mapping[str, Tensor]) -> None:
    """Raise WeightsError where two tensors are one: a file would hold it twice, and training would part them."""
    seen: dict[tuple[torch.device, int], str] = {}
    for name, tensor in tensors.items():
        if not tensor.numel():
            continue
        first = seen.setdefault((tensor.device, tensor.untyped_storage().data_ptr()), name)
        if first != name:
            raise WeightsError(f"{first} and {name} share their memory", remedy="save a copy of one: tensor.clone()")


def _plain(name: object, value: object) -> Tensor:
    """A tensor in the order of its indices; channels_last is a layout of the running network, not of files."""
    if not isinstance(name, str):
        raise WeightsError(f"a tensor's name is {brief(name)}", allowed="text")
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMBERS:
        return torch.from_numpy(value.copy())
    if not isinstance(value, Tensor):
        what = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else brief(value)
        raise WeightsError(f"{name} is {what}", allowed="tensors and arrays of numbers")
    if value.is_meta:
        raise WeightsError(f"{name} has no values: it is on the meta device", remedy="give the network weights first")
    if value.layout != torch.strided or value.is_quantized:
        kind = "quantised" if value.is_quantized else "sparse"
        raise WeightsError(f"{name} is {kind}", allowed="dense tensors of plain numbers")
    return value.detach().contiguous()

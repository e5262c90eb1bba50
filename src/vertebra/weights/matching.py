"""Tensors into the places of a network that they are named for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from vertebra.errors import WeightsError

Slots = dict[str, tuple[dict[str, Tensor | None], str]]
SHOWN = 3


def slots(net: nn.Module) -> Slots:
    """Where each parameter and buffer stands: by its full name, the dictionary that holds it and its name there."""
    found: Slots = {}
    for path, module in net.named_modules():
        prefix = f"{path}." if path else ""
        for holder in (module._parameters, module._buffers):
            for name, tensor in holder.items():
                if tensor is not None:
                    found[prefix + name] = (holder, name)
    return found


def assign(net: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Put ``tensors`` themselves, not copies, into ``net``, converted only where a type differs.

    Raises WeightsError, which names ``where`` they come from, unless names and shapes are exactly the network's and
    every value is finite; then nothing has changed.
    """
    places = slots(net)
    _same_names(places.keys(), tensors.keys(), where)
    _same_shapes(places, tensors, where)
    _finite(tensors, where)
    for path, (holder, name) in places.items():
        old = holder[name]
        new = tensors[path] if old is None else tensors[path].to(old.dtype)
        holder[name] = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new


def _same_names(expected: Collection[str], given: Collection[str], where: str) -> None:
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    faults = [
        f"{len(names)} of the {len(whole)} tensors {what}: {_some(names)}"
        for names, whole, what in (
            (missing, expected, "of the network are missing"),
            (unexpected, given, "in it are not the network's"),
        )
        if names
    ]
    if faults:
        raise WeightsError(", and ".join(faults), where=where, remedy="check that they are of this architecture")


def _same_shapes(places: Slots, tensors: Mapping[str, Tensor], where: str) -> None:
    wrong = []
    for path, (holder, name) in places.items():
        expected = holder[name]
        if expected is not None and expected.shape != tensors[path].shape:
            wrong.append(f"{path} is {tuple(tensors[path].shape)} for {tuple(expected.shape)}")
    if wrong:
        remedy = "check width, classes and channels of the architecture"
        raise WeightsError(f"wrong shapes: {_some(wrong)}", where=where, remedy=remedy)


def _finite(tensors: Mapping[str, Tensor], where: str) -> None:
    floats = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point()}
    broken = [name for name, tensor in floats.items() if not _has_finite_sum(tensor) and not tensor.isfinite().all()]
    if broken:
        raise WeightsError(f"NaN or infinity in {_some(broken)}", where=where)


def _has_finite_sum(tensor: Tensor) -> bool:
    """Whether the sum is finite; then every term is.  (It may overflow, so the opposite does not follow.)

    NumPy sums on one thread: torch's threads, woken for hundreds of tensors, cost seconds on a busy machine.
    """
    values = tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
    with np.errstate(all="ignore"):
        return bool(np.isfinite(values.detach().cpu().numpy().sum()))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

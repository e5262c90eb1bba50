"""Checkpoints: written whole or not at all, and never unpickled before their hash is right."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch

from vertebra.bundle.files import write_whole
from vertebra.errors import WeightsError

MAGIC = b"vertebra checkpoint 1\n"
"""Then the SHA-256 of the rest (32 bytes), then torch.save's bytes."""
_REMEDY = "start again without resuming"


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """Where checkpoints go, how often (seconds), and what to tell a user who stopped the run."""

    path: Path
    every: float = 30.0
    remedy: str = "go on from the checkpoint"


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Writes tensors and plain data to ``path``, atomically; raises OutputError."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    payload = buffer.getvalue()
    write_whole(path, MAGIC + hashlib.sha256(payload).digest() + payload)


def load(path: Path) -> dict[str, Any]:
    """What :func:`save` wrote, its tensors on the CPU; raises WeightsError for anything else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", where=str(path)) from None
    start = len(MAGIC) + 32
    if data[: len(MAGIC)] != MAGIC:
        raise WeightsError("is no checkpoint of this version", where=str(path), remedy=_REMEDY)
    if hashlib.sha256(data[start:]).digest() != data[len(MAGIC) : start]:
        raise WeightsError("is damaged: its hash is another", where=str(path), remedy=_REMEDY)
    try:
        state = torch.load(io.BytesIO(data[start:]), map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, pickle.UnpicklingError, EOFError) as error:
        raise WeightsError(f"cannot be read: {error}", where=str(path), remedy=_REMEDY) from error
    if not isinstance(state, dict):
        raise WeightsError("holds no state", where=str(path), remedy=_REMEDY)
    return state

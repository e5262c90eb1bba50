"""Anybody's checkpoint as plain tensors: safetensors, or a torch file of which nothing but tensors is read."""

from __future__ import annotations

import argparse
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vertebra.errors import WeightsError, some
from vertebra.weights.files import opened
from vertebra.weights.report import Left

AVERAGES = ("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema")
"""Nests that hold the running average of the weights: what a training run would be judged by, so it is taken first."""
NESTS = (
    *AVERAGES,
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params"),
    *("backbone", "encoder"),
)
"""Under what names people save weights within a checkpoint, the first that is there wins and the report says so."""
PREFIXES = frozenset(
    (
        "module",
        "_orig_mod",
        "model",
        "net",
        "network",
        "backbone",
        "encoder",
        "encoder_q",
        "base_model",
        "feature_extractor",
    )
)
"""First segments that a wrapper puts before every name: DataParallel, compile, Lightning, mmsegmentation, MoCo, ..."""
COMPILED = "_orig_mod"
"""torch.compile's segment, which may stand anywhere in a name."""
AVERAGED = "n_averaged"
"""torch's AveragedModel keeps this counter beside the weights."""
MAX_NESTING = 8

# Harmless values that training scripts put beside their weights: options, and NumPy's numbers.
_NUMBER: Any = np.float64(0).__reduce__()[0]  # the function that makes a NumPy number, wherever this NumPy keeps it
PLAIN_VALUES: tuple[Any, ...] = (
    argparse.Namespace,
    np.dtype,
    *{type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")},
    (_NUMBER, "numpy._core.multiarray.scalar"),
    (_NUMBER, "numpy.core.multiarray.scalar"),
)

# What torch's reader raises on bytes that are no checkpoint, or not a whole one.
BROKEN = (
    *(RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, AssertionError),
    *(struct.error, zipfile.BadZipFile, OverflowError, MemoryError),
)
_WANTS = re.compile(
    r"GLOBAL (\S+) was not an allowed global|unsupported GLOBAL (\S+) whose module|instantiate class (\S+)"
)
_OTHER_PICKLE = "Unsupported operand 149"
"""What torch's reader says of a pickle as Python writes it by default: frames, which no torch file has."""


class Checkpoint(Mapping[str, Tensor]):
    """The tensors of a checkpoint by name, and what was taken off or left on the way to them."""

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        *,
        where: str = "checkpoint",
        unwrapped: tuple[str, ...] = (),
        left: tuple[Left, ...] = (),
        in_order: bool = True,
    ) -> None:
        self.tensors = dict(tensors)
        self.where = where
        """As errors name it."""
        self.unwrapped = unwrapped
        self.left = left
        self.in_order = in_order
        """Whether the order is the one in which they were saved: safetensors sorts them."""

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """The tensors of a safetensors or torch file, its nests and wrappers' prefixes taken off.

    A torch file is read with ``weights_only=True``: tensors and plain values, no code.  Tensors are mapped from the
    file where its format allows it.
    Raises WeightsError for a file that is missing, broken or cut short, one that wants to run code, one that holds no
    tensors or such as have no values, and one that holds several sets of them under names that say nothing.
    """
    path = Path(path)
    start = _start(path)
    if start.startswith((b"PK\x03\x04", b"\x80")):
        tensors, nests, left = _dug_out(_torch(path, zipped=start.startswith(b"PK")), str(path))
    elif not start or path.suffix == ".safetensors":
        tensors, nests, left = mapped(path), (), []
    else:
        raise WeightsError("neither a safetensors nor a torch file", where=str(path), remedy="check what it is")
    if not tensors:
        raise WeightsError("holds no tensors", where=str(path))
    strange = [name for name, tensor in tensors.items() if tensor.is_meta or tensor.layout is not torch.strided]
    if strange:
        remedy = "save them dense, off the meta device"
        raise WeightsError(f"without values, or sparse: {some(strange)}", where=str(path), remedy=remedy)
    plain, prefixes = unprefixed(tensors)
    in_order = start.startswith((b"PK", b"\x80"))
    return Checkpoint(plain, where=str(path), unwrapped=(*nests, *prefixes), left=tuple(left), in_order=in_order)


def mapped(path: str | Path) -> dict[str, Tensor]:
    """Every tensor of a safetensors file, backed by the file until written to; raises WeightsError as ``opened``."""
    with opened(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping


def unprefixed(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors without what wrappers put before every name, and those prefixes."""
    taken: list[str] = []
    if any(COMPILED in name.split(".") for name in tensors):
        tensors = {".".join(part for part in name.split(".") if part != COMPILED): t for name, t in tensors.items()}
        taken.append(f"{COMPILED}.")
    while True:
        names = [name for name in tensors if name != AVERAGED]
        firsts = {name.partition(".")[0] for name in names}
        if len(firsts) != 1 or not firsts <= PREFIXES or not all("." in name for name in names):
            return dict(tensors), tuple(taken)
        (first,) = firsts
        tensors = {name.removeprefix(f"{first}."): tensor for name, tensor in tensors.items() if name != AVERAGED}
        taken.append(f"{first}.")


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", where=str(path)) from None
    if not start:
        raise WeightsError("is empty", where=str(path), remedy="write it again")
    # The length that a safetensors file begins with may begin as a pickle does; its JSON follows.
    return b"" if start[8:9] == b"{" else start


def _torch(path: Path, *, zipped: bool) -> Any:
    """What a torch file holds; ``zipped`` is the format since torch 1.6, which can be mapped."""
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(PLAIN_VALUES)):
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # what follows decides, not the protocol
            warnings.filterwarnings("ignore", ".*TorchScript archive")  # an error says so too
            if zipped and path.suffix != ".safetensors":  # torch goes by that suffix, whatever is inside
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wants = _WANTS.search(str(error))
        if wants is None and _OTHER_PICKLE in str(error):
            raise _holds_code("a pickle that torch has not written", path) from None
        if wants is None:
            raise WeightsError("not a whole torch file", where=str(path), remedy="write it again") from None
        raise _holds_code(next(name for name in wants.groups() if name), path) from None
    except BROKEN as error:
        if "TorchScript" in str(error):
            raise _holds_code("TorchScript", path) from None
        reason = re.split(r"\.\s|\n", str(error))[0].rstrip(".") or type(error).__name__
        raise WeightsError(f"not a whole torch file: {reason}", where=str(path), remedy="write it again") from None


def _holds_code(code: str, path: Path) -> WeightsError:
    return WeightsError(
        f"refused: reading it would run code ({code})",
        where=str(path),
        allowed="tensors and plain values",
        remedy="save the tensors alone: torch.save(net.state_dict(), path), or safetensors",
    )


Dug = tuple[dict[str, Tensor], tuple[str, ...], list[Left]]


def _dug_out(found: Any, where: str) -> Dug:
    """The tensors within nests of mappings, the nests' names, and what lay beside them."""
    nests: list[str] = []
    left: list[Left] = []
    while True:
        if not isinstance(found, Mapping) or len(nests) > MAX_NESTING:
            raise WeightsError("holds no tensors by name", where=where, allowed="a state_dict, or nests of them")
        name = _nest(found, where)
        if name is None:
            break
        averaged = name in AVERAGES
        left += [
            Left(str(other), _why(other, value, name, averaged)) for other, value in found.items() if other != name
        ]
        nests.append(str(name))
        found = found[name]
    tensors = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    left += [Left(str(name), "no tensor") for name, value in found.items() if not isinstance(value, Tensor)]
    return tensors, tuple(nests), left


def _nest(found: Mapping[Any, Any], where: str) -> Any:
    """The name under which the weights lie; None where they lie here."""
    inner = [name for name, value in found.items() if _holds_tensors(value)]
    known = [name for name in NESTS if name in inner]
    if known:
        return known[0]
    if any(isinstance(value, Tensor) for value in found.values()) or not inner:
        return None
    if len(inner) > 1:
        shown = ", ".join(repr(str(name)) for name in inner)
        raise WeightsError(f"holds several sets of tensors: {shown}", where=where, remedy="save the one that you mean")
    return inner[0]


def _holds_tensors(value: Any, depth: int = 0) -> bool:
    """Whether a value is a mapping from names to tensors, or to such mappings under a known name."""
    if not isinstance(value, Mapping) or depth > MAX_NESTING or not all(isinstance(name, str) for name in value):
        return False
    if any(isinstance(one, Tensor) for one in value.values()):
        return True
    return any(_holds_tensors(value[name], depth + 1) for name in NESTS if name in value)


def _why(name: Any, value: Any, taken: str, averaged: bool) -> str:
    if _holds_tensors(value):
        return f"beside {taken!r}, the average, which was taken" if averaged else f"beside {taken!r}, which was taken"
    return "not weights"

"""Safetensors files without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open

from vertebra.errors import WeightsError


def read(path: str | Path) -> Mapping[str, np.ndarray[Any, Any]]:
    """Every tensor of a safetensors file by name.

    Raises WeightsError for a file that is missing, broken or not safetensors, and for bfloat16, which NumPy lacks.
    """
    with opened(path, "np") as file:
        try:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (TypeError, KeyError, AttributeError):
            arrays = None
    # ml_dtypes, which comes with onnx, teaches NumPy such types where it happens to be loaded.
    if arrays is None or any(array.dtype.isbuiltin == 2 for array in arrays.values()):
        raise WeightsError(
            "holds a type that NumPy lacks", where=str(path), remedy="save it in float32, or load it with torch"
        )
    return arrays


def readable(path: Path) -> None:
    """Raise WeightsError, with the system's own reason, for a file that cannot be read."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", where=str(path)) from None


@contextmanager
def opened(path: str | Path, framework: Literal["np", "pt"]) -> Iterator[Any]:
    """A safetensors file opened for reading, its header checked against its length; faults become WeightsError."""
    path = Path(path)
    readable(path)  # safetensors tells the system's reasons not apart
    try:
        with safe_open(path, framework) as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"not a whole safetensors file: {error}", where=str(path), remedy="write it again; pickles are not read"
        ) from None


def metadata(path: str | Path) -> dict[str, str]:
    """The words in a safetensors file's header; none for any other file."""
    try:
        with safe_open(path, "np") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}

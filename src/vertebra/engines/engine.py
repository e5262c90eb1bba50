"""What an inference engine does for us: load an artifact, run it.  And which engines there are."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vertebra.arch.plain import whole
from vertebra.arch.record import brief
from vertebra.data.threads import cores
from vertebra.errors import EngineError

Artifact = str | os.PathLike[str] | bytes
"""A model's file, or what is in one."""

INPUTS = {"image": "any", "images": "sized"}
"""An artifact's entry by the name of its input."""


@runtime_checkable
class Engine(Protocol):
    """A loaded artifact.

    ``entry`` is ``"any"`` (one picture uint8 [H, W, 3]) or ``"sized"`` (uint8 [N, size, size, 3]); ``size`` the side in
    px that ``sized`` takes, None for ``any``; ``classes`` the number of probabilities.
    """

    @property
    def entry(self) -> str: ...

    @property
    def size(self) -> int | None: ...

    @property
    def classes(self) -> int: ...

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, classes]; raises EngineError for pixels that the artifact does not take."""
        ...


def check_pixels(pixels: NDArray[np.uint8], entry: str, size: int | None) -> NDArray[np.uint8]:
    """The pixels, contiguous; raises EngineError where type or shape is not the artifact's."""
    allowed = "uint8 [H, W, 3]" if entry == "any" else f"uint8 [N, {size}, {size}, 3]"
    fits = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.shape[-1:] == (3,) and pixels.size > 0
    if (
        not fits
        or pixels.ndim != (3 if entry == "any" else 4)
        or (entry == "sized" and pixels.shape[1:3] != (size, size))
    ):
        given = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise EngineError(f"pixels are {given}", allowed=allowed)
    return np.ascontiguousarray(pixels)


def signature(
    what: str, inputs: list[tuple[str, list[object]]], outputs: list[tuple[str, list[object]]]
) -> tuple[str, int | None, int]:
    """(entry, size, classes) of an artifact by its inputs and outputs (name, extents), or EngineError."""
    if len(inputs) == 1 and len(outputs) == 1 and inputs[0][0] in INPUTS:
        (name, extents), classes = inputs[0], outputs[0][1][-1:]
        size = extents[1] if name == "images" and len(extents) == 4 else None
        if classes and isinstance(classes[0], int) and (name == "image" or isinstance(size, int)):
            return INPUTS[name], size if isinstance(size, int) else None, classes[0]
    raise EngineError(
        "not an artifact of vertebra", where=what, allowed="one input, image or images, and probabilities"
    )


def name_of(artifact: Artifact) -> str:
    """What errors call it."""
    return "artifact" if isinstance(artifact, bytes) else os.fspath(artifact)


def threads_here(threads: int | None) -> int:
    """Threads for an engine: by default the cores that this process may use.

    Raises EngineError for fewer than one, or more than this machine has logical cores: they would only wait for one
    another, and tens of thousands of them end the process.
    """
    if threads is None:
        return cores()
    most, number = os.cpu_count() or 1, whole(threads)
    if number is None or not 1 <= number <= most:
        raise EngineError(brief(threads), where="threads", allowed=f"from 1 to {most}, the cores of this machine")
    return number


def first_line(error: Exception) -> str:
    """An engine's message without its trace, at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Exception from ")] or lines  # OpenVINO's source files
    return telling[0][:200] if telling else type(error).__name__


_PACKAGES = {"onnxruntime": "vertebra", "openvino": "vertebra[deploy]"}


def available() -> dict[str, str]:
    """Each engine and its version, or ``not installed; pip install ...``."""
    found = {}
    for name, extra in _PACKAGES.items():
        if importlib.util.find_spec(name) is None:
            found[name] = f"not installed; pip install '{extra}'"
            continue
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "installed, version unknown"
    return found

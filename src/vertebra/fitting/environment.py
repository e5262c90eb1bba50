"""The machine and the versions that a result was made with."""

from __future__ import annotations

import importlib.metadata
import platform

from vertebra.engines.device import describe
from vertebra.version import installed

PACKAGES = ("torch", "onnx", "onnxruntime", "numpy", "pillow", "simplejpeg", "msgspec")


def environment() -> dict[str, str]:
    """``machine`` in one line, ``python``, and the version of each package that decides a result."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"machine": str(describe()), "vertebra": installed(), "python": platform.python_version(), **versions}

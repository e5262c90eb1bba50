"""What is installed here, what runs, and what to do about what is missing."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from vertebra.engines.device import describe
from vertebra.engines.engine import available
from vertebra.version import installed

# package, what it is for, the extra that brings it (None: the base install)
PACKAGES: tuple[tuple[str, str, str | None], ...] = (
    ("msgspec", "architectures as data", None),
    ("numpy", "arrays", None),
    ("pillow", "pictures", None),
    ("simplejpeg", "JPEG", None),
    ("onnxruntime", "running bundles", None),
    ("safetensors", "weights", None),
    ("torch", "networks and training", "torch"),
    ("onnx", "writing ONNX", "train"),
    ("matplotlib", "plots of the report", "train"),
    ("jinja2", "pages of the report", "train"),
    ("scikit-learn", "the digits data set", "demo"),
    ("openvino", "a second engine", "deploy"),
)


def examination() -> dict[str, Any]:
    """``machine``, ``packages`` (with a hint for each missing one) and ``engines``, as plain data."""
    device = describe()
    return {
        "vertebra": installed(),
        "machine": {
            "python": platform.python_version(),
            "system": device.system,
            "processor": device.processor,
            "cores": device.cores,
            "memory_gib": round(device.memory_bytes / 2**30, 1),
            "instruction_sets": " ".join(device.instruction_sets),
        },
        "packages": [_package(*row) for row in PACKAGES],
        "engines": [{"name": name, "state": state} for name, state in available().items()],
    }


def _package(name: str, use: str, extra: str | None) -> dict[str, str | None]:
    try:
        version: str | None = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    hint = "" if version else f"pip install 'vertebra[{extra}]'" if extra else "pip install --force-reinstall vertebra"
    return {"name": name, "version": version, "use": use, "hint": hint}

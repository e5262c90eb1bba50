"""What is installed here, what runs, and what to do about what is missing."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from vertebra.engines.device import describe
from vertebra.engines.engine import available
from vertebra.errors import EXTRAS
from vertebra.version import installed

# distribution, the module that it brings, what it is for
PACKAGES: tuple[tuple[str, str, str], ...] = (
    ("msgspec", "msgspec", "architectures as data"),
    ("numpy", "numpy", "arrays"),
    ("pillow", "PIL", "pictures"),
    ("simplejpeg", "simplejpeg", "JPEG"),
    ("onnxruntime", "onnxruntime", "running bundles"),
    ("safetensors", "safetensors", "weights"),
    ("torch", "torch", "networks and training"),
    ("onnx", "onnx", "writing ONNX"),
    ("matplotlib", "matplotlib", "plots of the report"),
    ("jinja2", "jinja2", "pages of the report"),
    ("scikit-learn", "sklearn", "the digits data set"),
    ("openvino", "openvino", "a second engine"),
    ("huggingface_hub", "huggingface_hub", "pushing to the hub"),
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


def _package(name: str, module: str, use: str) -> dict[str, str | None]:
    try:
        version: str | None = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    install = (
        f"pip install 'vertebra[{EXTRAS[module]}]'" if module in EXTRAS else "pip install --force-reinstall vertebra"
    )
    return {"name": name, "version": version, "use": use, "hint": "" if version else install}

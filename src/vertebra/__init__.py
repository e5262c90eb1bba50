"""vertebra: design, measure, scale, train and ship CNN image backbones.

Names are imported when they are first used, so ``import vertebra`` is quick and loads neither torch nor numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "Architecture": "vertebra.arch.architecture",
    "Block": "vertebra.arch.node",
    "Bundle": "vertebra.bundle.bundle",
    "Stage": "vertebra.arch.architecture",
    "VertebraError": "vertebra.errors",
    "architecture": "vertebra.zoo.registry",
    "build": "vertebra.nn",
    "cost": "vertebra.costs.count",
    "difference": "vertebra.costs.difference",
    "embed": "vertebra.fitting.embedding",
    "embeddings": "vertebra.nn",
    "features": "vertebra.nn",
    "fit": "vertebra.fitting.fit",
    "from_pretrained": "vertebra.weights.pretrained",
    "load": "vertebra.weights.load",
    "load_bundle": "vertebra.bundle.bundle",
    "measure": "vertebra.latency.measure",
    "push_to_hub": "vertebra.weights.pretrained",
    "save": "vertebra.weights.save",
    "save_pretrained": "vertebra.weights.pretrained",
    "search_coefficients": "vertebra.fitting.scale_search",
}
_PACKAGES = (
    "arch",
    "bundle",
    "costs",
    "data",
    "engines",
    "errors",
    "fitting",
    "latency",
    "nn",
    "onnx",
    "report",
    "scale",
    "train",
    "weights",
    "zoo",
)

__all__ = ["__version__", *_HOME, *_PACKAGES]

if TYPE_CHECKING:
    __version__: str
    from vertebra.arch.architecture import Architecture as Architecture
    from vertebra.arch.architecture import Stage as Stage
    from vertebra.arch.node import Block as Block
    from vertebra.bundle.bundle import Bundle as Bundle
    from vertebra.bundle.bundle import load_bundle as load_bundle
    from vertebra.costs.count import cost as cost
    from vertebra.costs.difference import difference as difference
    from vertebra.errors import VertebraError as VertebraError
    from vertebra.fitting.embedding import embed as embed
    from vertebra.fitting.fit import fit as fit
    from vertebra.fitting.scale_search import search_coefficients as search_coefficients
    from vertebra.latency.measure import measure as measure
    from vertebra.nn import build as build
    from vertebra.nn import embeddings as embeddings
    from vertebra.nn import features as features
    from vertebra.weights.load import load as load
    from vertebra.weights.pretrained import from_pretrained as from_pretrained
    from vertebra.weights.pretrained import push_to_hub as push_to_hub
    from vertebra.weights.pretrained import save_pretrained as save_pretrained
    from vertebra.weights.save import save as save
    from vertebra.zoo.registry import architecture as architecture


def __getattr__(name: str) -> Any:
    try:
        value = _imported(name)
    except ModuleNotFoundError as error:
        from vertebra.errors import MissingExtraError

        missing = MissingExtraError.behind(error)
        if missing is None:
            raise
        raise missing from error
    globals()[name] = value
    return value


def _imported(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("vertebra.version").installed()
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"vertebra.{name}")
    raise AttributeError(f"module 'vertebra' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

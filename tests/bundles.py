"""Small bundles for tests, with made-up weights."""

from __future__ import annotations

from pathlib import Path

import msgspec
import safetensors.numpy

from vertebra.arch.architecture import Architecture
from vertebra.arch.encoding import to_data
from vertebra.bundle import manifest
from vertebra.bundle.folder import write_bundle
from vertebra.data.preprocess import Preprocess
from vertebra.onnx.emit import emit
from vertebra.onnx.weights import random_weights
from vertebra.zoo import cifar_resnet

LABELS = ("ant", "bee", "cat")


def make_bundle(path: Path, arch: Architecture | None = None, *, force: bool = False, seed: int = 0) -> Path:
    """A bundle of an 8-layer CIFAR ResNet for 16 px and three classes, or of another network for these."""
    arch = arch or cifar_resnet(1, classes=len(LABELS), resolution=16)
    preprocess = Preprocess(size=16, resize=16)
    weights = random_weights(arch, seed)
    models = {name: emit(arch, weights, preprocess, entry=entry).SerializeToString()
              for name, entry in ((manifest.MODEL_ANY, "any"), (manifest.MODEL_SIZED, "sized"))}  # fmt: skip
    files = {
        manifest.ARCHITECTURE: msgspec.json.encode({"architecture": to_data(arch)}),
        manifest.WEIGHTS: safetensors.numpy.save(weights),
        manifest.PREPROCESS: preprocess.to_json(),
        manifest.LABELS: msgspec.json.encode(LABELS),
        **models,
    }
    write_bundle(path, files, version="test", force=force)
    return path

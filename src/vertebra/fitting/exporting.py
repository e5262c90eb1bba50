"""From a trained network to an artifact: emitted, verified picture by picture, measured, and named as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import nn

from vertebra.arch.architecture import Architecture
from vertebra.arch.encoding import to_data
from vertebra.bundle import manifest
from vertebra.data.dataset import Dataset, Sample
from vertebra.data.preprocess import Preprocess, normalised, sized
from vertebra.data.threads import Progress, each
from vertebra.engines.onnxruntime import OnnxRuntime
from vertebra.errors import EngineError
from vertebra.fitting.measuring import Extent, Latency, time_artifacts
from vertebra.onnx.emit import emit

LARGEST_DIFFERENCE = 1e-3
"""Of a probability, between the artifact and the network that it was made of."""
SECONDS = 1.0
BATCH = 32


class Artifact(msgspec.Struct, frozen=True):
    """An exported network: the two ONNX files and the weights that they hold."""

    arch: Architecture
    preprocess: Preprocess
    labels: tuple[str, ...]
    weights: bytes
    portable: bytes
    fixed: bytes

    def files(self) -> dict[str, bytes]:
        """The bundle's files by name: what is needed to run it and to train it further."""
        described = {
            "architecture": to_data(self.arch),
            "hash": self.arch.hash,
            "expanded": to_data(self.arch.tree(), defaults=True),
        }
        return {
            manifest.ARCHITECTURE: _json(described),
            manifest.WEIGHTS: self.weights,
            manifest.PREPROCESS: self.preprocess.to_json(),
            manifest.LABELS: _json(self.labels),
            manifest.MODEL_ANY: self.portable,
            manifest.MODEL_SIZED: self.fixed,
        }


class Verified(msgspec.Struct, frozen=True):
    """The artifact against its network over ``compared`` pictures.

    ``largest_difference`` is of a probability; ``agreeing`` counts equal first classes.  One that differs
    while both probabilities are within the tolerance is a tie and counts as equal.
    """

    compared: int
    agreeing: int
    largest_difference: float


def export(net: nn.Module, arch: Architecture, preprocess: Preprocess, labels: Sequence[str]) -> Artifact:
    """Emit a trained network; it must be in evaluation mode or is put there."""
    net.eval()
    arrays: Mapping[str, NDArray[Any]] = {
        name: tensor.detach().cpu().contiguous().numpy() for name, tensor in net.state_dict().items()
    }
    portable, fixed = (emit(arch, arrays, preprocess, entry=entry).SerializeToString() for entry in ("any", "sized"))
    return Artifact(arch, preprocess, tuple(labels), safetensors.numpy.save(dict(arrays)), portable, fixed)


def verify(
    artifact: Artifact, net: nn.Module, dataset: Dataset, samples: Sequence[Sample], progress: Progress | None = None
) -> Verified:
    """Run both entries of the artifact beside the torch network: ``any`` on pictures in their original sizes, ``sized``
    and torch on Pillow's resize of them.

    Raises EngineError where they differ by more than LARGEST_DIFFERENCE, or in a first class that is no tie.
    """
    portable, fixed = OnnxRuntime(artifact.portable), OnnxRuntime(artifact.fixed)
    agreeing, largest = 0, 0.0
    for start in range(0, len(samples), BATCH):
        pictures = each(dataset.image, samples[start : start + BATCH])
        small = np.stack([sized(one, artifact.preprocess) for one in pictures])
        ours = network_probabilities(net, small, artifact.preprocess)
        alike = np.ones(len(ours), dtype=bool)
        for theirs in (np.concatenate([portable.run(picture) for picture in pictures]), fixed.run(small)):
            largest = max(largest, float(np.abs(theirs - ours).max()))
            margin = ours.max(axis=1) - ours[np.arange(len(ours)), theirs.argmax(axis=1)]
            alike &= margin <= LARGEST_DIFFERENCE
        agreeing += int(alike.sum())
        if progress is not None:
            progress(min(start + BATCH, len(samples)), len(samples))
    if largest > LARGEST_DIFFERENCE or agreeing < len(samples):
        raise EngineError(
            f"the artifact is up to {largest:.2g} away from its network and differs in {len(samples) - agreeing}",
            where=artifact.arch.name,
            allowed=f"{LARGEST_DIFFERENCE:g} and none",
            remedy="nothing was packed; please report it with the run's folder",
        )
    return Verified(len(samples), agreeing, largest)


def artifact_probabilities(
    artifact: Artifact, dataset: Dataset, samples: Sequence[Sample], progress: Progress | None = None
) -> NDArray[np.float32]:
    """float32[N, classes] of the artifact as ``predict`` runs it: Pillow's resize, then ``sized`` in batches."""
    engine = OnnxRuntime(artifact.fixed)
    done: list[NDArray[np.float32]] = []
    for start in range(0, len(samples), BATCH):
        pictures = each(dataset.image, samples[start : start + BATCH])
        done.append(engine.run(np.stack([sized(one, artifact.preprocess) for one in pictures])))
        if progress is not None:
            progress(min(start + BATCH, len(samples)), len(samples))
    return np.concatenate(done)


def network_probabilities(net: nn.Module, images: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.float32]:
    """float32[N, classes] of the torch network on pictures of its own size, in float32."""
    net.eval()
    device = next(net.parameters()).device
    with torch.inference_mode():
        logits = net(torch.from_numpy(normalised(images, preprocess)).to(device))
        result: NDArray[np.float32] = logits.float().softmax(dim=1).cpu().numpy()
    return result


def measure_artifact(artifact: Artifact, image: Extent) -> Latency:
    """Medians at batch 1 of the artifact itself."""
    return time_artifacts(artifact.portable, artifact.fixed, image, artifact.preprocess.size, seconds=SECONDS)


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"

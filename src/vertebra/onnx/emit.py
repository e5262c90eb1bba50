"""From an architecture, its weights and its preprocessing to an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.arch.shapes import Shape
from vertebra.data.preprocess import Preprocess
from vertebra.errors import ArchitectureError
from vertebra.onnx.graph import FLOAT, UINT8, Graph, attributes
from vertebra.onnx.network import Value, network
from vertebra.onnx.resize import AT, resized
from vertebra.onnx.sums import Sums

if TYPE_CHECKING:
    from onnx import ModelProto

Entry = Literal["any", "sized"]
Weights = Mapping[str, NDArray[Any]]


def emit(arch: Architecture, weights: Weights | None, preprocess: Preprocess, *, entry: Entry = "any") -> ModelProto:
    """The network with its preprocessing inside: raw uint8 RGB pixels in, probabilities out.

    ``entry="any"``: ``image`` uint8 [H, W, 3] of any size -> ``probabilities`` float32 [1, classes].
    ``entry="sized"``: ``images`` uint8 [N, size, size, 3], resized before -> ``probabilities`` float32 [N, classes].

    ``weights`` maps the names of ``state_dict`` to arrays; with None they become inputs of the graph.  Raises
    WeightsError for weights of another network, ShapeError where the network does not fit ``preprocess.size``,
    ArchitectureError where its channels or its head do not fit, MissingExtraError without onnx.
    """
    if entry not in ENTRIES:
        raise ArchitectureError(f"unknown entry {entry!r}", allowed=", ".join(ENTRIES))
    if arch.channels != preprocess.channels:
        raise ArchitectureError(
            f"the network takes {arch.channels} channels, its preprocessing gives {preprocess.channels}",
            where=arch.name,
            remedy=f"use arch.with_channels({preprocess.channels})",
        )
    graph = Graph(arch.name, weights)
    pixels, batch = ENTRIES[entry](graph, preprocess)
    shape = (arch.channels, preprocess.size, preprocess.size)
    logits = _vector(graph, arch, network(graph, arch, Value(normalise(graph, pixels, preprocess), shape)))
    graph.output(
        "probabilities", graph.op("Softmax", logits.name, at="", having=attributes(axis=1)), (batch, *logits.shape)
    )
    return graph.finished(_properties(arch, entry) | {"vertebra.preprocess": preprocess.to_json().decode()})


def emit_body(arch: Architecture, weights: Weights | None, *, resolution: int | None = None) -> ModelProto:
    """The network alone: ``input`` float32 [N, C, H, W] -> ``output``, its last value as it is.

    ``resolution`` in px, the architecture's own by default.  Raises as :func:`emit` does.
    """
    graph = Graph(arch.name, weights)
    shape = arch.shape_at(resolution)
    leaves = network(graph, arch, Value(graph.input("input", FLOAT, ("N", *shape)), shape))
    graph.output("output", leaves.name, ("N", *leaves.shape))
    return graph.finished(_properties(arch, "body"))


def _any(graph: Graph, p: Preprocess) -> tuple[str, int | str]:
    """Planes float32 [1, 3, size, size] of one picture of any size, and the batch's extent."""
    image = graph.input("image", UINT8, ("H", "W", 3))
    return Sums(graph, AT).unsqueeze(resized(graph, image, p), 0), 1


def _sized(graph: Graph, p: Preprocess) -> tuple[str, int | str]:
    """Planes float32 [N, 3, size, size] of pictures that have the network's size, and the batch's extent."""
    images = graph.input("images", UINT8, ("N", p.size, p.size, 3))
    sums = Sums(graph, AT)
    return sums.as_float(sums.turn(images, (0, 3, 1, 2))), "N"


ENTRIES = {"any": _any, "sized": _sized}


def normalise(graph: Graph, planes: str, p: Preprocess) -> str:
    """Planes float32 [N, 3, S, S] of 0 to 255 to what the network takes, [N, C, S, S]: (pixel / 255 - mean) / std."""
    sums = Sums(graph, AT)
    if p.colour == "grey":
        planes = _grey(sums, planes)
    mean, std = np.asarray(p.mean, np.float64), np.asarray(p.std, np.float64)
    gain = (1 / (255 * std)).astype(np.float32)[:, None, None]
    bias = (-mean / std).astype(np.float32)[:, None, None]
    return sums.add(sums.mul(planes, gain), bias)


def _grey(sums: Sums, planes: str) -> str:
    """Pillow's L, (19595 R + 38470 G + 7471 B + 32768) >> 16; whole numbers below 2^24 are exact in float32."""
    parts = np.array([19595, 38470, 7471], np.float32).reshape(1, 3, 1, 1)
    mixed = sums.total(sums.mul(planes, parts), 1)
    return sums.floor(sums.mul(sums.add(mixed, 32768.0), 1 / 65536))


def _vector(graph: Graph, arch: Architecture, value: Value) -> Value:
    """The last value as (classes,); raises ArchitectureError where it is still a map."""
    shape: Shape = value.shape
    if len(shape) == 1:
        return value
    if shape[1:] != (1, 1):
        raise ArchitectureError(
            f"the network ends in a map {shape}, not in classes", where=arch.name, remedy="give it a head with a Linear"
        )
    return Value(graph.op("Flatten", value.name, at=""), shape[:1])


def _properties(arch: Architecture, entry: str) -> dict[str, str]:
    return {"vertebra.architecture": arch.hash, "vertebra.entry": entry}

"""load(): an architecture with weights from a file, without values that would be thrown away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.arch.expansion import Layer, joined
from vertebra.arch.primitives import Linear
from vertebra.arch.record import brief
from vertebra.errors import ArchitectureError, WeightsError
from vertebra.nn.construct import construct, described, layers_of
from vertebra.nn.initialise import initialise
from vertebra.weights.files import opened
from vertebra.weights.matching import assign

Source = Callable[[str], Mapping[str, Tensor]]


def load(arch: Architecture, weights: str | Path, *, classes: int | None = None, seed: int = 0) -> nn.Module:
    """The network of ``arch`` with these weights, in evaluation mode.

    ``weights`` is ``"file:PATH"`` or a Path to a safetensors file of ours.  Its values are mapped from the file, not
    copied: don't write into the file while the network lives (``save`` replaces it, which is safe); training does not
    change the file.  With ``classes`` the file's classifier may have another number of them: it is then replaced by a
    new one, initialised with ``seed``.
    Raises ArchitectureError for anything but an architecture; WeightsError for a file that is missing or broken, an
    unknown source, names or shapes that are not the architecture's, and values that are not finite; TransformError for
    ``classes`` without a classifier.
    """
    if not isinstance(arch, Architecture):
        described(arch)
        raise ArchitectureError("weights need a whole architecture", remedy="build(node, channels=) builds a node")
    where, tensors = _tensors(weights)
    wanted = arch if classes is None else arch.with_classes(classes)
    stored = wanted if classes is None else _as_stored(wanted, tensors)
    with torch.device("meta"):
        net = construct(stored)
    assign(net, tensors, where)
    if stored.classes != wanted.classes:
        _reclassify(net, wanted, seed)
    return net.eval()


def _tensors(weights: str | Path) -> tuple[str, Mapping[str, Tensor]]:
    """Where the weights come from, as errors name it, and the weights."""
    if isinstance(weights, Path):
        return str(weights), SOURCES["file"](str(weights))
    if not isinstance(weights, str):
        raise WeightsError(f"expected a source of weights, got {brief(weights)}", allowed="file:PATH, or a Path")
    scheme, colon, rest = weights.partition(":")
    if not colon or scheme not in SOURCES:
        remedy = f"write file:{weights}" if Path(weights).is_file() else None
        raise WeightsError(f"unknown source of weights {weights!r}", allowed="file:PATH", remedy=remedy)
    return rest, SOURCES[scheme](rest)


def mapped(path: str) -> dict[str, Tensor]:
    """Every tensor of a safetensors file, backed by the file until written to."""
    with opened(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping


SOURCES: dict[str, Source] = {"file": mapped}
"""What may stand before the colon."""


def _classifier(arch: Architecture) -> Layer:
    return [layer for layer in layers_of(arch) if isinstance(layer.node, Linear)][-1]


def _as_stored(arch: Architecture, tensors: Mapping[str, Tensor]) -> Architecture:
    """The architecture with as many classes as the weights were trained for."""
    kernel = tensors.get(joined(_classifier(arch).path, "weight"))
    return arch if kernel is None or kernel.ndim != 2 else arch.with_classes(kernel.shape[0])


def _reclassify(net: nn.Module, arch: Architecture, seed: int) -> None:
    """A new classifier, for the classes of ``arch``, in the place of the old one."""
    layer = _classifier(arch)
    module = net.get_submodule(layer.path)
    for weight in layer.node.weights(layer.enters):
        module.register_parameter(weight.name, nn.Parameter(torch.empty(weight.shape)))
    module.out_features = arch.classes  # type: ignore[assignment]
    net.__dict__["arch"] = arch
    initialise(net, [layer], arch.initialisation, seed)

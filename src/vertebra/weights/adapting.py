"""Weights for other input channels and other classes than they were trained for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import torch
from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.arch.expansion import Layer
from vertebra.arch.primitives import Linear
from vertebra.data.preprocess import Preprocess
from vertebra.errors import TransformError
from vertebra.nn.construct import layers_of
from vertebra.nn.initialise import initialise
from vertebra.weights.naming import weights_of
from vertebra.weights.origin import Origin


def with_input_channels(
    arch: Architecture, tensors: Mapping[str, Tensor], origin: Origin, channels: int
) -> tuple[Architecture, dict[str, Tensor], Origin]:
    """The network, its tensors and their origin for images with so many channels.

    Kernels that see the image are summed for one channel, so that a grey picture gives what it gave as three equal
    channels; for more they are repeated in turn, and scaled so that the sum stays.  Raises TransformError for a
    network whose other tensors depend on the image's channels.
    """
    other = arch.with_channels(channels)
    wanted = weights_of(other)
    adapted = dict(tensors)
    for name, weight in weights_of(arch).items():
        if weight.shape == wanted[name].shape:
            continue
        if weight.role != "kernel" or wanted[name].shape[1] != channels or weight.shape[1] != arch.channels:
            raise TransformError(
                f"{name} cannot be adapted to {channels} channels", where=arch.name, remedy="train it from scratch"
            )
        adapted[name] = _adapted(tensors[name], channels)
    way = "summed" if channels == 1 else f"repeated, times {arch.channels}/{channels}"
    note = f"input channels {channels} instead of {arch.channels}: the first kernel is {way}"
    preprocess = _preprocess(origin.preprocess, channels)
    if origin.preprocess is not None and preprocess is None:
        note += "; its preprocessing is for colour pictures alone, so it is left out"
    return other, adapted, msgspec.structs.replace(origin.noting(note), preprocess=preprocess)


def _adapted(kernel: Tensor, channels: int) -> Tensor:
    """(out, C, H, W) for other C."""
    if channels == 1:
        return kernel.sum(1, keepdim=True)
    given = kernel.shape[1]
    return kernel[:, [channel % given for channel in range(channels)]] * (given / channels)


def _preprocess(of: Preprocess | None, channels: int) -> Preprocess | None:
    """For grey pictures: the means over the colours, which is exact where they are equal.  None where nothing fits."""
    if of is None or channels == of.channels:
        return of
    if channels != 1:
        return None
    mean, std = sum(of.mean) / len(of.mean), sum(of.std) / len(of.std)
    return Preprocess(
        size=of.size,
        resize=of.resize,
        fit=of.fit,
        interpolation=of.interpolation,
        colour="grey",
        mean=(mean,),
        std=(std,),
    )


def classifier_layer(arch: Architecture) -> Layer:
    """The last Linear; the architecture must have one."""
    return [layer for layer in layers_of(arch) if isinstance(layer.node, Linear)][-1]


def reclassify(net: nn.Module, arch: Architecture, seed: int) -> None:
    """A new classifier, for the classes of ``arch``, in the place of the old one."""
    layer = classifier_layer(arch)
    module = net.get_submodule(layer.path)
    for weight in layer.node.weights(layer.enters):
        module.register_parameter(weight.name, nn.Parameter(torch.empty(weight.shape)))
    module.out_features = arch.classes  # type: ignore[assignment]
    net.__dict__["arch"] = arch
    initialise(net, [layer], arch.initialisation, seed)

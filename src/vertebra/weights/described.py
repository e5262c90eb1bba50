"""A network as it is to be saved: its architecture and origin, held against the tensors that it has."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.errors import WeightsError
from vertebra.weights.naming import classifier_of, weights_of
from vertebra.weights.origin import Origin


def architecture_in(net: nn.Module) -> Architecture:
    """``net.arch``, with the classes of a classifier that a user has put in its place (``net.fc = nn.Linear(512, 3)``).

    Raises WeightsError for a network without one, and where its tensors are those of another: what is saved under a
    description that does not fit could not be loaded.
    """
    arch = getattr(net, "arch", None)
    if not isinstance(arch, Architecture):
        raise WeightsError("the network has no architecture", remedy="give what build() or load() returned")
    tensors = net.state_dict()
    found = fitting(arch, tensors)
    if found is not None:
        return found
    raise WeightsError(
        f"the network is not what net.arch says: {difference(arch, tensors)}",
        remedy="save its tensors alone: save(net.state_dict(), PATH)",
    )


def fitting(arch: Architecture, tensors: Mapping[str, Tensor]) -> Architecture | None:
    """The architecture, with the classes that the classifier among these tensors has; None where others differ too."""
    if difference(arch, tensors) is None:
        return arch
    kernel = next((tensors[name] for name in classifier_of(arch)[:1] if name in tensors), None)
    if kernel is not None and kernel.ndim == 2 and len(kernel):
        other = arch.with_classes(len(kernel))
        if difference(other, tensors) is None:
            return other
    return None


def origin_in(net: nn.Module, arch: Architecture) -> Origin | None:
    """``net.weights``; without labels and accuracy where the classifier is another than theirs."""
    origin = getattr(net, "weights", None)
    if not isinstance(origin, Origin):
        return None
    if getattr(net, "arch", None) == arch:
        return origin
    return msgspec.structs.replace(origin, labels=None, top1=None, resolution=None, top1_source=None)


def difference(arch: Architecture, tensors: Mapping[str, Tensor]) -> str | None:
    """The first tensor in which an architecture and a state differ, in words; None where they agree."""
    for name, weight in weights_of(arch).items():
        if name not in tensors:
            return f"{name} is missing"
        if tensors[name].shape != weight.shape:
            return f"{name} is {_size(tensors[name].shape)}, not {_size(weight.shape)}"
    more = tensors.keys() - weights_of(arch).keys()
    return f"{min(more)} is not in it" if more else None


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a scalar"

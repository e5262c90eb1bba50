"""The names under which a network's tensors may come: our own, and each peer's with its variant of the network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

import msgspec
from torch import Tensor

from vertebra.arch.architecture import TOP, Architecture
from vertebra.arch.expansion import declared, joined
from vertebra.arch.node import Weight
from vertebra.arch.primitives import Linear
from vertebra.errors import ArchitectureError, TransformError, UnknownNameError
from vertebra.weights.variants import like
from vertebra.zoo.entry import Entry
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.registry import entry

OURS = "ours"

# torchvision's published DenseNets carry the names of an old release: denselayer1.norm.1.weight.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


class Naming(msgspec.Struct, frozen=True):
    """One set of names: whose it is, the variant of the network that goes with it, and their name of each of ours."""

    source: str
    variant: Architecture
    names: Mapping[str, str]
    beyond: frozenset[str] = frozenset()
    """Their names of a head that the architecture was asked for without."""


def namings(arch: Architecture) -> Iterator[Naming]:
    """Our own names, then those of each project that has the network."""
    known = _entry(arch.name)
    plain = known.make() if known else arch
    own = like(plain, arch) == arch
    yield Naming(OURS, arch, _ours(arch), _beyond(plain, arch, _ours(plain)))
    for source, peer in known.peers.items() if known else ():
        whole = peer.make() if peer.make is not None and own else plain
        try:
            variant = like(whole, arch) if own else arch
            names, entire = _theirs(peer.keys, variant), _theirs(peer.keys, whole)
        except (ArchitectureError, TransformError):  # changed so far that the map does not speak of it
            continue
        yield Naming(source, variant, names, _beyond(whole, arch, entire))


def _ours(arch: Architecture) -> Mapping[str, str]:
    return {name: name for name in weights_of(arch)}


@lru_cache(maxsize=64)
def _theirs(keys: KeyMap, arch: Architecture) -> Mapping[str, str]:
    return MappingProxyType(keys.theirs(arch))


def _beyond(whole: Architecture, arch: Architecture, names: Mapping[str, str]) -> frozenset[str]:
    """The names that the head of the whole network has, where the architecture was asked for without one."""
    if arch.classes is not None or whole.classes is None:
        return frozenset()
    return frozenset(theirs for key, theirs in names.items() if key.partition(".")[0] not in TOP)


def _entry(name: str) -> Entry | None:
    try:
        return entry(name)[1]
    except UnknownNameError:
        return None


@lru_cache(maxsize=64)
def weights_of(arch: Architecture) -> Mapping[str, Weight]:
    """The declaration of each tensor by its name, in order of execution."""
    return MappingProxyType(dict(declared(arch.layers())))


@lru_cache(maxsize=64)
def classifier_of(arch: Architecture) -> tuple[str, ...]:
    """Names of the classifier's tensors, the kernel first; none without a classifier."""
    if arch.classes is None:
        return ()
    layer = [layer for layer in arch.layers() if isinstance(layer.node, Linear)][-1]
    return tuple(joined(layer.path, weight.name) for weight in layer.node.weights(layer.enters))


def as_saved(naming: Naming, tensors: Mapping[str, Tensor]) -> Architecture:
    """The variant with as many classes and input channels as the tensors were trained for."""
    variant = naming.variant
    kernel = tensors.get(naming.names[classifier_of(variant)[0]]) if variant.classes is not None else None
    if kernel is not None and kernel.ndim >= 2 and kernel.shape[0] and kernel.shape[0] != variant.classes:
        variant = variant.with_classes(kernel.shape[0])
    first = tensors.get(next(iter(naming.names.values())))
    if first is not None and first.ndim == 4 and first.shape[1] and first.shape[1] != variant.channels:
        variant = variant.with_channels(first.shape[1])
    return variant


def respelt(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The tensors with names of old releases as they are today."""
    if not any(_OLD_DENSENET.search(name) for name in tensors):
        return tensors
    return {_OLD_DENSENET.sub(r"\1\2.", name): tensor for name, tensor in tensors.items()}

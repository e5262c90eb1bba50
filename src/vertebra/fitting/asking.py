"""An offer of weights, held against the architecture that they were asked for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from vertebra.arch.architecture import TOP, Architecture
from vertebra.arch.codec import to_json
from vertebra.errors import WeightsError
from vertebra.fitting.offers import Offer
from vertebra.weights.naming import classifier_of, weights_of

Shapes = Mapping[str, tuple[int, ...]]


def as_asked(arch: Architecture, offer: Offer) -> Offer:
    """The offer for ``arch`` itself, with all that no tensor shows, in the weights' own channels and classes.

    Raises WeightsError, with the first that differs, unless the tensors of both are the same by name and shape; the
    classifier's do not count.
    """
    given = offer.arch
    asked = arch.with_channels(given.channels)
    if given.classes is not None and arch.classes is not None:
        asked = asked.with_classes(given.classes)
    wanted, found = _shapes(asked), _shapes(given)
    if asked.classes is None or given.classes is None:  # the head of one of them is another, or none
        wanted, found = _below(wanted), _below(found)
    different = _difference(wanted, found)
    if different is not None:
        raise WeightsError(
            f"are of {given.name}, and the {arch.name} that was asked for has other tensors: {different}",
            where=offer.source,
            remedy="name weights of this architecture, or the architecture of these weights",
        )
    return msgspec.structs.replace(offer, architecture=to_json(asked))


def _shapes(arch: Architecture) -> Shapes:
    """Of all tensors but the classifier's."""
    head = classifier_of(arch)
    return {name: weight.shape for name, weight in weights_of(arch).items() if name not in head}


def _below(shapes: Shapes) -> Shapes:
    """Those of the stem and the stages."""
    return {name: shape for name, shape in shapes.items() if name.partition(".")[0] in TOP}


def _difference(wanted: Shapes, found: Shapes) -> str | None:
    """The first tensor that only one of them has, or that has two shapes."""
    for name, shape in wanted.items():
        if name not in found:
            return f"{name} is not among the weights"
        if found[name] != shape:
            return f"{name} is {found[name]} for {shape}"
    beyond = next((name for name in found if name not in wanted), None)
    return None if beyond is None else f"{beyond} has no place in it"

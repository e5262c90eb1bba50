"""A network as one of its sources has it: the variant, changed as the user has changed the network.  No torch."""

from __future__ import annotations

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import replace
from vertebra.errors import ShapeError, TransformError
from vertebra.zoo.registry import architecture, entry, names, variant


def as_in(of: str | Architecture, source: str) -> Architecture:
    """The architecture as ``source`` has it, which may differ in what no tensor shows.

    One that was changed beyond its classes, channels, resolution and strides is taken as it is.
    """
    if isinstance(of, str):
        return variant(of, source)
    if of.name not in names() or source not in entry(of.name)[1].peers:
        return of
    return like(variant(of.name, source), of) if like(architecture(of.name), of) == of else of


def as_given(of: Architecture, given: Architecture) -> Architecture:
    """The architecture as the project has it whose network ``given`` is; as it is where that is nobody's."""
    for source in entry(of.name)[1].peers if of.name in names() else ():
        theirs = like(variant(of.name, source), given)
        if theirs.hash == given.hash or _reduced(theirs, given) == given.hash:
            return as_in(of, source)
    return of


def _reduced(arch: Architecture, given: Architecture) -> str:
    """The hash with the first strides taken away, for small pictures, as they may have been from ``given``."""
    try:
        return arch.with_reduction(given.reduction).hash
    except (ShapeError, TransformError):
        return arch.hash


def like(arch: Architecture, other: Architecture) -> Architecture:
    """``arch`` with the name, classes, channels, resolution and output stride of ``other``."""
    if other.classes is None and arch.classes is not None:
        arch = arch.without_head()
    elif other.classes is not None and arch.classes not in (None, other.classes):
        arch = arch.with_classes(other.classes)
    return replace(
        arch,
        name=other.name,
        channels=other.channels,
        resolution=other.resolution,
        output_stride=other.output_stride,
    )

"""What the functions of costs are asked about: a network, and the shape that enters it."""

from __future__ import annotations

from vertebra.arch.architecture import Architecture
from vertebra.arch.node import Node
from vertebra.arch.plain import whole
from vertebra.arch.record import brief
from vertebra.arch.shapes import Shape
from vertebra.errors import ArchitectureError


def asked(
    of: Architecture | Node, resolution: int | None, channels: int | None, what: str = "cost"
) -> tuple[Architecture | Node, Shape]:
    """The network, for images of these channels, and its input's shape (C, H, W); ``what`` is asked of it.

    Raises ArchitectureError for anything else, and for a resolution or channels that are no whole numbers from 1.
    """
    if isinstance(of, Architecture):
        arch = of if channels is None else of.with_channels(channels)
        return arch, arch.shape_at(resolution)
    if not isinstance(of, Node):
        raise ArchitectureError(f"expected an architecture or a node, got {brief(of)}")
    if resolution is None or channels is None:
        raise ArchitectureError(f"the {what} of a {type(of).__name__} needs resolution= and channels=")
    sizes = []
    for name, value in (("resolution", resolution), ("channels", channels)):
        size = whole(value)
        if size is None or size < 1:
            raise ArchitectureError(f"{name} of {brief(value)}", allowed="an integer from 1")
        sizes.append(size)
    return of, (sizes[1], sizes[0], sizes[0])

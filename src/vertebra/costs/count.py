"""Parameters, MACs, activations and parameter bytes: of the whole, of each part and of each layer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import msgspec

from vertebra.arch.architecture import TOP, Architecture
from vertebra.arch.expansion import Layer, check_segments, hides_block, layers
from vertebra.arch.node import Node
from vertebra.arch.plain import whole
from vertebra.arch.record import brief
from vertebra.arch.shapes import Shape, elements
from vertebra.arch.text import outline
from vertebra.costs.profile import Total, profile, stage_profile, total
from vertebra.costs.rules import ACTIVATIONS, MACS
from vertebra.errors import ArchitectureError, ShapeError

BYTES_PER_PARAMETER = 4  # float32


class LayerCost(msgspec.Struct, frozen=True):
    """The cost of one primitive where it stands, for one image."""

    path: str
    kind: str
    enters: Shape
    leaves: Shape
    params: int
    macs: int
    activations: int

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the parameters in float32."""
        return self.params * BYTES_PER_PARAMETER


class PartCost(msgspec.Struct, frozen=True):
    """The cost of the stem, a stage or the head, for one image."""

    part: str
    block: str
    depth: int
    width: int
    stride: int
    leaves: Shape
    params: int
    macs: int
    activations: int

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the parameters in float32."""
        return self.params * BYTES_PER_PARAMETER


class Cost:
    """The cost of an architecture, or of any node, for one image; counted when first asked for.

    ``macs``: multiply-accumulates (half of what is often called FLOPs).  ``activations``: values that leave
    convolutions.  ``parameter_bytes``: float32.
    """

    def __init__(self, of: Architecture | Node, shape: Shape) -> None:
        self.of = of
        self.shape = shape

    @cached_property
    def _total(self) -> Total:
        if isinstance(self.of, Node):
            return _located(self.of, self.shape)
        params = macs = activations = 0
        shape = self.shape
        try:
            for one in _totals(self.of, shape):
                shape = one.leaves
                params += one.params
                macs += one.macs
                activations += one.activations
        except ShapeError:
            _explain(self.of, self.shape)
            raise
        return Total(shape, params, macs, activations)

    @property
    def resolution(self) -> int:
        """Rows of the input, in pixels."""
        return self.shape[1]

    @property
    def params(self) -> int:
        """Learned values; running statistics are not among them."""
        return self._total.params

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self._total.macs

    @property
    def activations(self) -> int:
        """Values that leave convolutions."""
        return self._total.activations

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the parameters in float32."""
        return self.params * BYTES_PER_PARAMETER

    @property
    def leaves(self) -> Shape:
        """The output's shape."""
        return self._total.leaves

    @cached_property
    def layers(self) -> tuple[LayerCost, ...]:
        """Each primitive in order of execution."""
        return tuple(_layer_cost(layer) for layer in _all_layers(self.of, self.shape))

    @cached_property
    def parts(self) -> tuple[PartCost, ...]:
        """Stem, stages and head; one part for a bare node."""
        if isinstance(self.of, Node):
            one = self._total
            kind = self.of.kind()
            return (PartCost(kind, kind, 1, one.leaves[0], 1, one.leaves, one.params, one.macs, one.activations),)
        parts = tuple(self.of.parts())
        costs = []
        shape = self.shape
        for part, row in zip(parts, outline(parts, shape), strict=True):
            sums = [0, 0, 0]
            for _, node in part.nodes:
                one = total(profile, node, shape)
                shape = one.leaves
                sums = [sums[0] + one.params, sums[1] + one.macs, sums[2] + one.activations]
            costs.append(PartCost(row.part, row.block, row.depth, row.width, row.stride, row.leaves, *sums))
        return tuple(costs)

    def __repr__(self) -> str:
        return (
            f"Cost(params={self.params:,}, macs={self.macs:,}, activations={self.activations:,}, "
            f"parameter_bytes={self.parameter_bytes:,}, resolution={self.resolution})"
        )


def cost(of: Architecture | Node, *, resolution: int | None = None, channels: int | None = None) -> Cost:
    """The exact cost of one forward pass of one image.

    ``resolution`` in pixels, the architecture's own by default (a bare node has none, and needs ``channels`` too).
    Raises ArchitectureError for a resolution or channels that are no whole numbers from 1; ShapeError, with the layer's
    path, when the counts are read at a resolution that does not fit.
    """
    if isinstance(of, Architecture):
        arch = of if channels is None else of.with_channels(channels)
        return Cost(arch, arch.shape_at(resolution))
    if not isinstance(of, Node):
        raise ArchitectureError(f"expected an architecture or a node, got {brief(of)}")
    if resolution is None or channels is None:
        raise ArchitectureError(f"the cost of a {type(of).__name__} needs resolution= and channels=")
    sizes = []
    for name, value in (("resolution", resolution), ("channels", channels)):
        size = whole(value)
        if size is None or size < 1:
            raise ArchitectureError(f"{name} of {brief(value)}", allowed="an integer from 1")
        sizes.append(size)
    return Cost(of, (sizes[1], sizes[0], sizes[0]))


def _totals(of: Architecture, shape: Shape) -> Iterator[Total]:
    """The totals of stem, stages and head in order."""
    if of.output_stride is not None:
        for _, node in of.nodes():
            one = total(profile, node, shape)
            yield one
            shape = one.leaves
        return
    one = total(profile, of.stem, shape)
    yield one
    for stage in of.stages:
        one = total(stage_profile, stage, one.leaves)
        yield one
    if hides_block(of.head):
        check_segments(of.head, one.leaves, TOP)
    yield total(profile, of.head, one.leaves)


def _all_layers(of: Architecture | Node, shape: Shape) -> Iterator[Layer]:
    return of.layers(shape) if isinstance(of, Architecture) else layers(of, shape)


def _layer_cost(layer: Layer) -> LayerCost:
    kind = type(layer.node)
    positions = 0 if layer.aside else elements(layer.leaves[1:])
    return LayerCost(
        layer.path,
        layer.node.kind(),
        layer.enters,
        layer.leaves,
        sum(elements(weight.shape) for weight in layer.node.weights(layer.enters) if weight.learned),
        MACS[kind](layer.node, layer.enters) * positions,
        ACTIVATIONS[kind](layer.node, layer.enters) * positions,
    )


def _located(node: Node, shape: Shape) -> Total:
    try:
        return total(profile, node, shape)
    except ShapeError:
        _explain(node, shape)
        raise


def _explain(of: Architecture | Node, shape: Shape) -> None:
    """Walk again layer by layer, so that the error names the layer's path."""
    for _ in _all_layers(of, shape):
        pass

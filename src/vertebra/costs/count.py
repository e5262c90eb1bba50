"""What a network costs: of the whole, of each part and of each layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from vertebra.arch.architecture import TOP, Architecture
from vertebra.arch.expansion import Layer, along, check_segments, hides_block, layers
from vertebra.arch.node import Node, Role
from vertebra.arch.receptive import Reach, reach, reaches
from vertebra.arch.shapes import Shape, elements
from vertebra.arch.text import Row, outline
from vertebra.costs.asking import asked
from vertebra.costs.kinds import by_kind, form_of
from vertebra.costs.precision import BYTES
from vertebra.costs.profile import Total, profile, stage_profile, total
from vertebra.costs.roles import Roles, buffered, learned, role_counts, sum_of
from vertebra.costs.rows import KindCost, LayerCost, PartCost, intensity, params_of
from vertebra.costs.rules import ACTIVATIONS, MACS
from vertebra.costs.traffic import JoinCost, joins, layer_traffic
from vertebra.errors import ShapeError

if TYPE_CHECKING:
    from vertebra.costs.memory import Memory

__all__ = ["Cost", "JoinCost", "KindCost", "LayerCost", "PartCost", "cost"]


class _Step(msgspec.Struct, frozen=True):
    """What stands one after the other at the top of a network: a block, the stem, the head."""

    path: str
    layers: tuple[LayerCost, ...]
    joins: tuple[JoinCost, ...]

    @property
    def traffic(self) -> int:
        return sum(one.traffic for one in self.layers) + sum(one.traffic for one in self.joins)


class Cost:
    """The cost of an architecture, or of any node, for one image; counted when first asked for.

    ``macs``: multiply-accumulates (half of what is often called FLOPs).  ``activations``: values that leave
    convolutions.  ``parameter_bytes``: float32.  ``traffic``: bytes moved, float32.
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
        return self.params * BYTES["fp32"]

    @property
    def leaves(self) -> Shape:
        """The output's shape."""
        return self._total.leaves

    @cached_property
    def traffic(self) -> int:
        """Bytes that its layers and joins read and write, in float32."""
        return sum(step.traffic for step in self._steps)

    @property
    def intensity(self) -> float:
        """Floating-point operations for each byte moved."""
        return intensity(self.macs, self.traffic)

    @property
    def params_by_role(self) -> dict[Role, int]:
        """Learned values by what they are for; together they are ``params``."""
        return learned(self._roles)

    @property
    def params_by_kind(self) -> dict[str, int]:
        """Learned values by kind of layer, of kinds that have any; together they are ``params``."""
        return params_of(self.kinds)

    @property
    def buffers(self) -> int:
        """Values that are kept but not learned: running statistics and counters."""
        return buffered(self._roles)

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Rows and columns of pixels that one position of the last map sees, those beyond the border included."""
        return self._seen.rows.span, self._seen.columns.span

    @property
    def context(self) -> bool:
        """Whether something of a whole map reaches each position of the last one besides."""
        return self._seen.context

    @cached_property
    def memory(self) -> Memory:
        """The memory that it takes for one image in float32; ``costs.memory`` has batches and precisions."""
        from vertebra.costs.memory import memory  # more code than all that counting needs

        return memory(self.of, resolution=self.shape[1], channels=self.shape[0])

    @property
    def peak_inference_bytes(self) -> int:
        """Activations at their peak for one image in float32; weights are not among them."""
        return self.memory.inference_bytes

    @property
    def peak_training_bytes(self) -> int | None:
        """The same for a forward and backward pass, gradients of activations included."""
        return self.memory.training_bytes

    @cached_property
    def layers(self) -> tuple[LayerCost, ...]:
        """Each primitive in order of execution."""
        return tuple(layer for step in self._steps for layer in step.layers)

    @cached_property
    def joins(self) -> tuple[JoinCost, ...]:
        """Each Sum, Concat and Gate in order of execution: what they move is no layer's."""
        return tuple(join for step in self._steps for join in step.joins)

    @cached_property
    def kinds(self) -> tuple[KindCost, ...]:
        """Layers by kind, convolutions told apart, in the order in which kinds first appear; then joins."""
        return by_kind(self.layers, self.joins)

    @cached_property
    def parts(self) -> tuple[PartCost, ...]:
        """Stem, stages and head; one part for a bare node."""
        if isinstance(self.of, Node):
            kind = self.of.kind()
            return (_part_cost(Row(kind, kind, 1, self.leaves[0], 1, self.leaves), self._steps),)
        parts = tuple(self.of.parts())
        left = iter(self._steps)
        return tuple(
            _part_cost(row, [next(left) for _ in part.nodes])
            for part, row in zip(parts, outline(parts, self.shape), strict=True)
        )

    @property
    def _roles(self) -> Roles:
        return sum_of(layer.roles for layer in self.layers)

    @cached_property
    def _seen(self) -> Reach:
        return reach(self.of if isinstance(self.of, Node) else self.of.tree(), self.shape[0])

    @cached_property
    def _steps(self) -> tuple[_Step, ...]:
        nodes = self.of.nodes() if isinstance(self.of, Architecture) else [("", self.of)]
        pairs = tuple(nodes)
        seen = reaches(pairs, self.shape[0])
        return tuple(_step(path, node, enters, seen) for path, node, enters, _ in along(pairs, self.shape))

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
    return Cost(*asked(of, resolution, channels))


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


def _step(path: str, node: Node, enters: Shape, seen: Iterator[Reach]) -> _Step:
    """``seen`` gives what each layer sees of the image."""
    found = tuple(_layer_cost(layer, next(seen)) for layer in layers(node, enters, path))
    return _Step(path, found, tuple(joins(node, enters, path)))


def _layer_cost(layer: Layer, seen: Reach) -> LayerCost:
    kind = type(layer.node)
    positions = 0 if layer.aside else elements(layer.leaves[1:])
    return LayerCost(
        path=layer.path,
        kind=layer.node.kind(),
        form=form_of(layer.node, layer.enters),
        enters=layer.enters,
        leaves=layer.leaves,
        params=sum(elements(weight.shape) for weight in layer.node.weights(layer.enters) if weight.learned),
        macs=MACS[kind](layer.node, layer.enters) * positions,
        activations=ACTIVATIONS[kind](layer.node, layer.enters) * positions,
        traffic=layer_traffic(layer),
        roles=role_counts(layer),
        receptive_field=None if seen.whole else (seen.rows.span, seen.columns.span),
        context=seen.context,
        pixel_stride=seen.rows.stride,
    )


def _part_cost(row: Row, steps: Sequence[_Step]) -> PartCost:
    found = [layer for step in steps for layer in step.layers]
    return PartCost(
        part=row.part,
        block=row.block,
        depth=row.depth,
        width=row.width,
        stride=row.stride,
        leaves=row.leaves,
        params=sum(layer.params for layer in found),
        macs=sum(layer.macs for layer in found),
        activations=sum(layer.activations for layer in found),
        traffic=sum(step.traffic for step in steps),
        roles=sum_of(layer.roles for layer in found),
        kinds=by_kind(found, (join for step in steps for join in step.joins)),
    )


def _located(node: Node, shape: Shape) -> Total:
    try:
        return total(profile, node, shape)
    except ShapeError:
        _explain(node, shape)
        raise


def _explain(of: Architecture | Node, shape: Shape) -> None:
    """Walk again layer by layer, so that the error names the layer's path."""
    for _ in of.layers(shape) if isinstance(of, Architecture) else layers(of, shape):
        pass

"""Architecture: a stem, stages and a head, and the pure transforms of the whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from msgspec import Meta

from vertebra.arch.combinators import Seq
from vertebra.arch.encoding import canonical
from vertebra.arch.expansion import Layer, along, declared, expanded, layers, opened
from vertebra.arch.initialisation import Initialisation
from vertebra.arch.maps import Map, maps
from vertebra.arch.node import Combinator, Node
from vertebra.arch.plain import whole
from vertebra.arch.primitives import Act, Function, Identity, Norm
from vertebra.arch.record import Channels, Record, brief, replace
from vertebra.arch.rewriting import (
    Substitution,
    attention,
    gates,
    last_linear,
    with_classes_aside,
    with_last_linear,
)
from vertebra.arch.rounding import Rounding
from vertebra.arch.scaling import MAX_NAME, enlarged, multiplier, stage_scaled, suffixed, widened
from vertebra.arch.shapes import Shape
from vertebra.arch.stage import Stage
from vertebra.arch.strides import dilated, reduced, stride_of
from vertebra.arch.text import Part, label, outline, text_table
from vertebra.errors import ArchitectureError, TransformError

OutputStride = Literal[8, 16, 32]
MAX_RESOLUTION = 16_384
TOP = ("stem", "stages")
"""What stands beside the children of the head."""


class Architecture(Record, frozen=True):
    """A backbone with its head: what the zoo registers, JSON files hold and searches return.

    ``resolution`` is the side in pixels at which it is meant to be used; ``channels`` those of the image.
    """

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    stem: Node
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1)]
    head: Node = Identity()
    resolution: Annotated[int, Meta(ge=1, le=MAX_RESOLUTION)] = 224
    channels: Channels = 3
    output_stride: OutputStride | None = None
    rounding: Rounding = Rounding()
    initialisation: Initialisation = Initialisation()

    def check(self) -> None:
        if not self.name.isprintable():
            raise self.fault("name", f"{brief(self.name)} has characters that cannot be printed")
        if not self.stages:
            raise self.fault("stages", "expected at least one stage")
        taken = sorted(set(TOP) & set(self.head.segments())) if isinstance(self.head, Combinator) else []
        if taken:
            raise self.fault("head", f"a child is named {taken[0]!r}", remedy="the head stands beside them: rename it")

    # -- the tree -----------------------------------------------------------------------------------------------

    @property
    def input_shape(self) -> Shape:
        """(C, H, W) at the architecture's own resolution."""
        return (self.channels, self.resolution, self.resolution)

    def shape_at(self, resolution: int | None) -> Shape:
        """The input's (C, H, W) at a resolution in pixels, or at the architecture's own."""
        if resolution is None:
            return self.input_shape
        pixels = whole(resolution)
        if pixels is None or not 1 <= pixels <= MAX_RESOLUTION:
            raise ArchitectureError(
                f"a resolution of {brief(resolution)} px", allowed=f"an integer from 1 to {MAX_RESOLUTION}"
            )
        return (self.channels, pixels, pixels)

    def nodes(self) -> Iterator[tuple[str, Node]]:
        """(path, node) in order of execution: ``stem``, ``stages.0.0``, ..., and the head, whose children stand at the
        top.
        """
        if self.output_stride is not None:
            yield from opened(self.tree())
            return
        yield "stem", self.stem
        for index, stage in enumerate(self.stages):
            for name, node in stage.nodes():
                yield f"stages.{index}.{name}", node
        yield "", self.head

    def layers(self, shape: Shape | None = None) -> Iterator[Layer]:
        """Every primitive in order of execution, for an image of this (C, H, W) or of the architecture's own; raises
        ShapeError with the layer's path.
        """
        for path, node, enters, _ in along(self.nodes(), shape or self.input_shape):
            yield from layers(node, enters, path)

    def tree(self) -> Node:
        """The expanded tree: primitives and combinators alone.  This is what is stored and hashed."""
        return _tree(self)

    @property
    def hash(self) -> str:
        """SHA-256 of the expanded tree and the image's channels: equal on every machine, whatever the blocks were
        called.
        """
        import hashlib  # a tenth of the time that this package takes to import

        return hashlib.sha256(canonical([self.channels, self.tree()])).hexdigest()

    def __str__(self) -> str:
        rows = outline(self.parts(), self.input_shape)
        return text_table(f"{self.name}  ({self.channels} x {self.resolution} x {self.resolution})", rows)

    def parts(self) -> Iterator[Part]:
        """Stem, stages and head as they stand one after the other, with their (path, node) pairs."""
        nodes: dict[str, list[tuple[str, Node]]] = {}
        for path, node in self.nodes():
            stage = path.rpartition(".")[0] if path.startswith("stages.") else "head"
            nodes.setdefault("stem" if path == "stem" else stage, []).append((path, node))
        shown = (("stem", self.stem, 1), *self._shown_stages(), ("head", self.head, 1))
        for name, node, depth in shown:
            if name in nodes:
                yield Part(name, label(node), depth, tuple(nodes[name]))

    def _shown_stages(self) -> Iterator[tuple[str, Node, int]]:
        for index, stage in enumerate(self.stages):
            yield f"stages.{index}", stage.block, stage.depth

    def feature_info(self) -> tuple[Map, ...]:
        """The map of each stride in order: where it stands, its channels, stride and receptive field."""
        return maps(self.nodes(), self.channels)

    @property
    def reduction(self) -> int:
        """The total stride from the image to the last map: 32 for most ImageNet families."""
        return math.prod(stride_of(node, enters) for _, node, enters, _ in along(self.nodes(), self.input_shape))

    # -- transforms ---------------------------------------------------------------------------------------------

    @property
    def classes(self) -> int | None:
        """Outputs of the last Linear of the head; None without one."""
        classifier = last_linear(self.head)
        return None if classifier is None else classifier.out

    def scaled(self, *, width: float = 1.0, depth: float = 1.0, resolution: float = 1.0) -> Self:
        """Width, depth and resolution times these multipliers (compound scaling: Tan and Le 2019, section 3).

        Widths round by the family's rule, depths up, the resolution to the nearest pixel; multipliers of 1 change
        nothing.  Raises TransformError for multipliers out of range, ArchitectureError where a width or a depth is.
        """
        width, depth, resolution = (
            multiplier(name, value) for name, value in (("width", width), ("depth", depth), ("resolution", resolution))
        )
        if (width, depth, resolution) == (1, 1, 1):
            return self
        head = widened(self.head, self.rounding, max(width, self.rounding.head_floor))
        scaled = replace(
            self,
            name=suffixed(self.name, width, depth, resolution),
            stem=widened(self.stem, self.rounding, width),
            stages=tuple(stage_scaled(stage, self.rounding, width, depth) for stage in self.stages),
            head=head,
            resolution=enlarged(self.resolution, resolution),
        )
        return scaled if self.classes is None else scaled.with_classes(self.classes)

    def with_resolution(self, resolution: int) -> Self:
        """Meant for another side, in pixels."""
        return replace(self, resolution=self.shape_at(resolution)[1])

    def with_classes(self, classes: int) -> Self:
        """Another number of classes: the last Linear of the head, and the auxiliary heads in the stages."""
        if self.classes is None:
            raise TransformError(f"{self.name} has no classifier", remedy="give it a head with a Linear")
        stages = tuple(stage.changed(lambda node: with_classes_aside(node, classes)) for stage in self.stages)
        return replace(self, stages=stages, head=with_last_linear(self.head, classes))

    def without_head(self) -> Self:
        """The backbone alone: its output is the last map."""
        return replace(self, head=Identity())

    def with_channels(self, channels: int) -> Self:
        """For images with another number of channels."""
        return replace(self, channels=channels)

    def with_norm(self, method: Literal["batch", "group", "layer", "layer2d"], *, groups: int = 32) -> Self:
        """Every normalisation by another method; ``"layer"`` is ``group`` with one group, over channels and positions.

        Raises TransformError where the architecture has no normalisation.  Blocks are changed through their fields:
        what a user's own block makes in its code stays.
        """
        known = {
            "batch": Norm("batch"),
            "group": Norm("group", groups=groups),
            "layer": Norm("group", groups=1),
            "layer2d": Norm("layer2d"),
        }
        if not isinstance(method, str) or method not in known:
            raise TransformError(f"unknown normalisation {brief(method)}", allowed=", ".join(known))
        norm = known[method]
        keep = Substitution(Norm, lambda old: replace(norm, eps=old.eps, momentum=old.momentum))
        return self._substituted(keep, "normalisation to change")

    def with_activation(self, function: Function) -> Self:
        """Every activation but the gates of attention by another function; raises TransformError where there is
        none.

        A gate is known by its place: a block's field ``gate``, or the last activation within a Gate.
        """
        act = Act(function)
        return self._substituted(Substitution(Act, lambda old: act, spare=gates), "activation to change")

    def with_se(self, reduction: float = 16) -> Self:
        """Squeeze-and-excitation on every block that can carry it, channels / ``reduction`` wide (Hu et al. 2018).

        Attention that is there keeps its make.  Raises TransformError where no block has a field ``attention``, and for
        a reduction below 1.
        """
        return self._substituted(attention(reduction), "block that can carry attention")

    def with_output_stride(self, output_stride: OutputStride) -> Self:
        """Strides beyond this one become dilations; weights and their names stay.

        Raises TransformError for another stride, and, with the layer's path, where a layer cannot be dilated: a pool
        that rounds up by more than its window.
        """
        if output_stride not in (8, 16, 32):
            raise TransformError(f"an output stride of {output_stride!r}", allowed="8, 16, 32")
        spread = replace(self, output_stride=output_stride)
        spread.tree()  # raises where a layer cannot be dilated
        return spread

    def with_reduction(self, factor: int) -> Self:
        """A total stride of at most ``factor``, for small images: the earliest strides become 1, names and weights
        stay.

        Raises TransformError for a factor that is no power of two, and where strides cannot be taken away.
        """
        if type(factor) is not int or factor < 1 or factor & (factor - 1):
            raise TransformError(f"a reduction by {factor!r}", allowed="1, 2, 4, 8, ...")
        if self.reduction <= factor:
            return self
        plain = replace(self, output_stride=None)
        stem, total = reduced(self.stem, plain.reduction, factor)
        stages = []
        for stage in self.stages:
            entry = stage.entry
            if entry is not None:
                entry, total = reduced(entry, total, factor)
            block, total = reduced(stage.block, total, factor)
            stages.append(replace(stage, block=block, entry=entry))
        changed = replace(self, stem=stem, stages=tuple(stages))
        if total > factor or list(declared(changed.layers())) != list(declared(self.layers())):
            raise TransformError(f"{self.name} cannot shrink images by {factor} alone and keep its weights")
        return changed

    def _substituted(self, substitution: Substitution[Any], what: str) -> Self:
        stages = tuple(stage.changed(substitution.within) for stage in self.stages)
        stem, head = substitution.within(self.stem), substitution.within(self.head)
        if not substitution.seen:
            raise TransformError(f"{self.name} has no {what}", remedy="choose a family that has one")
        return replace(self, stem=stem, stages=stages, head=head)


@lru_cache(maxsize=256)
def _tree(arch: Architecture) -> Node:
    plain = replace(arch, output_stride=None)
    stages = tuple((str(index), Seq(tuple(stage.nodes()))) for index, stage in enumerate(plain.stages))
    whole = Seq((("stem", plain.stem), ("stages", Seq(stages)), ("", plain.head)))
    tree = expanded(whole, arch.channels)
    return tree if arch.output_stride is None else dilated(tree, arch.output_stride)


__all__ = ["MAX_RESOLUTION", "Architecture", "Initialisation", "OutputStride", "Stage"]

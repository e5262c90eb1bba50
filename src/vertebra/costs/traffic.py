"""Bytes moved: what each operation must read and write at the least, were nothing kept in a cache between two.

An operation reads its inputs and its weights once and writes its output once, all in float32.  For a 1x1 convolution
that is ``h w (c1 + c2) + c1 c2`` values, the memory access cost of Ma et al. 2018 (ShuffleNet V2, section 2, G1), and
the denominator of the arithmetic intensity of Williams et al. 2009 (Roofline).  Sums, concatenations and gates move
bytes too, though they are no layers: they are the ``joins``.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import msgspec

from vertebra.arch.combinators import Concat, Gate, Seq, Side, Sum
from vertebra.arch.expansion import Layer, joined, unblocked
from vertebra.arch.node import Combinator, Node
from vertebra.arch.primitives import Dropout, Identity, Tap
from vertebra.arch.shapes import Shape, elements
from vertebra.costs.precision import BYTES

PASSING = (Dropout, Identity, Tap)
"""Layers that move nothing at inference: the value that leaves is the one that enters."""


class JoinCost(msgspec.Struct, frozen=True):
    """A Sum, Concat or Gate where it stands, for one image: no layer, and no multiply-accumulates, but bytes moved."""

    path: str
    kind: str
    leaves: Shape
    traffic: int
    """Bytes read and written, in float32."""


def layer_traffic(layer: Layer) -> int:
    """Bytes that a layer moves for one image in float32: its input, its weights and statistics, its output."""
    if layer.aside or isinstance(layer.node, PASSING):
        return 0
    weights = sum(elements(one.shape) for one in layer.node.weights(layer.enters) if one.role != "counter")
    return BYTES["fp32"] * (elements(layer.enters) + weights + elements(layer.leaves))


def joins(node: Node, shape: Shape, path: str = "") -> Iterator[JoinCost]:
    """Each Sum, Concat and Gate of a tree in the order of execution; those in a Side do not run."""
    yield from _joins(node, shape, path)


def _joins(node: Node, shape: Shape, path: str) -> Generator[JoinCost, None, Shape]:
    node = unblocked(node, shape[0])
    if not isinstance(node, Combinator) or isinstance(node, Side):
        return node.output(shape)
    inside, shapes = shape, []
    for name, child in node.children:
        shapes.append((yield from _joins(child, inside, joined(path, name))))
        inside = shapes[-1] if isinstance(node, Seq) else shape
    leaves = node.joined(shape, shapes)
    if isinstance(node, Sum | Concat | Gate):
        yield JoinCost(path, node.kind(), leaves, BYTES["fp32"] * _moved(node, leaves, shapes))
    return leaves


def _moved(node: Sum | Concat | Gate, leaves: Shape, shapes: Sequence[Shape]) -> int:
    """Values read and written: every branch and the result; a Gate reads its input and the factor.

    A sum or concatenation of one branch moves nothing.
    """
    if not isinstance(node, Gate) and len(shapes) == 1:
        return 0
    read = sum(elements(shape) for shape in shapes) + (elements(leaves) if isinstance(node, Gate) else 0)
    return read + elements(leaves)

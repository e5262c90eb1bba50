"""How nodes are put together: one after the other, added, concatenated, as a gate, or beside."""

from __future__ import annotations

from collections.abc import Sequence

from vertebra.arch.node import Combinator, Node, output_of
from vertebra.arch.shapes import UNKNOWN, Shape
from vertebra.errors import ShapeError


class Seq(Combinator, frozen=True):
    """Each child takes what the one before it gave."""

    def output(self, shape: Shape) -> Shape:
        for name, child in self.children:
            shape = output_of(name, child, shape)
        return shape

    def joined(self, shape: Shape, shapes: Sequence[Shape]) -> Shape:
        return shapes[-1]


class Sum(Combinator, frozen=True):
    """Every child takes the same input; their outputs are added (He et al. 2016)."""

    def joined(self, shape: Shape, shapes: Sequence[Shape]) -> Shape:
        if len(set(shapes)) > 1:
            raise ShapeError(f"Sum: branches give {_listed(self, shapes)}", allowed="equal shapes")
        return shapes[0]


class Concat(Combinator, frozen=True):
    """Every child takes the same input; their outputs are concatenated along the channels (Szegedy et al. 2015)."""

    def joined(self, shape: Shape, shapes: Sequence[Shape]) -> Shape:
        if len({one[1:] for one in shapes}) > 1:
            raise ShapeError(f"Concat: branches give {_listed(self, shapes)}", allowed="equal extents")
        return (sum(one[0] for one in shapes), *shapes[0][1:])


class Gate(Combinator, frozen=True):
    """The input times its one child's output: squeeze-and-excitation (Hu et al. 2018, figure 1)."""

    def check(self) -> None:
        super().check()
        if len(self.children) != 1:
            raise self.fault("children", f"expected one child, got {len(self.children)}")

    def joined(self, shape: Shape, shapes: Sequence[Shape]) -> Shape:
        (gate,) = shapes
        if gate not in (shape, (shape[0],), (shape[0], 1, 1)):
            raise ShapeError(f"Gate: the input is {shape}, its factor {gate}", allowed="the input's channels")
        return shape


class Side(Combinator, frozen=True):
    """The input passes unchanged; its one child runs beside it for the sake of the taps in it: an auxiliary head
    (Szegedy et al. 2015, section 5).

    At inference it does not run: its parameters count, its operations do not, and no resolution is too small for it.
    """

    def check(self) -> None:
        super().check()
        if len(self.children) != 1:
            raise self.fault("children", f"expected one child, got {len(self.children)}")

    def output(self, shape: Shape) -> Shape:
        return shape

    def joined(self, shape: Shape, shapes: Sequence[Shape]) -> Shape:
        return shape

    def entering(self, shape: Shape) -> Shape:
        """The shape that its child is looked at with: extents are left UNKNOWN where the map is too small for it."""
        ((_, child),) = self.children
        try:
            child.output(shape)
        except ShapeError:
            return (shape[0], *(UNKNOWN for _ in shape[1:]))
        return shape


def _listed(node: Combinator, shapes: Sequence[Shape]) -> str:
    return ", ".join(f"{name or 'body'} {shape}" for (name, _), shape in zip(node.children, shapes, strict=True))


def _children(nameless: tuple[Node, ...], named: dict[str, Node]) -> tuple[tuple[str, Node], ...]:
    return (*(("", node) for node in nameless), *named.items())


def seq(*nameless: Node, **named: Node) -> Seq:
    """``seq(conv=Conv(64, 3), act=Act())``; a positional node comes first and adds no segment to names."""
    return Seq(_children(nameless, named))


def add(*nameless: Node, **named: Node) -> Sum:
    """A residual sum: ``add(body, shortcut=Identity())``."""
    return Sum(_children(nameless, named))


def concat(*nameless: Node, **named: Node) -> Concat:
    """Concatenation along the channels: ``concat(body, input=Identity())`` puts the body's channels first."""
    return Concat(_children(nameless, named))


def gate(*nameless: Node, **named: Node) -> Gate:
    """The input times the body's output."""
    return Gate(_children(nameless, named))


def side(*nameless: Node, **named: Node) -> Side:
    """A body beside the way, for its taps: ``side(aux1=seq(pool=GlobalPool(), fc=Linear(1000), tap=Tap("aux1")))``."""
    return Side(_children(nameless, named))


__all__ = ["Concat", "Gate", "Seq", "Side", "Sum", "add", "concat", "gate", "seq", "side"]

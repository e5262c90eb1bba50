"""Primitives that stand for windows whose stride was taken away; ``with_output_stride`` makes them."""

from __future__ import annotations

from vertebra.arch.node import Primitive
from vertebra.arch.primitives import Pool
from vertebra.arch.record import Kernel, Natural
from vertebra.arch.shapes import Shape, Step, is_map, pair
from vertebra.errors import ShapeError


class SamePad(Primitive, frozen=True):
    """Zeros for a window whose stride under TensorFlow's ``SAME`` was taken away: (C, H, W) -> (C, H', W').

    They are those of a window of ``kernel`` values with stride ``taken`` on every ``spacing``-th row and column, spread
    as far; so the window, dilated by ``spacing`` and with stride 1, sees at the kept positions what it saw before.
    Nothing is lost of the map: without padding, the window leaves as many rows as entered.
    """

    kernel: Kernel
    taken: Kernel = 1
    spacing: Kernel = 1

    def output(self, shape: Shape) -> Shape:
        if not is_map(shape):
            raise ShapeError(f"SamePad: expected a map (C, H, W), got {shape}")
        extents = zip(shape[1:], pair(self.kernel), pair(self.spacing), strict=True)
        return (shape[0], *(size and size + spacing * (kernel - 1) for size, kernel, spacing in extents))

    def steps(self) -> tuple[Step, Step]:
        (kh, kw), (rows, columns) = pair(self.kernel), pair(self.spacing)
        return Step(rows * (kh - 1) - 1, 1), Step(columns * (kw - 1) - 1, 1)


class SpreadPool(Pool, frozen=True):
    """A pool that reaches over the end: what stands for one that rounded up.

    ``overhang``: rows and columns after the map and its padding that windows may reach over; they take no part.
    """

    overhang: Natural | tuple[Natural, Natural] = 0

    def check(self) -> None:
        super().check()
        if self.rounding == "ceil":
            raise self.fault("rounding", "'ceil' with an overhang", allowed="'floor'")

    def output(self, shape: Shape) -> Shape:
        grown = (size and size + more for size, more in zip(shape[1:], self.over, strict=False))
        return super().output((shape[0], *grown))

    def steps(self) -> tuple[Step, Step]:
        rows, columns = super().steps()
        below, beside = self.over
        return rows._replace(slack=rows.slack + below), columns._replace(slack=columns.slack + beside)

    @property
    def over(self) -> tuple[int, int]:
        return pair(self.overhang)

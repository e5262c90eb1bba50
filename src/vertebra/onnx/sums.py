"""Arithmetic in the graph, so that formulas can be read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebra.onnx.graph import DOUBLE, FLOAT, INT64, Graph, attributes

Term = str | int | float | NDArray[Any]
"""A value by its name, or a constant: an int is int64 [1], a float is a float32 scalar, an array is itself."""


_ONE = np.array(1, dtype=np.int64)


class Sums:
    """Operations on values of ``graph``, all named after ``at``."""

    def __init__(self, graph: Graph, at: str) -> None:
        self.graph = graph
        self.at = at

    def _of(self, kind: str, *terms: Term) -> str:
        return self.graph.op(kind, *(self.term(term) for term in terms), at=self.at)

    def term(self, term: Term) -> str:
        """The name of a value or constant."""
        if isinstance(term, str):
            return term
        return self.graph.constant((term,) if isinstance(term, int) else term)

    def add(self, a: Term, b: Term) -> str:
        """a + b."""
        return self._of("Add", a, b)

    def sub(self, a: Term, b: Term) -> str:
        """a - b."""
        return self._of("Sub", a, b)

    def mul(self, a: Term, b: Term) -> str:
        """a * b."""
        return self._of("Mul", a, b)

    def div(self, a: Term, b: Term) -> str:
        """a / b; of integers, truncated."""
        return self._of("Div", a, b)

    def mod(self, a: Term, b: Term) -> str:
        """The rest of a / b, of integers that are not negative."""
        return self._of("Mod", a, b)

    def least(self, a: Term, b: Term) -> str:
        """The smaller of each two."""
        return self._of("Min", a, b)

    def most(self, a: Term, b: Term) -> str:
        """The larger of each two."""
        return self._of("Max", a, b)

    def relu(self, a: Term) -> str:
        """max(0, a)."""
        return self._of("Relu", a)

    def size(self, a: Term) -> str:
        """|a|."""
        return self._of("Abs", a)

    def floor(self, a: Term) -> str:
        """The whole number below."""
        return self._of("Floor", a)

    def ceil(self, a: Term) -> str:
        """The whole number above."""
        return self._of("Ceil", a)

    def matmul(self, a: Term, b: Term) -> str:
        """The matrix product over the last two axes."""
        return self._of("MatMul", a, b)

    def take(self, a: Term, places: NDArray[Any]) -> str:
        """The values at these places of the first axis."""
        return self._of("Gather", a, places)

    def total(self, a: Term, axis: int) -> str:
        """The sum along an axis, which stays with extent 1."""
        return self._of("ReduceSum", a, axis)

    def unsqueeze(self, a: Term, axis: int) -> str:
        """One more axis, of extent 1."""
        return self._of("Unsqueeze", a, axis)

    def count(self, first: Term, last: Term) -> str:
        """The integers from ``first`` to ``last`` (int64 [1] each), the last left out."""
        scalars = (self._of("Squeeze", end, 0) for end in (first, last))
        return self._of("Range", *scalars, _ONE)

    def cut(self, a: Term, first: str, last: str, axes: NDArray[Any]) -> str:
        """From ``first`` to ``last`` (int64 [n]) along the n ``axes``."""
        return self._of("Slice", a, first, last, axes)

    def join(self, *parts: str, axis: int) -> str:
        """The parts one after the other along an axis."""
        return self.graph.op("Concat", *parts, at=self.at, having=attributes(axis=axis))

    def split(self, a: str, count: int) -> list[str]:
        """Equal parts along the first axis."""
        return [a] if count == 1 else self.graph.split(a, count, at=self.at)

    def turn(self, a: str, order: tuple[int, ...]) -> str:
        """The axes in another order."""
        return self.graph.op("Transpose", a, at=self.at, having=attributes(perm=order))

    def as_float(self, a: str) -> str:
        """As float32."""
        return self.graph.op("Cast", a, at=self.at, having=attributes(to=FLOAT))

    def as_double(self, a: str) -> str:
        """As float64."""
        return self.graph.op("Cast", a, at=self.at, having=attributes(to=DOUBLE))

    def as_int(self, a: str) -> str:
        """As int64."""
        return self.graph.op("Cast", a, at=self.at, having=attributes(to=INT64))

"""A stage: copies of a block at one resolution."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

from vertebra.arch.node import Node
from vertebra.arch.record import Depth, Record, replace
from vertebra.arch.strides import without_stride


class Stage(Record, frozen=True):
    """``depth`` copies of a block, the first one with the block's stride, the rest with stride 1.

    Where the block is a combinator, that is the stride of each node within it.  A block without a field ``stride``
    repeats whatever its code does.
    ``entry`` stands once before them: DenseNet's transition.
    """

    block: Node
    depth: Depth = 1
    entry: Node | None = None

    def nodes(self) -> Iterator[tuple[str, Node]]:
        """The stage's nodes in order with their names: ``entry``, ``0``, ``1``, ..."""
        if self.entry is not None:
            yield "entry", self.entry
        yield "0", self.block
        for index in range(1, self.depth):
            yield str(index), self.rest

    @property
    def rest(self) -> Node:
        """The block as it stands from the second copy on: with stride 1."""
        return without_stride(self.block)

    def changed(self, change: Callable[[Node], Node]) -> Self:
        """The stage with its block and its entry changed."""
        block, entry = change(self.block), self.entry and change(self.entry)
        return self if (block, entry) == (self.block, self.entry) else replace(self, block=block, entry=entry)

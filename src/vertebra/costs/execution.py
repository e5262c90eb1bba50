"""A network run on an imagined allocator, in torch's order of execution.

A value is held by whoever refers to it: the call of a module refers to its input until it returns, a chain of layers to
the value that it has come to, autograd to what it saved.  So a stage's input is allocated while the stage runs, though
its second block never reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, groupby

from vertebra.arch.architecture import Architecture
from vertebra.arch.combinators import Concat, Gate, Seq, Side, Sum
from vertebra.arch.expansion import joined, unblocked
from vertebra.arch.node import Combinator, Node
from vertebra.arch.overwriting import adds_in_place, replaceable, replaces
from vertebra.arch.shapes import Shape
from vertebra.costs.ledger import Buffer, Ledger, Phase
from vertebra.costs.operation import Operation, Sizes, added, concatenated, gated, replaced
from vertebra.costs.operations import OPERATIONS
from vertebra.errors import ShapeError

Pairs = Sequence[tuple[str, Node]]
"""(path, node) pairs that stand one after the other."""


class Value:
    """A tensor: its buffer, its shape, and the number under which its gradient is gathered (None: it has none)."""

    __slots__ = ("buffer", "number", "shape")

    def __init__(self, buffer: Buffer, shape: Shape, number: int | None) -> None:
        self.buffer = buffer
        self.shape = shape
        self.number = number


class Noted:
    """What autograd notes of an operation: where its gradients go, and the buffers that it saved."""

    def __init__(self, operation: Operation, path: str, reads: Sequence[Value], out: Value, saved: list[Buffer]):
        self.operation = operation
        self.path = path
        self.reads = tuple((read.number, read.shape) for read in reads)
        self.out = out.number
        self.saved = saved


class Segment:
    """A part of a network that kept nothing but its input, and runs again in the backward pass."""

    def __init__(self, pairs: Pairs, enters: Value, out: int | None, remembered: int) -> None:
        self.pairs = pairs
        self.enters = enters
        self.out = out
        self.remembered = remembered
        """Operations of which something is saved: after the last of them it need not go on."""


Tape = list[Noted | Segment]


class Run:
    """One pass over a network; what autograd notes goes on the ``tape``, in training."""

    def __init__(self, ledger: Ledger, sizes: Sizes, tape: Tape | None = None, phase: Phase = "forward") -> None:
        self.ledger = ledger
        self.sizes = sizes
        self.tape = tape
        self.phase = phase
        self.enough: int | None = None
        """Operations that save something after which nothing is watched any more."""
        self.remembered = 0
        self._numbers: Iterator[int] = count()

    def image(self, shape: Shape) -> Value:
        """The images, which need no gradient."""
        return Value(self.ledger.take(self.sizes.of(shape)), shape, None)

    def again(self, tape: Tape) -> Run:
        """A run in the backward pass that notes on another tape."""
        run = Run(self.ledger, self.sizes, tape, "backward")
        run._numbers = self._numbers
        return run

    # Each of the following borrows the value that enters, and gives one that its caller drops.

    def network(self, arch: Architecture, x: Value, checkpointing: str) -> Value:
        """A whole architecture: its stages stand in a module of their own, as each stage does; its head does not."""
        groups = [(name, list(pairs)) for name, pairs in groupby(arch.nodes(), lambda pair: _part(pair[0]))]
        stem, head = groups[0][1], groups[-1][1]
        before = self.chain(stem, x)
        value = self._kept(before)
        for _, pairs in groups[1:-1]:
            after = self._stage(pairs, value, checkpointing)
            self.drop(value)
            value = after
        self.drop(before)
        (path, node), *_ = head
        return self._entered(unblocked(node, value.shape[0]), value, path)

    def chain(self, pairs: Pairs, x: Value) -> Value:
        """Nodes one after the other."""
        value = self._kept(x)
        for path, node in pairs:
            after = self.node(node, value, path)
            self.drop(value)
            value = after
        return value

    def node(self, node: Node, x: Value, path: str, over: bool = False) -> Value:
        """Any node; ``over``: it may write over its input."""
        node = unblocked(node, x.shape[0])
        try:
            if isinstance(node, Seq):
                return self._in_order(node, self._kept(x), path)
            if isinstance(node, Side):
                return self._kept(x)
            if isinstance(node, Combinator):
                return self._joined(node, x, path)
            return self._leaf(node, x, path, over)
        except ShapeError as error:
            raise error if error.where else error.at(path) from None

    def drop(self, value: Value) -> None:
        """The caller has no more use for it."""
        self.ledger.drop(value.buffer)

    # -- parts ---------------------------------------------------------------------------------------------------

    def _stage(self, pairs: Pairs, x: Value, checkpointing: str) -> Value:
        if self.tape is None or checkpointing == "none":
            return self.chain(pairs, x)
        if checkpointing == "stage":
            return self._segment(pairs, x)
        value = self._kept(x)
        for pair in pairs:
            after = self._segment([pair], value)
            self.drop(value)
            value = after
        return value

    def _segment(self, pairs: Pairs, x: Value) -> Value:
        """Nothing is noted within; its input is kept."""
        tape, self.tape, begun = self.tape, None, self.remembered
        out = self.chain(pairs, x)
        self.tape = tape
        out = Value(out.buffer, out.shape, next(self._numbers))
        if tape is not None:
            tape.append(Segment(pairs, self._kept(x), out.number, self.remembered - begun))
        return out

    def _entered(self, node: Node, value: Value, path: str) -> Value:
        """A node without a name: a chain is one with the chain that it stands in.  The value is used up."""
        if isinstance(node, Seq):
            return self._in_order(node, value, path)
        after = self.node(node, value, path)
        self.drop(value)
        return after

    def _in_order(self, node: Seq, value: Value, path: str) -> Value:
        """Children one after the other; the value is used up."""
        before: tuple[Node, Shape] | None = None
        for name, child in node.children:
            child = unblocked(child, value.shape[0])
            over = before is not None and replaces(child) and replaceable(*before)
            before = (child, value.shape)
            if not name and isinstance(child, Seq):
                value = self._in_order(child, value, path)
            else:
                after = self.node(child, value, joined(path, name), over)
                self.drop(value)
                value = after
        return value

    def _joined(self, node: Combinator, x: Value, path: str) -> Value:
        branches = [self.node(child, x, joined(path, name)) for name, child in node.children]
        shape = node.joined(x.shape, [branch.shape for branch in branches])
        size = self.sizes.of(shape)
        if isinstance(node, Gate):
            out = self.operate(gated(size, self.sizes.of(branches[0].shape)), path, (x, branches[0]), shape)
        elif isinstance(node, Concat):
            out = self.operate(concatenated(size, len(branches)), path, branches, shape)
        else:
            out = self._sum(branches, shape, path, isinstance(node, Sum) and adds_in_place(node, x.shape))
        for branch in branches:
            self.drop(branch)
        return out

    def _sum(self, branches: Sequence[Value], shape: Shape, path: str, over: bool) -> Value:
        """The sum; from the second on each addition writes over the last, the first does where it may (``over``)."""
        total = self._kept(branches[0])
        for branch in branches[1:]:
            after = self.operate(added(0 if over else self.sizes.of(shape)), path, (total, branch), shape)
            self.drop(total)
            total, over = after, True
        return total

    def _leaf(self, node: Node, x: Value, path: str, over: bool) -> Value:
        leaves = node.output(x.shape)
        operations = OPERATIONS[type(node)](node, x.shape, leaves, self.sizes)
        if over:
            operations = tuple(replaced(one, self.sizes.of(leaves)) for one in operations)
        values = [self._kept(x)]
        readers = [[place % (at + 1) for place in one.reads] for at, one in enumerate(operations)]
        for at, operation in enumerate(operations):
            reads = [values[place] for place in readers[at]]
            values.append(self.operate(operation, path, reads, leaves))
            later = {place for rest in readers[at + 1 :] for place in rest}
            for place in set(readers[at]) - later:
                self.drop(values[place])
        return values[-1]

    # -- operations ----------------------------------------------------------------------------------------------

    def operate(self, operation: Operation, path: str, reads: Sequence[Value], leaves: Shape) -> Value:
        """One operation: what it allocates, and what autograd saves of it."""
        ledger = self.ledger
        ledger.begin(path, self.phase)
        buffer = ledger.take(operation.out) if operation.out else ledger.keep(reads[0].buffer)
        learns = self.sizes.training and (operation.learns or any(read.number is not None for read in reads))
        noted = operation.notes + (operation.clones if learns else 0)
        notes = ledger.take(noted) if noted else None
        ledger.briefly(operation.work)
        out = Value(buffer, leaves, next(self._numbers) if learns else None)
        if learns and self.tape is not None:
            saved = [ledger.keep(reads[place].buffer) for place in operation.saves]
            saved.extend([ledger.keep(buffer)] if operation.saves_output else [])
            saved.extend([ledger.keep(notes)] if notes is not None else [])
            self.tape.append(Noted(operation, path, reads, out, saved))
        if notes is not None:
            ledger.drop(notes)
        if learns and operation.remembers:
            self.remembered += 1
            if self.remembered == self.enough:
                ledger.watching = False
        return out

    def _kept(self, value: Value) -> Value:
        self.ledger.keep(value.buffer)
        return value


def _part(path: str) -> str:
    """``stages.2`` of ``stages.2.0``; stem and head are their own."""
    return path.rpartition(".")[0] or path

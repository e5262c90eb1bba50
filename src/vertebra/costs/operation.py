"""What one operation of torch does with memory, forward and backward."""

from __future__ import annotations

import msgspec

from vertebra.arch.shapes import Shape, elements


class Sizes(msgspec.Struct, frozen=True):
    """How many bytes values take: the images of a batch, and a value's bytes; and whether the network trains."""

    batch: int
    value: int
    training: bool = False

    def of(self, shape: Shape) -> int:
        """Bytes of a tensor of this shape for the whole batch."""
        return self.batch * elements(shape) * self.value


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of torch; sizes in bytes."""

    out: int
    """Of its output; 0: its output is a view of its first input, or stands in its place."""
    gradients: tuple[int, ...]
    """Of the gradient of each input; 0: it is a view of the output's gradient."""
    reads: tuple[int, ...] = (-1,)
    """Its inputs: 0 is the primitive's, i what the i-th operation gave, -1 the last value."""
    saves: tuple[int, ...] = ()
    """Positions of the inputs that the backward pass needs."""
    saves_output: bool = False
    notes: int = 0
    """Allocated beside the output, and kept for the backward pass: places of maxima, statistics, a mask."""
    clones: int = 0
    """Of the copy of its input that autograd keeps, in training alone."""
    work: int = 0
    """Allocated while it runs."""
    back: int = 0
    """The same in its backward pass."""
    learns: bool = False
    """Whether it has weights, so that it takes part in the backward pass whatever reaches it."""
    parts: bool = False
    """Whether its gradients are parts of the output's, not dense on their own (a concatenation)."""
    dense: int = 0
    """Bytes of the copy that its backward pass makes of a gradient that is not dense."""

    @property
    def remembers(self) -> bool:
        """Whether autograd saves anything of it."""
        return bool(self.saves or self.saves_output or self.notes or self.clones)


def view(gradient: int = 0, back: int = 0) -> Operation:
    """A value read in another way; nothing is copied."""
    return Operation(out=0, gradients=(gradient,), back=back)


def replaced(operation: Operation, size: int) -> Operation:
    """The same, written over its input of this size; where its gradient takes the input, autograd clones that."""
    if not operation.saves:
        return msgspec.structs.replace(operation, out=0)
    return msgspec.structs.replace(operation, out=0, saves=(), clones=size)


def added(size: int) -> Operation:
    """The sum of two values; both take its gradient as it is.  Size 0: written over the first."""
    return Operation(out=size, gradients=(0, 0), reads=(0, 1))


def concatenated(size: int, branches: int) -> Operation:
    """Branches side by side; their gradients are parts of its own."""
    return Operation(out=size, gradients=(0,) * branches, reads=tuple(range(branches)), parts=True)


def gated(size: int, factor: int) -> Operation:
    """A map times a factor for each channel (or value), whose gradient is a whole map before it is summed."""
    return Operation(out=size, gradients=(size, factor), reads=(0, 1), saves=(0, 1), back=size if factor < size else 0)

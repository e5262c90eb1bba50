"""The backward pass on an imagined allocator, in the order of torch's autograd engine: the operation that ran last goes
first.
"""

from __future__ import annotations

from vertebra.costs.execution import Noted, Run, Segment, Tape
from vertebra.costs.ledger import Buffer


class Gradient:
    """The gradient of a value, as far as it is gathered: its buffer, its own bytes, and whether it is all of the
    buffer.
    """

    __slots__ = ("buffer", "bytes", "dense")

    def __init__(self, buffer: Buffer, size: int, dense: bool) -> None:
        self.buffer = buffer
        self.bytes = size
        self.dense = dense


Gradients = dict[int, Gradient]


def backward(run: Run, tape: Tape, gradients: Gradients) -> None:
    """Go through the tape from its end; ``gradients`` holds that of the output."""
    while tape:
        noted = tape.pop()
        given = None if noted.out is None else gradients.pop(noted.out, None)
        if isinstance(noted, Segment):
            _repeat(run, noted, given, gradients)
        elif given is not None:
            _step(run, noted, given, gradients)


def _step(run: Run, noted: Noted, given: Gradient, gradients: Gradients) -> None:
    ledger, operation = run.ledger, noted.operation
    ledger.begin(noted.path, "backward")
    made: list[tuple[int, Gradient]] = []
    for (number, shape), size in zip(noted.reads, operation.gradients, strict=True):
        if number is None:
            continue
        if size:
            made.append((number, Gradient(ledger.take(size), size, True)))
        else:
            dense = given.dense and not operation.parts
            made.append((number, Gradient(ledger.keep(given.buffer), run.sizes.of(shape), dense)))
    ledger.briefly(operation.back + (0 if given.dense else operation.dense))
    for buffer in noted.saved:
        ledger.drop(buffer)
    ledger.drop(given.buffer)
    for number, gradient in made:
        _gather(run, gradients, number, gradient)


def _gather(run: Run, gradients: Gradients, number: int, new: Gradient) -> None:
    """Add to what has come from other readers of the value: in place where nothing else refers to one of the two."""
    ledger, old = run.ledger, gradients.get(number)
    if old is None:
        gradients[number] = new
    elif old.dense and old.buffer.held == 1:
        ledger.drop(new.buffer)
    elif new.dense and new.buffer.held == 1:
        ledger.drop(old.buffer)
        gradients[number] = new
    else:
        gradients[number] = Gradient(ledger.take(new.bytes), new.bytes, True)
        ledger.drop(old.buffer)
        ledger.drop(new.buffer)


def _repeat(run: Run, segment: Segment, given: Gradient | None, gradients: Gradients) -> None:
    """Run a segment again, noting everything, and go back through it."""
    if given is not None:
        inner: Tape = []
        again = run.again(inner)
        again.enough = segment.remembered
        out = again.chain(segment.pairs, segment.enters)
        run.ledger.watching = True
        run.drop(out)
        if out.number is not None:
            gradients[out.number] = given
            backward(run, inner, gradients)
    run.drop(segment.enters)

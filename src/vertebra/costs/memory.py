"""Peak memory of a network: what is allocated at once while it runs and while it trains.

Activations, their gradients and the workspace of operations are counted as torch's eager CPU execution holds them, in
channels_last (the layout that training uses here): a value is freed when nothing refers to it any more, and the call
of a module refers to its input until it returns.  Weights, their gradients and the optimiser's state are reported
apart.  ``bench/memory.py`` holds it against torch's own allocations.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.expansion import Layer, layers
from vertebra.arch.node import LEARNED, Node, endless
from vertebra.arch.plain import whole
from vertebra.arch.record import brief
from vertebra.arch.shapes import Shape
from vertebra.costs.asking import asked
from vertebra.costs.backward import Gradient, backward
from vertebra.costs.execution import Run, Tape, Value
from vertebra.costs.ledger import Ledger, Moment, Phase
from vertebra.costs.operation import Sizes
from vertebra.costs.precision import BYTES, TRAINABLE, Precision, precision_of
from vertebra.costs.roles import role_counts, sum_of
from vertebra.errors import UsageError

Checkpointing = Literal["none", "block", "stage"]
"""What is run again in the backward pass in place of keeping its values (Chen et al. 2016): nothing, each block, or
each stage; stem and head never.
"""
Purpose = Literal["inference", "training"]

COUNTER = 8
"""Bytes of a batch normalisation's count of batches (int64)."""
MAX_BATCH = 1 << 20


class Memory(msgspec.Struct, frozen=True):
    """What a network takes, in bytes, for ``batch`` images at once.

    The peaks count the images themselves, activations, gradients of activations, and the workspace of operations.
    What training adds beside ``training_bytes``: ``gradients_bytes``, and the optimiser's state.
    """

    resolution: int
    batch: int
    precision: Precision
    checkpointing: Checkpointing
    inference_bytes: int
    """The peak while it runs without gradients."""
    inference_at: str
    """Path of the layer (or sum, concatenation, gate) that runs at that moment."""
    training_bytes: int | None
    """The peak of one forward and backward pass; None where nothing trains in this precision (int8)."""
    training_at: str | None
    training_phase: Phase | None
    weights_bytes: int
    """Learned values."""
    buffers_bytes: int
    """Running statistics, and counters of 8 bytes."""
    gradients_bytes: int | None
    """Gradients of the learned values; None where nothing trains in this precision."""

    @property
    def inference_total_bytes(self) -> int:
        """Weights, buffers and the peak of inference."""
        return self.weights_bytes + self.buffers_bytes + self.inference_bytes

    def training_total_bytes(self, states: int = 2) -> int | None:
        """Weights, buffers, gradients, the peak of training, and ``states`` values of the optimiser for each learned
        one: 1 for SGD with momentum, 2 for AdamW.  None where nothing trains in this precision.
        """
        if self.training_bytes is None or self.gradients_bytes is None:
            return None
        kept = self.weights_bytes * (1 + states) + self.buffers_bytes
        return kept + self.gradients_bytes + self.training_bytes


class Setting(msgspec.Struct, frozen=True):
    """What is asked: a network, the shape of its image, and how it is run."""

    of: Architecture | Node
    shape: Shape
    batch: int
    precision: Precision
    checkpointing: Checkpointing


def memory(
    of: Architecture | Node,
    *,
    resolution: int | None = None,
    channels: int | None = None,
    batch: int = 1,
    precision: Precision = "fp32",
    checkpointing: Checkpointing = "none",
) -> Memory:
    """The memory that a network takes for ``batch`` images of ``resolution`` px (the architecture's own by default; a
    bare node has none, and needs ``channels`` too).

    ``checkpointing`` other than ``"none"`` needs an Architecture, and counts in training alone.  Raises UsageError for
    a batch, a precision or a checkpointing that is none; ArchitectureError and ShapeError as ``cost`` does.
    """
    setting = _setting(of, resolution, channels, batch, precision, checkpointing)
    inference = _largest(setting, "inference")
    training = _largest(setting, "training") if setting.precision in TRAINABLE else None
    roles = sum_of(role_counts(layer) for layer in _layers(setting))
    value = BYTES[setting.precision]
    weights = value * sum(number for role, number in roles if role in LEARNED)
    buffers = sum(number * (COUNTER if role == "counter" else value) for role, number in roles if role not in LEARNED)
    return Memory(
        setting.shape[1],
        setting.batch,
        setting.precision,
        setting.checkpointing,
        inference.bytes,
        inference.path,
        None if training is None else training.bytes,
        None if training is None else training.path,
        None if training is None else training.phase,
        weights,
        buffers,
        None if training is None else weights,
    )


def timeline(
    of: Architecture | Node,
    *,
    resolution: int | None = None,
    channels: int | None = None,
    batch: int = 1,
    precision: Precision = "fp32",
    checkpointing: Checkpointing = "none",
    purpose: Purpose = "inference",
) -> tuple[Moment, ...]:
    """Moment by moment in order of execution, forward and (for training) backward; ``memory`` gives their largest.

    A layer that is several operations in torch is one moment a pass.  Layers that only pass a value on (identity, tap,
    dropout at inference) have none.  Raises as ``memory`` does, and UsageError for training in int8.
    """
    setting = _setting(of, resolution, channels, batch, precision, checkpointing)
    if purpose == "training" and setting.precision not in TRAINABLE:
        raise UsageError(
            f"nothing trains in {setting.precision}", where="precision", allowed=", ".join(sorted(TRAINABLE))
        )
    return _moments(setting, purpose)


def _setting(
    of: Architecture | Node,
    resolution: int | None,
    channels: int | None,
    batch: int,
    precision: str,
    checkpointing: str,
) -> Setting:
    of, shape = asked(of, resolution, channels, "memory")
    images = whole(batch)
    if images is None or not 1 <= images <= MAX_BATCH:
        raise UsageError(f"a batch of {brief(batch)}", where="batch", allowed=f"an integer from 1 to {MAX_BATCH:,}")
    for known in get_args(Checkpointing):
        if checkpointing == known and isinstance(checkpointing, str):
            if known != "none" and not isinstance(of, Architecture):
                raise UsageError(f"a {of.kind()} has no {known}s to run again", allowed="checkpointing none")
            return Setting(of, shape, images, precision_of(precision), known)
    allowed = ", ".join(get_args(Checkpointing))
    raise UsageError(f"a checkpointing of {brief(checkpointing)}", where="checkpointing", allowed=allowed)


@lru_cache(maxsize=4)
def _moments(setting: Setting, purpose: Purpose) -> tuple[Moment, ...]:
    """Kept for a while: whoever asks for the memory often asks for its timelines next."""
    try:
        return _inference(setting) if purpose == "inference" else _training(setting)
    except RecursionError:
        if isinstance(setting.of, Architecture):
            raise
        raise endless(setting.of) from None


def _inference(setting: Setting) -> tuple[Moment, ...]:
    ledger = Ledger()
    run = Run(ledger, Sizes(setting.batch, BYTES[setting.precision]))
    _forward(run, setting)
    return ledger.moments


def _training(setting: Setting) -> tuple[Moment, ...]:
    """The output's gradient comes from outside, and both stay until the end."""
    ledger = Ledger()
    tape: Tape = []
    run = Run(ledger, Sizes(setting.batch, BYTES[setting.precision], training=True), tape)
    out = _forward(run, setting)
    if out.number is not None:
        size = run.sizes.of(out.shape)
        backward(run, tape, {out.number: Gradient(ledger.keep(ledger.take(size)), size, True)})
    return ledger.moments


def _forward(run: Run, setting: Setting) -> Value:
    images = run.image(setting.shape)
    if isinstance(setting.of, Architecture):
        return run.network(setting.of, images, setting.checkpointing)
    return run.chain([("", setting.of)], images)


def _layers(setting: Setting) -> Iterator[Layer]:
    if isinstance(setting.of, Architecture):
        return setting.of.layers(setting.shape)
    return layers(setting.of, setting.shape)


def _largest(setting: Setting, purpose: Purpose) -> Moment:
    """The first of the largest; the images themselves where nothing is done with them."""
    images = Sizes(setting.batch, BYTES[setting.precision]).of(setting.shape)
    return max(_moments(setting, purpose), key=lambda moment: moment.bytes, default=Moment("", "forward", images))

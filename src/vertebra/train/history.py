"""What a cycle leaves behind: points of the learning curve, its plan, and how fast it went."""

from __future__ import annotations

from typing import Any

import msgspec

from vertebra.train.schedule import Plan
from vertebra.train.tuning import Setting


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a learning curve.

    ``step`` and ``epoch`` (a fraction where a step ends inside one) count from the first cycle, ``seconds`` is of
    training so far, all cycles together.  ``train_loss`` is the mean since the point before, ``val_*`` are None
    without a validation part.
    """

    step: int
    epoch: float
    seconds: float
    train_loss: float | None
    val_loss: float | None
    val_accuracy: float | None
    learning_rate: float


class History(msgspec.Struct, frozen=True, kw_only=True):
    """One cycle: where it began and ended (steps since the first cycle), its plan, and what was seen on the way."""

    start: int
    plan: Plan
    points: tuple[Point, ...]
    setting: Setting
    seconds: float
    images_per_second: float

    @property
    def val_accuracy(self) -> float | None:
        """Of the weights at the end, in 0..1; None without a validation part."""
        return self.points[-1].val_accuracy if self.points else None

    def data(self) -> Any:
        """Plain data, for JSON."""
        return msgspec.to_builtins(self)

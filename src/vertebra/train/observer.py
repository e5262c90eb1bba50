"""What training tells those who watch it."""

from __future__ import annotations

from typing import Protocol

import msgspec

from vertebra.train.history import Point
from vertebra.train.tuning import Setting


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """After a step: steps done and planned in this cycle, seconds since it began, and the mean training loss lately
    (None before the first was taken)."""

    step: int
    steps: int
    epoch: float
    seconds: float
    train_loss: float | None
    learning_rate: float


class Observer(Protocol):
    """Called from the training thread; whatever it does costs training time."""

    def loading(self, done: int, total: int) -> None:
        """``done`` of ``total`` pictures are decoded."""

    def tuned(self, setting: Setting) -> None:
        """Layout and precision are chosen."""

    def stepped(self, status: Status) -> None:
        """A step is done."""

    def evaluated(self, point: Point) -> None:
        """The network was evaluated."""


class Silent:
    """An observer that shows nothing."""

    def loading(self, done: int, total: int) -> None:
        pass

    def tuned(self, setting: Setting) -> None:
        pass

    def stepped(self, status: Status) -> None:
        pass

    def evaluated(self, point: Point) -> None:
        pass

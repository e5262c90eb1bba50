"""A trainer's whole state as what a checkpoint holds, and back."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from torch import nn
from torch.optim import Optimizer

from vertebra.errors import WeightsError
from vertebra.train.averaging import Average
from vertebra.train.cycle import Cycle
from vertebra.train.history import History
from vertebra.train.pixels import Pixels
from vertebra.train.recipe import Recipe
from vertebra.train.schedule import Part
from vertebra.train.tuning import Setting


class Ledger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of a trainer's state that is no tensor."""

    recipe: Recipe
    setting: Setting | None
    classes: tuple[str, ...]
    images: int
    step: int
    seconds: float
    updates: int
    current: Cycle | None
    histories: tuple[History, ...]


class Resumable(Protocol):
    """What of a trainer is saved and restored; checked, not restored: its recipe, classes and data."""

    net: nn.Module
    recipe: Recipe
    train: Pixels
    classes: tuple[str, ...]
    setting: Setting | None
    step: int
    seconds: float
    average: Average | None
    optimiser: Optimizer
    current: Cycle | None
    histories: tuple[History, ...]

    def prepare(self, trains: Part) -> None: ...


def state(trainer: Resumable) -> dict[str, Any]:
    """Tensors and one JSON text."""
    average = trainer.average
    ledger = Ledger(
        recipe=trainer.recipe,
        setting=trainer.setting,
        classes=trainer.classes,
        images=len(trainer.train),
        step=trainer.step,
        seconds=trainer.seconds,
        updates=average.updates if average else 0,
        current=trainer.current,
        histories=trainer.histories,
    )
    return {
        "ledger": msgspec.json.encode(ledger).decode(),
        "net": trainer.net.state_dict(),
        "average": average.net.state_dict() if average else None,
        "optimiser": trainer.optimiser.state_dict(),
    }


def restore(trainer: Resumable, state: dict[str, Any], where: str) -> None:
    """Puts a state into a trainer of the same network, recipe and data; raises WeightsError where they are others."""
    try:
        ledger = msgspec.json.decode(state["ledger"], type=Ledger)
    except (KeyError, TypeError, msgspec.MsgspecError) as error:
        raise WeightsError(f"is incomplete: {error}", where=where, remedy="start again without resuming") from error
    _same("recipe", ledger.recipe, trainer.recipe, where)
    _same("classes", ledger.classes, trainer.classes, where)
    _same("number of training pictures", ledger.images, len(trainer.train), where)
    if ledger.setting is not None:
        trainer.net.to(memory_format=ledger.setting.memory_format)  # type: ignore[call-overload]
    latest = ledger.current or (ledger.histories[-1] if ledger.histories else None)
    trainer.prepare(latest.plan.trains if latest else "all")
    try:
        trainer.net.load_state_dict(state["net"])
        trainer.optimiser.load_state_dict(state["optimiser"])
        trainer.average = None
        if state["average"] is not None:
            trainer.average = Average(trainer.net, trainer.recipe.ema)
            trainer.average.net.load_state_dict(state["average"])
            trainer.average.updates = ledger.updates
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"belongs to another network: {error}", where=where) from error
    trainer.setting, trainer.step, trainer.seconds = ledger.setting, ledger.step, ledger.seconds
    trainer.current, trainer.histories = ledger.current, ledger.histories


def _same(what: str, saved: object, given: object, where: str) -> None:
    if saved != given:
        raise WeightsError(
            f"was made with another {what}", where=where, remedy="resume with what it was started with, or start again"
        )

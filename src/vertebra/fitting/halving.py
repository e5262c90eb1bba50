"""Successive halving: the same seconds for everyone, the better half goes on, for twice as long.

Jamieson and Talwalkar 2016 (arXiv:1502.07943, algorithm 1), with seconds as the resource.  A round is one cosine cycle,
so that a candidate is judged with its learning rate brought down, and the next round goes on from its weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from vertebra.errors import RecipeError
from vertebra.fitting.layout import Plan
from vertebra.fitting.measuring import Measured
from vertebra.report.study import Point, Rung
from vertebra.train.history import History
from vertebra.train.loop import Trainer

LEAST_EPOCHS = 8
"""A candidate that could not see the data this often in the final training is too large for the time."""
LEAST_TUNED_EPOCHS = 3
"""The same for one that starts from pretrained weights."""
TRAINING_COST = 2.0
"""What training on a picture costs, in latencies at batch 1: three passes instead of one, but many pictures at once.

Measured for ResNet-20 at 32 px on two cores: 1.0 ms against 0.5 ms."""
MOST, FEWEST = 8, 4
"""Candidates in the first round."""
LEAST_SECONDS = 2.5
FIRST_EPOCHS = 0.5
"""What a candidate must at least get in the first round: seconds, and passes over the data."""


class Contender(msgspec.Struct, kw_only=True):
    """A candidate that is trained; ``fault`` says why its training failed (a loss that is no number)."""

    measured: Measured
    trainer: Trainer
    fault: RecipeError | None = None

    @property
    def plan(self) -> Plan:
        """What it is."""
        return self.measured.plan

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """What came of its rounds."""
        return tuple(
            Rung(round=number, seconds=last.seconds, epochs=last.epoch, val_accuracy=last.val_accuracy or 0.0)
            for number, history in enumerate(self.rounds, 1)
            for last in history.points[-1:]
        )

    @property
    def rounds(self) -> tuple[History, ...]:
        """The cycles that trained all of it: its rounds so far.  One of the classifier alone belongs to the first."""
        return tuple(history for history in self.trainer.histories if history.plan.trains == "all")

    @property
    def points(self) -> tuple[Point, ...]:
        """Its learning curve."""
        return tuple(
            Point(
                epoch=point.epoch,
                seconds=point.seconds,
                train_loss=point.train_loss,
                val_accuracy=point.val_accuracy,
                val_loss=point.val_loss,
                learning_rate=point.learning_rate,
            )
            for history in self.trainer.histories
            for point in history.points
        )


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a choice among candidates turns on: so many training ``images`` of ``side`` px, so many ``seconds``."""

    images: int
    side: int
    seconds: float

    def preference(self, one: Measured) -> tuple[bool, int, bool, float]:
        """What can be afforded comes first; of that, families that are meant for pictures like these; then those with
        normalisation, without which training is slow; then the larger.  Of the others, the cheaper.
        """
        affordable = one.latency.network_ms <= affordable_ms(self.images, self.seconds, least_epochs(one.plan))
        if not affordable:
            return False, 0, False, -one.latency.network_ms
        return True, -foreign(one.plan, self.side), one.plan.normalised, one.plan.macs


def foreign(plan: Plan, side: int) -> int:
    """How far, in doublings, a family's own size is from pictures of ``side`` px; 0 within a factor of two."""
    return int(abs(math.log2(plan.home / side)))


def ranked(measured: Sequence[Measured], setting: Setting) -> list[Measured]:
    """The candidates that fit: the preferred one of each family, then their next ones, and so on."""
    families: dict[str, list[Measured]] = {}
    for one in measured:
        if one.fits:
            families.setdefault(one.plan.family, []).append(one)
    for members in families.values():
        members.sort(key=setting.preference, reverse=True)
    chosen: list[Measured] = []
    place = 0
    while any(len(members) > place for members in families.values()):
        row = [members[place] for members in families.values() if len(members) > place]
        chosen += sorted(row, key=setting.preference, reverse=True)
        place += 1
    return chosen


def affordable_ms(images: int, seconds: float, epochs: float = LEAST_EPOCHS) -> float:
    """The largest latency of a network that sees ``images`` pictures ``epochs`` times in ``seconds`` of training."""
    return 1e3 * seconds / (images * epochs * TRAINING_COST)


def least_epochs(plan: Plan) -> float:
    """How often a candidate must at least see the data."""
    return LEAST_EPOCHS if plan.offer is None else LEAST_TUNED_EPOCHS


def rounds_for(seconds: float, images: int, latency_ms: float) -> tuple[int, ...]:
    """How many candidates each round has, for so many seconds in all: 8, 4, 2 where time allows, at least 4, 2.

    ``latency_ms`` is a typical candidate's.
    """
    least = max(LEAST_SECONDS, FIRST_EPOCHS * images * TRAINING_COST * latency_ms / 1e3)
    first = max(FEWEST, min(MOST, int(seconds / 2 / least)))
    sizes = [first]
    while sizes[-1] > 3:
        sizes.append(-(-sizes[-1] // 2))
    return tuple(sizes)


Cycle = Callable[[Contender, float, str], None]
"""Train a contender for so many seconds, under this heading; a failure becomes its ``fault``."""


def halve(field: list[Contender], round_seconds: Sequence[float], cycle: Cycle) -> Contender:
    """The best contender after all rounds; ``round_seconds`` are each one's seconds in each round.

    Rounds that a contender has behind it (a resumed job) are not repeated.  One that fails is out; where all have, its
    RecipeError is raised.
    """
    for number, seconds in enumerate(round_seconds):
        for place, contender in enumerate(field, 1):
            if contender.fault is None and len(contender.rounds) <= number:
                cycle(contender, seconds, f"round {number + 1}, {place} of {len(field)}: {contender.plan.name}")
        sound = [one for one in field if one.fault is None]
        if not sound:
            raise field[0].fault or RecipeError("every candidate's training failed")
        field = sorted(sound, key=lambda one: merit(one, number), reverse=True)
        if number + 1 < len(round_seconds):
            field = field[: -(-len(field) // 2)]
    return field[0]


def merit(contender: Contender, number: int) -> tuple[float, float]:
    """Validation accuracy after a round; the lower loss decides between equals."""
    last = contender.rounds[number].points[-1]
    return (last.val_accuracy or 0.0, -(last.val_loss if last.val_loss is not None else float("inf")))

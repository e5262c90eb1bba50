"""One cosine cycle as plain data: how far it is, how much time it has, and when it is judged."""

from __future__ import annotations

import msgspec

from vertebra.errors import RecipeError
from vertebra.train.history import History, Point
from vertebra.train.schedule import Part, Plan
from vertebra.train.tuning import Setting

MOMENTS = (0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Fractions of a time budget after which the number of steps is estimated anew."""
MAX_STEPS = 10**9
LATELY = 5
"""Steps that make a mean."""


class Cycle(msgspec.Struct, kw_only=True):
    """The state of a cycle; a checkpoint holds it.

    ``start``: the trainer's step at which it began.  ``budget``: seconds, or None where the plan is fixed.
    ``judged``: evaluations done of ``evaluations``.  ``seconds``: spent, ``evaluating``: of them on evaluation.
    ``loss``: (sum, steps) since the last point.
    """

    start: int
    plan: Plan
    evaluations: int
    budget: float | None = None
    judged: int = 0
    seconds: float = 0.0
    evaluating: float = 0.0
    revised: int = 0
    loss: tuple[float, int] = (0.0, 0)
    points: tuple[Point, ...] = ()

    def due(self, done: int) -> bool:
        """Whether an evaluation stands out after ``done`` steps of the cycle: evenly spread, the last one at the
        end."""
        return done * self.evaluations // self.plan.steps_at(done) > self.judged

    def settle(self, done: int, point: Point) -> None:
        """Notes the evaluation that was made after ``done`` steps."""
        self.judged = done * self.evaluations // self.plan.steps_at(done)
        self.points = (*self.points, point)
        self.loss = (0.0, 0)

    def add(self, losses: list[float]) -> None:
        """Takes in the losses of the steps since the last time."""
        self.loss = (sum(losses, self.loss[0]), self.loss[1] + len(losses))

    @property
    def mean_loss(self) -> float | None:
        """Of the steps since the last point; None where there was none."""
        return self.loss[0] / self.loss[1] if self.loss[1] else None

    def history(self, images: float, setting: Setting) -> History:
        """The cycle at its end, after training on so many pictures."""
        return History(
            start=self.start,
            plan=self.plan,
            points=self.points,
            setting=setting,
            seconds=self.seconds,
            images_per_second=images / max(self.seconds - self.evaluating, 1e-9),
        )

    def wants_revision(self, done: int) -> bool:
        """Whether the time budget is to be turned into steps anew."""
        if self.budget is None or self.revised >= len(MOMENTS) or done > self.plan.steps:
            return False
        return done >= 2 and self.seconds >= MOMENTS[self.revised] * self.budget

    def revise(self, done: int, step_seconds: float, evaluation_seconds: float) -> None:
        """Sets the number of steps so that they and the evaluations to come end with the budget."""
        if self.budget is None:
            return
        while self.revised < len(MOMENTS) and self.seconds >= MOMENTS[self.revised] * self.budget:
            self.revised += 1
        left = self.budget - self.seconds - (self.evaluations - self.judged) * evaluation_seconds
        steps = done + max(1, round(min(left / step_seconds, MAX_STEPS)))
        if steps != self.plan.steps_at(done):
            self.plan = self.plan.revised(done, steps)


class Pace:
    """The mean seconds of a step lately: over the steps since :meth:`restart`, once they are enough."""

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._first = True
        self.restart()

    @property
    def known(self) -> bool:
        """Whether a step was measured."""
        return self._seconds is not None

    def restart(self) -> None:
        """Begins a new mean; the old one holds until the new one is of five steps."""
        self._sum, self._count = 0.0, 0

    def took(self, seconds: float) -> float | None:
        """Notes a step and gives the pace; None after the very first, which prepares kernels and does not count."""
        if self._first:
            self._first = False
            return None
        self._sum, self._count = self._sum + seconds, self._count + 1
        if self._seconds is None or self._count >= LATELY:
            self._seconds = max(self._sum / self._count, 1e-6)
        return self._seconds


def cycle_of(
    *,
    start: int,
    evaluations: int,
    steps_per_epoch: int,
    step_seconds: float,
    seconds: float | None,
    epochs: float | None,
    plan: Plan | None,
    trains: Part = "all",
) -> Cycle:
    """A new cycle of a length given in one way; a plan says itself what it trains.

    Raises RecipeError for no length, two, or one without sense.
    """
    given = [length for length in (seconds, epochs, plan) if length is not None]
    if len(given) != 1:
        raise RecipeError(
            f"{len(given)} lengths of the cycle are given", where="cycle", allowed="one of seconds, epochs, plan"
        )
    if type(evaluations) is not int or evaluations < 1:
        raise RecipeError(f"{evaluations!r}", where="cycle.evaluations", allowed="an integer from 1")
    if plan is not None:
        return Cycle(start=start, plan=plan, evaluations=evaluations)
    if epochs is not None:
        steps = _length(epochs, "epochs") * steps_per_epoch
        return Cycle(start=start, plan=Plan.of(max(1, min(MAX_STEPS, round(steps))), trains), evaluations=evaluations)
    budget = _length(seconds, "seconds")
    first = max(2, round(min(budget / max(step_seconds, 1e-6), MAX_STEPS)))
    return Cycle(start=start, plan=Plan.of(first, trains), evaluations=evaluations, budget=budget)


def _length(value: float | None, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise RecipeError(f"{value!r}", where=f"cycle.{name}", allowed="a number above 0")
    return float(value)

"""The learning rate within a cycle, and the plan of how many steps the cycle has."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vertebra.errors import RecipeError

Part = Literal["all", "head"]
"""What a cycle trains: the whole network, or its classifier alone."""


def factor(step: int, steps: int, warmup: float) -> float:
    """The learning rate at ``step`` (from 0) of ``steps``, as a fraction of the peak.

    With w = round(warmup * steps): (step + 1) / w while step < w, then (1 + cos(pi * (step - w) / (steps - w))) / 2
    (Loshchilov and Hutter 2017, equation 5).
    """
    rising = min(round(warmup * steps), steps - 1)
    if step < rising:
        return (step + 1) / rising
    return (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


class Revision(msgspec.Struct, frozen=True):
    """From ``step`` on (counted in the cycle, from 0) the cycle has ``steps`` steps."""

    step: int
    steps: Annotated[int, Meta(ge=1)]


class Plan(msgspec.Struct, frozen=True):
    """How long a cycle is, and what it trains.

    A budget in seconds becomes steps by measurement, and is measured again as the cycle goes on; every revision is
    kept, so that a run with the same plan takes the same steps with the same learning rates whatever its speed.
    """

    revisions: tuple[Revision, ...]
    trains: Part = "all"

    def __post_init__(self) -> None:
        steps = [revision.step for revision in self.revisions]
        if not steps or steps[0] != 0 or steps != sorted(steps) or any(r.steps <= r.step for r in self.revisions):
            raise RecipeError(
                "a plan's revisions must begin at step 0, rise, and end later than they begin", where="plan"
            )

    @classmethod
    def of(cls, steps: int, trains: Part = "all") -> Plan:
        """A cycle of ``steps`` steps, known from the start."""
        return cls((Revision(0, steps),), trains)

    def revised(self, step: int, steps: int) -> Plan:
        """From ``step`` on with another number of steps in all."""
        kept = tuple(revision for revision in self.revisions if revision.step < step)
        return Plan((*kept, Revision(step, steps)), self.trains)

    def steps_at(self, step: int) -> int:
        """The number of steps that the cycle is taken to have when ``step`` is done."""
        return next(revision.steps for revision in reversed(self.revisions) if revision.step <= step)

    @property
    def steps(self) -> int:
        """The number of steps in the end."""
        return self.revisions[-1].steps

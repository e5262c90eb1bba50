"""What a grid search for alpha, beta and gamma was asked, and the folder of one under way."""

from __future__ import annotations

from pathlib import Path

import msgspec

from vertebra.errors import UsageError
from vertebra.fitting.coefficients import Candidate
from vertebra.fitting.held_folder import HeldFolder, Progress
from vertebra.report.coefficients import Trial


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a grid search was asked to do; ``architecture`` and ``recipe`` are JSON."""

    architecture: str
    data: str
    minutes: float | None
    epochs: float | None
    images: int
    seeds: int
    resolution: int | None
    alphas: tuple[float, ...]
    betas: tuple[float, ...]
    target: float
    recipe: str | None
    seed: int
    skip_bad: bool

    def __post_init__(self) -> None:
        if self.minutes is not None and self.epochs is not None:
            raise UsageError("both --minutes and --epochs are given", allowed="one of them")
        for name, least in (("seed", 0), ("seeds", 1), ("images", 2)):
            value = getattr(self, name)
            if type(value) is not int or not least <= value < 1 << 53:
                raise UsageError(f"{value!r}", where=f"--{name}", allowed=f"an integer from {least}")
        for name, value in (("minutes", self.minutes), ("epochs", self.epochs)):
            if value is not None and not 0 < value < 1e6:
                raise UsageError(f"{value!r}", where=f"--{name}", allowed="a number above 0")


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A trial that is done, by its candidate's key."""

    key: str
    trial: Trial


class Known(Progress, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a stopped search had found out; ``epochs``: passes that every network gets."""

    epochs: float | None = None
    done: tuple[Done, ...] = ()


class SearchFolder(HeldFolder[Asked, Known]):
    """The folder of a search under way."""

    @property
    def holds_work(self) -> bool:
        """Whether there is a trial that is done, or one under way."""
        return bool(self.state.done) or super().holds_work

    def checkpoint(self, candidate: Candidate, seed: int) -> Path:
        """Where the checkpoint of the trial under way goes."""
        return self.path / f"{candidate.key}-{seed}.checkpoint"

    def trial(self, candidate: Candidate, seed: int) -> Trial | None:
        """The trial of a candidate, if it is done."""
        return next((one.trial for one in self.state.done if (one.key, one.trial.seed) == (candidate.key, seed)), None)

"""What a grid search for alpha, beta and gamma found, as plain data that go to JSON and come back equal."""

from __future__ import annotations

import statistics
from typing import Any

import msgspec

from vertebra.report.noise import honest_difference, pooled
from vertebra.scale.compound import Compound

PAPER = Compound()
"""Tan and Le 2019, section 3.3: what their grid search found for EfficientNet-B0 on ImageNet."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One training of a proxy: validation accuracy in 0..1 (None with a ``fault``), its mean cross-entropy, seconds."""

    seed: int
    accuracy: float | None
    loss: float | None
    seconds: float
    fault: str | None = None


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate: the base with its depth times ``alpha``, widths times ``beta``, resolution times ``gamma``.

    ``resolution`` in px, ``blocks`` in all stages, ``cost``: MACs as a multiple of the base's.
    """

    alpha: float
    beta: float
    gamma: float
    resolution: int
    blocks: int
    params: int
    macs: int
    cost: float
    trials: tuple[Trial, ...]

    @property
    def compound(self) -> Compound:
        """The rule that these coefficients are; raises ArchitectureError for the base's, which make nothing grow."""
        return Compound(alpha=self.alpha, beta=self.beta, gamma=self.gamma)

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Of the trials that came to their end."""
        return tuple(one.accuracy for one in self.trials if one.accuracy is not None)

    @property
    def mean(self) -> float | None:
        """The mean accuracy; None where a trial failed, or none was made."""
        found = self.accuracies
        return statistics.fmean(found) if found and len(found) == len(self.trials) else None

    @property
    def name(self) -> str:
        """The coefficients in a line."""
        return f"alpha {self.alpha:.3g}, beta {self.beta:.3g}, gamma {self.gamma:.3g}"


class GridSearch(msgspec.Struct, frozen=True, kw_only=True):
    """A grid search: every candidate trained alike.

    ``target``: the cost that each candidate should have, as a multiple of the base's.  ``images``: training pictures,
    ``judged``: validation pictures, the same for everyone.  ``left_out``: a sentence for each candidate that rounding
    kept from the target.
    """

    base: str
    architecture: Any
    data: str
    classes: int
    images: int
    judged: int
    epochs: float
    seeds: tuple[int, ...]
    target: float
    recipe: dict[str, Any]
    reference: Cell
    cells: tuple[Cell, ...]
    left_out: tuple[str, ...]
    seconds: float
    environment: dict[str, str]

    @property
    def ranked(self) -> tuple[Cell, ...]:
        """The candidates whose every trial came to its end, the best first; of equals the cheaper."""
        sound = [one for one in self.cells if one.mean is not None]
        return tuple(sorted(sound, key=lambda one: (-(one.mean or 0.0), one.macs)))

    @property
    def winner(self) -> Cell | None:
        """The best; None where every candidate failed."""
        return next(iter(self.ranked), None)

    @property
    def noise(self) -> tuple[float, int]:
        """The standard deviation from seed to seed, pooled over all networks, and its degrees of freedom."""
        return pooled([one.accuracies for one in (self.reference, *self.cells)])

    @property
    def least_difference(self) -> float | None:
        """What two candidates' means must differ by to be told apart; None where the noise is not known."""
        spread, freedom = self.noise
        if not freedom or len(self.ranked) < 2:
            return None
        return honest_difference(spread, freedom, len(self.ranked), len(self.seeds))

    @property
    def tied(self) -> tuple[Cell, ...]:
        """The candidates that cannot be told from the winner; all others where the noise is not known."""
        best, least = self.winner, self.least_difference
        if best is None or best.mean is None:
            return ()
        return tuple(
            one for one in self.ranked[1:] if one.mean is not None and (least is None or best.mean - one.mean < least)
        )

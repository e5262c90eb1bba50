"""Which way accuracy leans over a grid search: all runs at once, where single candidates drown in noise."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from vertebra.report.coefficients import GridSearch


class Slope(msgspec.Struct, frozen=True):
    """A change of accuracy (in 0..1) for each doubling of cost, and its standard error."""

    value: float
    error: float

    @property
    def beyond_noise(self) -> bool:
        """Whether it is twice its standard error or more, about the 5% level."""
        return abs(self.value) >= 2 * self.error


class Trend(msgspec.Struct, frozen=True):
    """What cost brings that is spent on ``depth`` or ``width`` rather than on resolution."""

    depth: Slope
    width: Slope


def trend(search: GridSearch) -> Trend | None:
    """The plane through all runs, by least squares: accuracy over log2(alpha), log2(beta^2) and log2(cost / target).

    With alpha * beta^2 * gamma^2 fixed, what alpha or beta take is what gamma lacks; the third term takes out that
    rounding made some candidates dearer than others.  None where the runs do not decide it.
    """
    runs = [(one, accuracy) for one in search.ranked for accuracy in one.accuracies]
    if not runs:
        return None
    rows = [
        (1.0, math.log2(one.alpha), 2 * math.log2(one.beta), math.log2(one.cost / search.target)) for one, _ in runs
    ]
    design = np.array(rows)
    if np.ptp(design[:, 3]) < 1e-9:
        design = design[:, :3]  # all cost the same
    freedom = len(design) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    heights = np.array([accuracy for _, accuracy in runs])
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ design.T @ heights
    variance = float(((heights - design @ slopes) ** 2).sum()) / freedom
    errors = np.sqrt(variance * np.diag(inverse))
    return Trend(*(Slope(float(slopes[place]), float(errors[place])) for place in (1, 2)))

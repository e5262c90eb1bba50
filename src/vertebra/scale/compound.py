"""Compound scaling: depth, width and resolution grow together (Tan and Le 2019, "EfficientNet: Rethinking Model Scaling
for Convolutional Neural Networks", arXiv:1905.11946, section 3.3, equation 3).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Annotated, Literal, NamedTuple, get_args

from msgspec import Meta

from vertebra.arch.architecture import Architecture
from vertebra.arch.plain import plain
from vertebra.arch.record import Record, brief, replace
from vertebra.errors import TransformError, UsageError

Dimension = Literal["width", "depth", "resolution"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
NEAR_TWO = (1.8, 2.2)
"""Products of the coefficients for which a unit of phi about doubles the MACs."""
Coefficient = Annotated[float, Meta(ge=1, le=4)]


class Multipliers(NamedTuple):
    """What ``Architecture.scaled`` takes."""

    width: float
    depth: float
    resolution: float


class Compound(Record, frozen=True):
    """``depth = alpha**phi``, ``width = beta**phi``, ``resolution = gamma**phi``, times those of the base network.

    The defaults are the paper's (section 4, from a grid search on EfficientNet-B0).  A coefficient of 1 leaves its
    dimension as it is.  Raises ArchitectureError for coefficients below 1 or above 4, and where all three are 1.
    """

    alpha: Coefficient = 1.2
    beta: Coefficient = 1.1
    gamma: Coefficient = 1.15

    def check(self) -> None:
        if self.product == 1:
            raise self.fault("alpha", "alpha, beta and gamma are all 1: nothing would grow", allowed="one above 1")

    @property
    def product(self) -> float:
        """alpha * beta**2 * gamma**2: by what a unit of phi multiplies the MACs, but for rounding."""
        return self.alpha * self.beta**2 * self.gamma**2

    @property
    def warning(self) -> str | None:
        """A line where the product is far from the 2 that the paper asks for; None where it is near."""
        return far_from_two(self.product)

    @property
    def by_dimension(self) -> dict[Dimension, float]:
        """The coefficient of each dimension."""
        return {"width": self.beta, "depth": self.alpha, "resolution": self.gamma}

    def multipliers(self, phi: float) -> Multipliers:
        """The three multipliers at a phi, any real number; raises TransformError for anything else."""
        number = plain(phi)
        if isinstance(phi, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise TransformError(f"a phi of {brief(phi)}", allowed="a number; below 0 shrinks")
        return Multipliers(*(_power(coefficient, number) for coefficient in self.by_dimension.values()))

    def of(self, arch: Architecture, phi: float) -> Architecture:
        """The network scaled by phi: widths rounded by its family's rule, depths up, the resolution to the nearest.

        A phi of 0 is the network itself, whatever its widths.  Raises TransformError for a phi whose multipliers are
        out of range, ArchitectureError where a width or a depth is.
        """
        width, depth, resolution = self.multipliers(phi)
        return arch.scaled(width=width, depth=depth, resolution=resolution)

    def restricted(self, *, fixed: Collection[str] = (), only: Collection[str] = ()) -> Compound:
        """With some dimensions as they are: the ``fixed`` ones, or all but ``only`` these.

        Raises UsageError for a word that is no dimension, for both at once, and where nothing would be left to scale.
        """
        fixed, only = _dimensions("fixed", fixed), _dimensions("only", only)
        if fixed and only:
            raise UsageError("both --fixed and --only are given", allowed="one of them")
        still = set(fixed) if fixed else set(DIMENSIONS) - set(only) if only else set()
        left = {name: 1.0 if name in still else each for name, each in self.by_dimension.items()}
        if max(left.values()) == 1:
            raise UsageError("no dimension is left to scale", allowed=f"one of {', '.join(DIMENSIONS)}")
        return replace(self, alpha=left["depth"], beta=left["width"], gamma=left["resolution"])


def far_from_two(product: float) -> str | None:
    """A line for a product of coefficients that is far from the 2 that the paper asks for; None where it is near."""
    if NEAR_TWO[0] <= product <= NEAR_TWO[1]:
        return None
    return (
        f"alpha * beta^2 * gamma^2 is {product:.3g}, not about 2: a unit of phi multiplies the MACs by "
        f"{product:.3g}, so phi cannot be compared with the paper's"
    )


def _dimensions(option: str, words: Collection[str]) -> tuple[str, ...]:
    words = (words,) if isinstance(words, str) else tuple(words)
    for word in words:
        if word not in DIMENSIONS:
            raise UsageError(f"unknown dimension {brief(word)}", where=f"--{option}", allowed=", ".join(DIMENSIONS))
    return words


def _power(coefficient: float, phi: float) -> float:
    try:
        return math.pow(coefficient, phi)
    except OverflowError:
        return math.inf  # which no multiplier may be

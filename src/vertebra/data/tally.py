"""Right and wrong answers, counted once for everybody: training, the report and ``eval``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray


class Tally(msgspec.Struct, frozen=True):
    """``confusion[t][p]`` counts pictures of class t that were taken for p, in the order of ``classes``."""

    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: Sequence[str]) -> Tally:
        """From true and predicted labels, int64[N] each."""
        size = len(classes)
        counts = np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)
        return cls(tuple(classes), tuple(tuple(int(value) for value in row) for row in counts))

    @property
    def n(self) -> int:
        """The pictures."""
        return sum(map(sum, self.confusion))

    @property
    def correct(self) -> tuple[int, ...]:
        """Of each class, the pictures that were recognised."""
        return tuple(row[index] for index, row in enumerate(self.confusion))

    @property
    def top1(self) -> float:
        """The fraction that was recognised; there must be a picture."""
        return sum(self.correct) / self.n

    @property
    def per_class(self) -> dict[str, float | None]:
        """The fraction of each class that was recognised; None for a class without a picture."""
        return {
            name: correct / sum(row) if any(row) else None
            for name, correct, row in zip(self.classes, self.correct, self.confusion, strict=True)
        }

"""scikit-learn's scanned digits: 1,797 grey pictures of 8 x 8 px in ten classes, inside that package.

E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

import importlib
import io

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vertebra.data.dataset import Dataset, Sample
from vertebra.errors import MissingExtraError

LEVELS = 16
"""The scans count dark points in squares of 4 x 4: 0 to 16."""


class DigitsSource(msgspec.Struct, frozen=True):
    """The digits held in memory: uint8[1797, 8, 8], white on black."""

    images: NDArray[np.uint8]

    def read(self, path: str) -> bytes:
        """The digit as a PNG."""
        file = io.BytesIO()
        Image.fromarray(self.images[_index(path)]).save(file, "PNG")
        return file.getvalue()

    def image(self, path: str, where: str) -> NDArray[np.uint8]:
        """uint8[8, 8, 3]."""
        return np.repeat(self.images[_index(path)][..., None], 3, axis=2)


def open_digits() -> Dataset:
    """The digits as one train part; raises :class:`MissingExtraError` without scikit-learn."""
    try:
        loaded = importlib.import_module("sklearn.datasets").load_digits()
    except ImportError as error:
        raise MissingExtraError.of("scikit-learn", "demo") from error
    images = np.rint(np.asarray(loaded.images) * (255 / LEVELS)).astype(np.uint8)
    labels = [int(label) for label in loaded.target]
    samples = [Sample(f"{label}/{number:04}.png", label) for number, label in enumerate(labels)]
    empty = Dataset(
        name="digits",
        root="digits",
        classes=tuple(str(digit) for digit in range(10)),
        parts={},
        source=DigitsSource(images),
    )
    return empty.with_parts({"train": samples})


def _index(path: str) -> int:
    return int(path[-8:-4])

"""Samples of one data set as one array at the network's size: for all that fits memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vertebra.data.dataset import Dataset, Sample
from vertebra.data.preprocess import Preprocess, sized
from vertebra.data.threads import Progress, each


def load(
    dataset: Dataset,
    samples: Sequence[Sample],
    preprocess: Preprocess,
    *,
    progress: Progress | None = None,
    threads: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Decodes and sizes ``samples``: (uint8[N, S, S, 3] RGB, int64[N] labels), in their order.

    It takes N * S * S * 3 bytes.  Raises :class:`ImageError` for the first bad picture.
    """
    size = preprocess.size
    images = np.empty((len(samples), size, size, 3), np.uint8)

    def place(index: int) -> None:
        images[index] = sized(dataset.image(samples[index]), preprocess)

    each(place, range(len(samples)), progress=progress, threads=threads)
    return images, np.array([sample.label for sample in samples], np.int64)

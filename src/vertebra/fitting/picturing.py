"""Small PNGs of a data set's pictures for the report."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vertebra.data.dataset import Dataset, Sample
from vertebra.report.study import Mistake, SamplePicture

LARGEST_SIDE = 160
SAMPLES = 24
MISTAKES = 24


def png_of(image: NDArray[np.uint8]) -> bytes:
    """uint8[H, W, 3] as a PNG, shrunk to LARGEST_SIDE px."""
    picture = Image.fromarray(image)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def sample_pictures(dataset: Dataset, count: int = SAMPLES) -> tuple[SamplePicture, ...]:
    """Training pictures, class by class in turn."""
    by_class: dict[int, list[Sample]] = {}
    for sample in dataset.parts["train"]:
        by_class.setdefault(sample.label, []).append(sample)
    chosen: list[Sample] = []
    round_ = 0
    while len(chosen) < count and any(len(samples) > round_ for samples in by_class.values()):
        chosen += [samples[round_] for samples in by_class.values() if len(samples) > round_]
        round_ += 1
    return tuple(
        SamplePicture(png=png_of(dataset.image(sample)), label=dataset.classes[sample.label])
        for sample in sorted(chosen[:count], key=lambda one: one.label)
    )


def surest_mistakes(
    dataset: Dataset, samples: Sequence[Sample], probabilities: NDArray[np.float32], count: int = MISTAKES
) -> tuple[Mistake, ...]:
    """The pictures that were wrong with the most confidence, surest first."""
    truth = np.array([sample.label for sample in samples])
    predicted = probabilities.argmax(axis=1)
    sureness = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    order = wrong[np.argsort(-sureness[wrong], kind="stable")][:count]
    return tuple(
        Mistake(
            path=samples[index].path,
            png=png_of(dataset.image(samples[index])),
            truth=dataset.classes[truth[index]],
            predicted=dataset.classes[predicted[index]],
            probability=float(sureness[index]),
        )
        for index in order
    )

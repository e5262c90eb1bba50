"""Accuracy of a bundle on a data set: classes are matched by name, never by order."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.bundle.bundle import BATCH, Bundle
from vertebra.data.dataset import Dataset, Sample
from vertebra.data.tally import Tally
from vertebra.data.threads import Progress, each
from vertebra.errors import DataError


class ClassResult(msgspec.Struct, frozen=True):
    """One class: its pictures and those that were recognised."""

    label: str
    n: int
    correct: int


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of :func:`evaluate`: ``top1`` between 0 and 1 over ``n`` pictures of ``part``."""

    part: str
    top1: float
    n: int
    classes: tuple[ClassResult, ...]


def part_to_test(dataset: Dataset) -> str:
    """The part that an evaluation uses: test, else val, else train."""
    return next(part for part in ("test", "val", "train") if dataset.parts.get(part))


def evaluate(
    bundle: Bundle, dataset: Dataset, *, part: str | None = None, progress: Progress | None = None
) -> Evaluated:
    """Run a bundle over a part of a data set.

    Raises DataError for a class that the bundle does not know, and ImageError for a picture that cannot be read.
    """
    chosen = part or part_to_test(dataset)
    if chosen not in dataset.parts:
        raise DataError(f"has no part {chosen!r}", where=dataset.root, allowed=", ".join(dataset.parts))
    unknown = [name for name in dataset.classes if name not in bundle.labels]
    if unknown:
        raise DataError(
            f"the bundle does not know the class {unknown[0]!r}",
            where=dataset.root,
            allowed=", ".join(bundle.labels[:12]),
        )
    samples = dataset.parts[chosen]
    truth = np.array([bundle.labels.index(dataset.classes[sample.label]) for sample in samples])
    predicted = predicted_probabilities(bundle, dataset, samples, progress=progress).argmax(axis=1)
    tally = Tally.of(truth, predicted, bundle.labels)
    results = {
        name: ClassResult(name, sum(row), correct)
        for name, row, correct in zip(tally.classes, tally.confusion, tally.correct, strict=True)
    }
    return Evaluated(part=chosen, top1=tally.top1, n=tally.n, classes=tuple(results[name] for name in dataset.classes))


def predicted_probabilities(
    bundle: Bundle, dataset: Dataset, samples: tuple[Sample, ...], *, progress: Progress | None = None
) -> NDArray[np.float32]:
    """float32[N, classes] in the order of the samples; decoding in threads, the network in batches."""
    batches = [samples[start : start + BATCH] for start in range(0, len(samples), BATCH)]
    done: list[NDArray[np.float32]] = []
    for batch in batches:
        done.append(bundle.probabilities(each(dataset.image, batch)))
        if progress is not None:
            progress(min(len(done) * BATCH, len(samples)), len(samples))
    return np.concatenate(done)

"""The first step of a job: open the data, decode every picture once, list what is bad, cut the parts."""

from __future__ import annotations

import msgspec
import numpy as np

from vertebra.data.dataset import Dataset, without
from vertebra.data.inspect import Bad, Inspection, inspect
from vertebra.data.preprocess import Preprocess, grey
from vertebra.data.sources import open_data
from vertebra.data.split import split
from vertebra.errors import DataError, some
from vertebra.fitting.console import Watcher

SHOWN = 5
SAMPLED = 512
"""Training pictures from which mean and standard deviation are taken."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the data before anything is trained.

    ``dataset`` has three parts and no bad picture.  ``image`` is (height, width) of the median picture, px.  ``mean``
    and ``std`` are of pixel / 255, one for each channel that a network takes.
    """

    dataset: Dataset
    inspection: Inspection
    skipped: tuple[Bad, ...]
    image: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def side(self) -> int:
        """The shorter side of the median picture, px."""
        return min(self.image)

    @property
    def channels(self) -> int:
        """Channels that a network needs: 1 where every picture is grey."""
        return 1 if self.inspection.grey else 3

    def preprocess(self, size: int) -> Preprocess:
        """The shorter side to ``size`` px, then the middle square."""
        plain = Preprocess(size=size, resize=size, mean=self.mean, std=self.std) if self.channels == 3 else None
        return plain or Preprocess(size=size, resize=size, colour="grey", mean=self.mean, std=self.std)


def look(spec: str, *, seed: int, skip_bad: bool, watcher: Watcher) -> Look:
    """Open, inspect and split a data set.

    Raises DataError for data that cannot be used, and where pictures cannot be read: all of them are named first.
    """
    opened = open_data(spec)
    with watcher.task("looking at the pictures") as advance:
        found = inspect(opened, progress=lambda done, total: advance(done, total, ""))
    if found.bad:
        for path, reason in found.bad:
            watcher.say(f"cannot be used: {path}: {reason}")
        if not skip_bad:
            raise _refusal(opened, found.bad)
        opened = without(opened, [path for path, _ in found.bad])
    if found.median is None:
        raise DataError("no picture can be read", where=opened.root)
    dataset = split(opened, seed=seed)
    mean, std = _statistics(dataset, found.grey)
    watcher.say(_sentence(dataset, found))
    for note in found.notes:
        watcher.say(f"note: {note}")
    return Look(
        dataset=dataset,
        inspection=found,
        skipped=found.bad,
        image=(found.median.height, found.median.width),
        mean=mean,
        std=std,
    )


def _refusal(dataset: Dataset, bad: tuple[Bad, ...]) -> DataError:
    named = some([f"{path} ({reason})" for path, reason in bad], SHOWN)
    what = "1 file cannot be used" if len(bad) == 1 else f"{len(bad)} files cannot be used"
    return DataError(f"{what}: {named}", where=dataset.root, remedy="mend or remove them, or add --skip-bad")


def _statistics(dataset: Dataset, is_grey: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the channels over evenly chosen training pictures."""
    samples = dataset.parts["train"]
    chosen = samples[:: max(1, len(samples) // SAMPLED)]
    sums, squares, count = np.zeros(3), np.zeros(3), 0
    for sample in chosen:
        image = dataset.image(sample)
        values = (np.stack([grey(image)] * 3, axis=-1) if is_grey else image).reshape(-1, 3) / 255.0
        sums += values.mean(axis=0)
        squares += (values**2).mean(axis=0)
        count += 1
    mean = sums / count
    # A data set of one flat colour has no spread to divide by.
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-4))
    size = 1 if is_grey else 3
    return tuple(round(float(v), 4) for v in mean[:size]), tuple(round(float(v), 4) for v in std[:size])


def _sentence(dataset: Dataset, found: Inspection) -> str:
    parts = ", ".join(f"{len(samples):,} {part}" for part, samples in dataset.parts.items())
    size = "" if found.median is None else f", {found.median.height} x {found.median.width} px in the median"
    kind = "grey" if found.grey else "colour"
    return f"{dataset.name}: {len(dataset.classes)} classes, {kind} pictures ({parts}){size}"

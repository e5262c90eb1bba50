"""The training and validation pictures of a job at each size, decoded once."""

from __future__ import annotations

import torch

from vertebra.data.dataset import Dataset
from vertebra.data.load import load
from vertebra.data.preprocess import Preprocess
from vertebra.errors import DataError
from vertebra.fitting.console import Watcher
from vertebra.train.pixels import Pixels, normalised_alike

MOST_PIXELS = 3 << 30
"""Bytes of pictures that are kept in memory at one size; candidates have two or three of them."""


class Pictures:
    """A data set's train and val parts on a device, by the way that they are prepared."""

    def __init__(self, dataset: Dataset, device: torch.device, watcher: Watcher) -> None:
        self.dataset = dataset
        self.device = device
        self.watcher = watcher
        self._known: dict[Preprocess, tuple[Pixels, Pixels]] = {}

    def at(self, preprocess: Preprocess) -> tuple[Pixels, Pixels]:
        """Training and validation pictures; raises DataError where they do not fit the memory set aside."""
        size = preprocess.size
        alike = next((key for key in self._known if normalised_alike(key, preprocess)), None)
        if alike is not None and alike != preprocess:
            train, val = self._known[alike]
            self._known[preprocess] = (train.normalised_by(preprocess), val.normalised_by(preprocess))
        if preprocess not in self._known:
            if not self.fit(size):
                raise DataError(
                    f"the pictures at {size} px do not fit the memory set aside",
                    where=self.dataset.root,
                    allowed=f"{MOST_PIXELS >> 30} GiB",
                    remedy="take fewer pictures or a smaller resolution",
                )
            self._known[preprocess] = (self._loaded(preprocess, "train"), self._loaded(preprocess, "val"))
        return self._known[preprocess]

    def _loaded(self, preprocess: Preprocess, part: str) -> Pixels:
        name = {"train": "training", "val": "validation"}[part]
        with self.watcher.task(f"loading {name} pictures at {preprocess.size} px") as advance:
            arrays = load(self.dataset, self.dataset.parts[part], preprocess, progress=lambda d, t: advance(d, t, ""))
        return Pixels(*arrays, preprocess, device=self.device)

    def bytes_at(self, size: int) -> int:
        """What they take at ``size`` px."""
        return 3 * size * size * (len(self.dataset.parts["train"]) + len(self.dataset.parts["val"]))

    def fit(self, size: int) -> bool:
        """Whether they fit the memory set aside for one size."""
        return self.bytes_at(size) <= MOST_PIXELS

    def forget(self, but: Preprocess) -> None:
        """Free the pictures that were prepared in any other way."""
        self._known = {key: value for key, value in self._known.items() if key == but}

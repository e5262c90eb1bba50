"""What a data set is, wherever it lies: classes, parts, samples, and how their bytes are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.errors import DataError, ImageError

PARTS = ("train", "val", "test")


class Sample(msgspec.Struct, frozen=True):
    """One picture: its path inside the data set (unique, with ``/``), and the index of its class."""

    path: str
    label: int


class Source(Protocol):
    """Where pictures lie.  Safe to use from several threads, and picklable."""

    def read(self, path: str) -> bytes:
        """The file's bytes; raises ``OSError`` or :class:`ImageError`."""

    def image(self, path: str, where: str) -> NDArray[np.uint8]:
        """uint8[H, W, 3], RGB; raises ``OSError`` or :class:`ImageError` (naming ``where``)."""


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures with labels.

    ``classes``: names in the order of the labels.  ``parts``: a subset of train, val and test, in that order, each
    sorted by path; train is always there.  ``ignored``: what lies beside the class folders and was left out.
    """

    name: str
    root: str
    classes: tuple[str, ...]
    parts: Mapping[str, tuple[Sample, ...]]
    source: Source
    ignored: tuple[str, ...] = ()

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples of all parts, in the order of the parts."""
        return tuple(sample for part in self.parts.values() for sample in part)

    def where(self, sample: Sample) -> str:
        """How the sample is named to the user."""
        return f"{self.root.rstrip('/')}/{sample.path}"

    def read(self, sample: Sample) -> bytes:
        """The bytes of the sample's file (for ``digits``: a PNG); raises :class:`ImageError`."""
        try:
            return self.source.read(sample.path)
        except OSError as error:
            raise self._unreadable(sample, error) from error

    def image(self, sample: Sample) -> NDArray[np.uint8]:
        """The sample as uint8[H, W, 3], RGB; raises :class:`ImageError`."""
        try:
            return self.source.image(sample.path, self.where(sample))
        except OSError as error:
            raise self._unreadable(sample, error) from error

    def _unreadable(self, sample: Sample, error: OSError) -> ImageError:
        return ImageError(f"cannot be read: {error.strerror or error}", where=self.where(sample))

    def with_parts(self, parts: Mapping[str, Iterable[Sample]]) -> Dataset:
        """The same data with other parts, put in their order and each sorted by path."""
        ordered = {part: tuple(sorted(parts[part], key=lambda sample: sample.path)) for part in PARTS if part in parts}
        return msgspec.structs.replace(self, parts=ordered)


def without(dataset: Dataset, paths: Iterable[str]) -> Dataset:
    """The data set without the samples of these ``paths`` (the bad ones that :func:`inspect` found).

    Raises :class:`DataError` where a class has no picture left to train with, or a part has none at all.
    """
    gone = frozenset(paths)
    kept = dataset.with_parts(
        {part: [s for s in samples if s.path not in gone] for part, samples in dataset.parts.items()}
    )
    for part, samples in kept.parts.items():
        if not samples:
            raise DataError(f"the {part} part has no picture left without the bad ones", where=dataset.root)
    left = {sample.label for sample in kept.parts["train"]}
    for label, name in enumerate(kept.classes):
        if label not in left:
            raise DataError(
                f"the class {name!r} has no picture left to train with, without the bad ones",
                where=dataset.root,
                remedy="mend its pictures, or remove the class",
            )
    return kept

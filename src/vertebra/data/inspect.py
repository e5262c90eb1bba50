"""Looks at every picture once: what is there, what is bad, and what a user should know before training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.data.dataset import Dataset, Sample
from vertebra.data.decode import decode
from vertebra.data.threads import Progress, each
from vertebra.errors import ImageError

FEW = 20
"""Fewer pictures of a class in train are worth a note."""

IMBALANCE = 3
"""A larger ratio of the largest class to the smallest in train is worth a note."""

SHOWN = 3
"""How many names a note gives as examples."""


class Extent(msgspec.Struct, frozen=True):
    """Height and width in px."""

    height: int
    width: int


class Bad(NamedTuple):
    """A picture that cannot be used: its path inside the data set, and why."""

    path: str
    reason: str


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What :func:`inspect` found.

    ``counts``: good pictures for each part and class.  ``median``: of the heights and of the widths.  ``smallest`` and
    ``largest``: by area.  The three are ``None`` where no picture is good.  ``grey``: whether all pictures are.
    ``bad``: all pictures that cannot be used, in the order of the parts.  ``notes``: sentences for the user.
    """

    counts: Mapping[str, Mapping[str, int]]
    median: Extent | None
    smallest: Extent | None
    largest: Extent | None
    grey: bool
    bad: tuple[Bad, ...]
    notes: tuple[str, ...]

    @property
    def total(self) -> int:
        """The number of good pictures."""
        return sum(count for part in self.counts.values() for count in part.values())


class _Seen(NamedTuple):
    height: int
    width: int
    grey: bool
    digest: bytes


def inspect(dataset: Dataset, *, progress: Progress | None = None, threads: int | None = None) -> Inspection:
    """Decodes every picture once and keeps none.  A bad picture is listed, never raised.

    Sizes and whether all is grey decide how a network is made, so they are of the train part alone.
    """
    places = [(part, sample) for part, samples in dataset.parts.items() for sample in samples]
    coloured = [False]  # once one picture has colour, no other need be searched for it

    def look(place: tuple[str, Sample]) -> _Seen | str:
        try:
            data = dataset.read(place[1])
            image = decode(data, dataset.where(place[1]))
        except ImageError as error:
            return _reason(error)
        counts = place[0] == "train" and not coloured[0]
        grey = counts and is_grey(image)
        coloured[0] |= counts and not grey
        return _Seen(image.shape[0], image.shape[1], grey, hashlib.blake2b(data, digest_size=16).digest())

    seen = each(look, places, progress=progress, threads=threads)
    bad = tuple(Bad(s.path, what) for (_, s), what in zip(places, seen, strict=True) if isinstance(what, str))
    good = [(part, s, what) for (part, s), what in zip(places, seen, strict=True) if isinstance(what, _Seen)]
    counts = {part: dict.fromkeys(dataset.classes, 0) for part in dataset.parts}
    for part, sample, _ in good:
        counts[part][dataset.classes[sample.label]] += 1
    train = [what for part, _, what in good if part == "train"]
    median, smallest, largest = _extents(train)
    grey = bool(train) and not coloured[0]
    return Inspection(
        counts=counts,
        median=median,
        smallest=smallest,
        largest=largest,
        grey=grey,
        bad=bad,
        notes=(*_class_notes(counts), *_duplicate_notes(good), *_other_notes(dataset, grey)),
    )


def is_grey(image: NDArray[np.uint8]) -> bool:
    """Whether the three channels of uint8[H, W, 3] are equal."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    # The middle row tells nearly every coloured picture without reading the rest.
    middle = len(image) // 2
    if not (np.array_equal(red[middle], green[middle]) and np.array_equal(green[middle], blue[middle])):
        return False
    return np.array_equal(red, green) and np.array_equal(green, blue)


def _reason(error: ImageError) -> str:
    """The error's line without the path, which stands beside it."""
    return str(ImageError(error.what, allowed=error.allowed, remedy=error.remedy))


def _extents(seen: Sequence[_Seen]) -> tuple[Extent | None, Extent | None, Extent | None]:
    if not seen:
        return None, None, None
    heights, widths = np.array([what[:2] for what in seen]).T
    order = np.argsort(heights * widths, kind="stable")
    first, last = order[0], order[-1]
    return (
        Extent(int(np.median(heights)), int(np.median(widths))),
        Extent(int(heights[first]), int(widths[first])),
        Extent(int(heights[last]), int(widths[last])),
    )


def _class_notes(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    notes = []
    train = counts["train"]
    few = [f"{name} ({count})" for count, name in sorted((count, name) for name, count in train.items()) if count < FEW]
    if few:
        notes.append(f"{_number(len(few), 'class', 'classes')} with fewer than {FEW} train images: {_some(few)}.")
    most = max(train, key=lambda name: train[name])
    least = min(train, key=lambda name: train[name])
    if train[least] and train[most] > IMBALANCE * train[least]:
        ratio = train[most] / train[least]
        counted = f"{most} has {train[most]} train images, {least} {train[least]}"
        notes.append(f"The classes are unbalanced, {ratio:.1f} to 1: {counted}.")
    for part, of in counts.items():
        absent = [name for name, count in of.items() if not count and train[name]]
        if absent:
            notes.append(f"{_number(len(absent), 'class', 'classes')} with no {part} image: {_some(absent)}.")
    return notes


def _duplicate_notes(good: Sequence[tuple[str, Sample, _Seen]]) -> list[str]:
    """Files with the same bytes: across parts a leak, across classes a contradiction, elsewhere a repetition."""
    places: dict[bytes, list[tuple[str, Sample]]] = {}
    for part, sample, what in good:
        places.setdefault(what.digest, []).append((part, sample))
    several = [same for same in places.values() if len(same) > 1]
    leaks: dict[tuple[str, str], list[str]] = {}  # (where it should be alone, where it is too): the pictures
    contradictions, repeated = [], 0
    for same in several:
        within: dict[str, list[Sample]] = {}
        for part, sample in same:
            within.setdefault(part, []).append(sample)
        repeated += len(same) - len(within)
        for part, other in combinations(within, 2):
            leaks.setdefault((other, part), []).extend(f"{s.path} = {within[part][0].path}" for s in within[other])
        first = same[0][1]
        other_class = next((sample for _, sample in same if sample.label != first.label), None)
        if other_class is not None:
            contradictions.append(f"{first.path} = {other_class.path}")
    notes = [
        f"{_number(len(pairs), f'{part} image is', f'{part} images are')} also in {other}, a leak: {_some(pairs)}."
        for (part, other), pairs in leaks.items()
    ]
    if contradictions:
        number = _number(len(contradictions), "image lies", "images lie")
        notes.append(f"{number} in more than one class: {_some(contradictions)}.")
    if repeated:
        notes.append(f"{_number(repeated, 'image repeats', 'images repeat')} another of the same part.")
    return notes


def _other_notes(dataset: Dataset, grey: bool) -> list[str]:
    notes = ["All images are grey."] if grey else []
    if dataset.ignored:
        number = _number(len(dataset.ignored), "file or folder", "files or folders")
        notes.append(f"{number} outside the classes left out: {_some(dataset.ignored)}.")
    return notes


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")

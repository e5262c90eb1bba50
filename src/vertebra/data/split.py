"""The stratified, seeded split of a data set into train, val and test."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Sequence

from vertebra.data.dataset import Dataset, Sample
from vertebra.errors import DataError


def split(dataset: Dataset, *, seed: int, val: float = 0.15, test: float = 0.15) -> Dataset:
    """The data set with three parts.  A given val or test stays as it is; a missing one is cut from train.

    ``val`` and ``test`` are fractions of each class in the given train part, rounded to whole pictures.  A class of
    three pictures or more gives at least one to each part that is cut, and train always keeps one; a class with fewer
    stays in train whole.  Who goes where depends on the seed, the class's name and the picture's path inside its
    class's folder alone: not on the machine, the order of files, or what else is there.

    Raises :class:`DataError` for fractions without sense and where a part would get no picture at all.
    """
    if type(seed) is not int:
        raise DataError(f"{seed!r}", where="split.seed", allowed="an integer")
    for name, fraction in (("val", val), ("test", test)):
        if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
            raise DataError(f"{fraction!r}", where=f"split.{name}", allowed="0 < fraction < 1")
    if val + test >= 1:
        raise DataError(f"val {val} and test {test} leave nothing to train with", where="split", allowed="a sum < 1")
    wanted = {name: share for name, share in (("test", test), ("val", val)) if name not in dataset.parts}
    if not wanted:
        return dataset
    parts: dict[str, list[Sample]] = {"train": [], **{name: [] for name in wanted}}
    classes = _by_class(dataset)
    base = _common_folder(dataset.parts["train"])
    for samples in classes.values():
        rest = sorted(samples, key=lambda s: _draw(seed, dataset.classes[s.label], s.path[base:]))
        for name, count in _shares(len(rest), wanted).items():
            parts[name] += rest[:count]
            rest = rest[count:]
        parts["train"] += rest
    for name in wanted:
        if not parts[name]:
            raise DataError(
                f"every class has too few images to cut a {name} part",
                where=dataset.root,
                allowed="one class or more with three images",
                remedy="add images",
            )
    return dataset.with_parts({**dataset.parts, **parts})


def thinned(dataset: Dataset, images: int, *, seed: int) -> Dataset:
    """The data set with ``images`` training pictures (all of them where there are no more); other parts as they are.

    Each class keeps its share, rounded so that the sum is exact, and at least one picture.  Who stays depends, as in
    :func:`split`, on the seed, the class's name and the picture's path.  Raises :class:`DataError` for fewer pictures
    than classes.
    """
    classes = _by_class(dataset)
    total = sum(len(samples) for samples in classes.values())
    if type(images) is not int or images < len(classes):
        raise DataError(f"{images!r} training pictures", allowed=f"an integer from {len(classes)}, one of each class")
    if images >= total:
        return dataset
    shares = {label: images * len(samples) / total for label, samples in classes.items()}
    kept = {label: max(1, int(share)) for label, share in shares.items()}
    while sum(kept.values()) > images:  # rare classes took more than their share
        kept[max(kept, key=lambda label: (kept[label], label))] -= 1
    # The largest remainders get what rounding down has left.
    for label in sorted(kept, key=lambda label: (kept[label] - shares[label], label))[: images - sum(kept.values())]:
        kept[label] += 1
    base = _common_folder(dataset.parts["train"])
    chosen: list[Sample] = []
    for label, samples in classes.items():
        inside = sorted(samples, key=lambda s: _draw(seed, dataset.classes[s.label], s.path[base:]))
        chosen += inside[: kept[label]]
    return dataset.with_parts({**dataset.parts, "train": chosen})


def _by_class(dataset: Dataset) -> dict[int, list[Sample]]:
    classes: dict[int, list[Sample]] = {}
    for sample in dataset.parts["train"]:
        classes.setdefault(sample.label, []).append(sample)
    return classes


def _shares(count: int, wanted: dict[str, float]) -> dict[str, int]:
    """How many of a class's ``count`` pictures go to each part that is cut."""
    if count < 3:
        return dict.fromkeys(wanted, 0)
    shares = {name: max(1, int(count * fraction + 0.5)) for name, fraction in wanted.items()}
    while sum(shares.values()) >= count:  # fractions near 1 of a small class
        largest = max(shares, key=lambda name: shares[name])
        shares[largest] -= 1
    return shares


def _common_folder(samples: Sequence[Sample]) -> int:
    """The length of the folder that all paths begin with: a tar with a folder around it splits like the folder."""
    paths = [sample.path for sample in samples]
    common = posixpath.commonpath([posixpath.dirname(min(paths)), posixpath.dirname(max(paths))])
    return len(common) + 1 if common else 0


def _draw(seed: int, name: str, path: str) -> tuple[bytes, str]:
    # A hash and not a generator: a new picture moves no other, and no library's version can change the split.
    key = f"{seed}\0{name}\0{path}".encode()
    return hashlib.blake2b(key, digest_size=16).digest(), path

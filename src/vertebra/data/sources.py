"""``open_data``: a data set from what the user names: ``digits``, a folder, or a tar."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vertebra.data.archive import open_tar
from vertebra.data.dataset import Dataset, Sample, Source, without
from vertebra.data.decode import has_signature
from vertebra.data.digits import open_digits
from vertebra.data.folder import FolderSource, scan
from vertebra.data.layout import Listing, arrange, looks_like_picture
from vertebra.errors import DataError, ImageError

__all__ = ["Dataset", "Sample", "Source", "open_data", "without"]

KINDS = "a folder, a .tar of one, or 'digits'"


def open_data(spec: str | Path) -> Dataset:
    """The data set that ``spec`` names: ``"digits"`` (scikit-learn's), a folder, or a tar (plain, or packed by gzip).

    A folder holds ``CLASS/…``, or ``train|val|test/CLASS/…`` (also ``training``, ``valid``, ``validation``,
    ``testing``); pictures may lie deeper inside their class, and one folder around it all is looked through.  Classes
    are matched by name.  Every file in a class folder is a sample whatever its name, except hidden files and
    operating systems' litter; what is no picture, ``inspect`` lists as bad.  A folder called digits is ``./digits``.

    Raises :class:`DataError` for what is missing, empty, not recognised, or has a class without a picture.
    """
    name = os.fspath(spec)
    if name == "digits":
        return open_digits()
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError as error:
        raise DataError("does not exist", where=name or "''", allowed=KINDS) from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=repr(name)) from error
    if stat.S_ISDIR(mode):
        return _dataset(name, scan(name), FolderSource(os.path.abspath(name)))
    if not stat.S_ISREG(mode):
        raise DataError("is neither a folder nor a file", where=name, allowed=KINDS)
    listing, source = open_tar(name)
    return _dataset(name, listing, source)


def _dataset(root: str, listing: Listing, source: Source) -> Dataset:
    layout = arrange(listing, root)
    base = os.path.basename(os.path.abspath(root))
    for suffix in (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz"):
        base = base.removesuffix(suffix)
    dataset = Dataset(
        name=base or "data",
        root=root,
        classes=layout.classes,
        parts=layout.parts,
        source=source,
        ignored=layout.ignored,
    )
    _check_pictures(dataset)
    return dataset


def _check_pictures(dataset: Dataset) -> None:
    """Every class has a file that may be a picture: by its name, or else (a rare thing) by its first bytes."""
    named = {sample.label for sample in dataset.parts["train"] if looks_like_picture(sample.path)}
    for label, name in enumerate(dataset.classes):
        if label in named:
            continue
        if not any(_is_signed(dataset, sample) for sample in dataset.parts["train"] if sample.label == label):
            raise DataError(
                f"the class {name!r} has no image, only other files",
                where=dataset.root,
                remedy="add images to its folder, or remove it",
            )


def _is_signed(dataset: Dataset, sample: Sample) -> bool:
    try:
        return has_signature(dataset.read(sample))
    except ImageError:
        return False

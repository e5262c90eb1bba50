"""A folder of pictures on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.data.decode import decode
from vertebra.data.layout import Listing, is_litter, looks_like_picture
from vertebra.errors import DataError, ImageError

MAX_BYTES = 1 << 30
"""Larger files are no pictures that could be read: 100 megapixels of 16-bit RGB are 0.6 GB."""

MAX_DEPTH = 32


class FolderSource(msgspec.Struct, frozen=True):
    """Reads files below ``root``."""

    root: str

    def read(self, path: str) -> bytes:
        """The file's bytes; raises ``OSError`` or :class:`ImageError`."""
        with open(os.path.join(self.root, path), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError("not a regular file")
            check_bytes(status.st_size, path)
            return file.read()

    def image(self, path: str, where: str) -> NDArray[np.uint8]:
        """uint8[H, W, 3], RGB."""
        return decode(self.read(path), where)


def check_bytes(count: int, path: str) -> None:
    """Raises :class:`ImageError` for a file of more than :data:`MAX_BYTES`."""
    if count > MAX_BYTES:
        raise ImageError(f"is {count} bytes large", where=path, allowed=f"at most {MAX_BYTES} bytes")


def scan(root: str) -> Listing:
    """Every file and folder below ``root``, sorted, without litter; a link back to a folder above is not followed.

    Raises :class:`DataError` for a folder that cannot be listed or a name that is no text.
    """
    listing = Listing([], [], [])
    _scan(root, "", (), listing)
    return listing


def _scan(root: str, prefix: str, above: tuple[tuple[int, int], ...], listing: Listing) -> None:
    here = os.path.join(root, prefix)
    try:
        status = os.stat(here)
        with os.scandir(here) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"cannot be listed: {error.strerror}", where=here) from error
    identity = (status.st_dev, status.st_ino)
    if identity in above or len(above) > MAX_DEPTH:
        listing.ignored.append(prefix)
        return
    if prefix:
        listing.folders.append(prefix.rstrip("/"))
    for entry in found:
        if is_litter(entry.name):
            continue
        path = prefix + readable(entry.name, here)
        if entry.is_dir():
            _scan(root, path + "/", (*above, identity), listing)
        elif entry.is_file() or entry.is_symlink():  # a link to nothing is a picture that cannot be read
            listing.files.append(path)


def pictures_under(path: str | Path) -> list[Path]:
    """``path`` itself if it is no folder; else every file below it whose name is a picture's, sorted.

    Raises :class:`DataError` for a folder without any.
    """
    if not os.path.isdir(path):
        return [Path(path)]
    found = [Path(path, name) for name in scan(os.fspath(path)).files if looks_like_picture(name)]
    if not found:
        raise DataError("holds no picture", where=str(path))
    return found


def readable(name: str, where: str) -> str:
    """``name`` itself; raises :class:`DataError` where it is not valid Unicode and could not be printed or saved."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise DataError(f"the file name '{shown}' is not UTF-8", where=where, remedy="rename the file") from error
    return name

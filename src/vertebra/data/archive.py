"""A tar of pictures, read where it lies.  Nothing is unpacked to disk."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.data.decode import decode
from vertebra.data.folder import check_bytes, readable
from vertebra.data.layout import Listing, is_litter
from vertebra.errors import DataError

MAX_UNPACKED = 1 << 30
"""A compressed tar cannot be read in places, so it is held in memory, up to this many bytes."""

Mode = Literal["r:", "r|gz", "r|bz2", "r|xz"]
COMPRESSIONS: dict[bytes, Mode] = {b"\x1f\x8b": "r|gz", b"BZh": "r|bz2", b"\xfd7zXZ": "r|xz"}

# What tarfile and the decompressors raise for bytes that make no sense.
FAULTS = (tarfile.TarError, OSError, EOFError, ValueError, RecursionError, OverflowError, zlib.error)


class TarSource(msgspec.Struct, frozen=True):
    """Reads members of a plain tar by (offset, size).  Opens the file for each read, so that threads share nothing."""

    file: str
    index: dict[str, tuple[int, int]]

    def read(self, path: str) -> bytes:
        """The member's bytes; raises ``OSError`` or :class:`ImageError`."""
        offset, size = self.index[path]
        check_bytes(size, path)
        with open(self.file, "rb", buffering=0) as file:
            file.seek(offset)
            return file.read(size)

    def image(self, path: str, where: str) -> NDArray[np.uint8]:
        """uint8[H, W, 3], RGB."""
        return decode(self.read(path), where)


class MemorySource(msgspec.Struct, frozen=True):
    """Files held in memory."""

    files: dict[str, bytes]

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        return self.files[path]

    def image(self, path: str, where: str) -> NDArray[np.uint8]:
        """uint8[H, W, 3], RGB."""
        return decode(self.files[path], where)


def open_tar(path: str) -> tuple[Listing, TarSource | MemorySource]:
    """The listing of a tar, and how to read it.

    Raises :class:`DataError` for a file that is no tar, is damaged or cut off, or has a member that climbs out of it,
    is a link, or is no file at all.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=path) from error
    if head[:4] == b"PK\x03\x04":
        raise DataError("is a zip, not a tar", where=path, remedy="unzip it and give the folder")
    for magic, mode in COMPRESSIONS.items():
        if head.startswith(magic):
            return _compressed(path, mode)
    return _plain(path)


def _plain(path: str) -> tuple[Listing, TarSource]:
    index: dict[str, tuple[int, int]] = {}
    folders: set[str] = set()
    try:
        with _opened(path, "r:") as tar:
            for name, member in _members(tar, path):
                if member.isdir():
                    folders.add(name)
                else:
                    index[name] = (member.offset_data, member.size)
            _check_end(tar, path)
    except FAULTS as error:
        raise _damaged(path, error) from error
    return _listing(index, folders), TarSource(path, index)


def _compressed(path: str, mode: Mode) -> tuple[Listing, MemorySource]:
    files: dict[str, bytes] = {}
    folders: set[str] = set()
    held = 0
    try:
        with _opened(path, mode) as tar:
            for name, member in _members(tar, path):
                if member.isdir():
                    folders.add(name)
                    continue
                held += member.size
                if held > MAX_UNPACKED:
                    raise DataError(
                        f"holds more than {MAX_UNPACKED} bytes, and a compressed tar cannot be read in places",
                        where=path,
                        remedy="decompress it to a plain .tar",
                    )
                data = tar.extractfile(member)
                files[name] = data.read() if data is not None else b""
                if len(files[name]) != member.size:
                    raise EOFError("unexpected end of data")
    except FAULTS as error:
        raise _damaged(path, error) from error
    return _listing(files, folders), MemorySource(files)


def _members(tar: tarfile.TarFile, path: str) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The members worth looking at, with their names made plain; raises :class:`DataError` for a dangerous one."""
    reached = -1
    while (member := tar.next()) is not None:
        if tar.offset <= reached or member.size < 0:
            raise tarfile.ReadError("members that overlap")  # or reading would never end
        reached = tar.offset
        name = readable(member.name, path)
        steps = [step for step in name.split("/") if step not in ("", ".")]
        if name.startswith(("/", "\\")) or name[1:2] == ":" or ".." in name.replace("\\", "/").split("/"):
            raise DataError(f"the member {name!r} climbs out of the tar", where=path, remedy="make the tar anew")
        if any(is_litter(step) for step in steps):
            continue
        if member.issym() or member.islnk():
            raise DataError(f"the member {name!r} is a link", where=path, remedy="make the tar anew, with tar -h")
        if not member.isdir() and (not member.isfile() or member.issparse()):
            raise DataError(f"the member {name!r} is not an ordinary file", where=path, remedy="make the tar anew")
        if steps:
            yield "/".join(steps), member


def _check_end(tar: tarfile.TarFile, path: str) -> None:
    """tarfile takes a damaged header for the end of the archive; the true end is zeros, or nothing."""
    with open(path, "rb") as file:
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
            raise tarfile.ReadError(f"a damaged header at byte {tar.offset}")


def _listing(files: dict[str, tuple[int, int]] | dict[str, bytes], folders: set[str]) -> Listing:
    return Listing(sorted(files), sorted(folders), [])


def _opened(path: str, mode: Mode) -> tarfile.TarFile:
    try:
        return tarfile.open(path, mode)
    except FAULTS as error:
        if isinstance(error, OSError) and error.strerror:
            raise _damaged(path, error) from error
        raise DataError("is not a tar", where=path, allowed="a folder, or a .tar or .tar.gz of one") from error


def _damaged(path: str, error: BaseException) -> DataError:
    if isinstance(error, OSError) and error.strerror:
        return DataError(f"cannot be read: {error.strerror}", where=path)
    return DataError(f"is a damaged tar: {error}", where=path, remedy="make or fetch it anew")

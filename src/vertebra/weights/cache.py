"""The folder in which downloaded weights lie, and the receipts that say what is in it.

A file keeps the name under which it is published, so one that was copied there by hand is used like a downloaded one.
Receipts lie in this folder alone: nothing is written into a folder of the user's.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import msgspec

from vertebra.bundle.files import write_whole
from vertebra.errors import DownloadError, OutputError, WeightsError, some
from vertebra.home import home
from vertebra.weights.progress import waiting
from vertebra.weights.transport import Patience, patient

SHOWN = 4
POLL = 0.1
"""Seconds between two looks at a lock that is not waited for without end."""


class Receipt(msgspec.Struct, frozen=True):
    """What was found out of a file when it was last read whole; of no worth once its size or its time differ."""

    sha256: str
    bytes: int
    changed: int
    """Nanoseconds."""
    url: str = ""
    version: str = ""
    """The server's name for this content (ETag)."""


def store() -> Path:
    """Where weights lie in the cache: ``torchvision/FILE``, ``hub/OWNER/NAME/REVISION/FILE``."""
    return home() / "weights"


def held() -> list[str]:
    """The files in the cache, as paths within it."""
    place = store()
    found = (path for path in place.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(path.relative_to(place).as_posix() for path in found)


def holdings() -> str:
    """A sentence that says what the cache holds, for errors."""
    names = [name for name in held() if not name.endswith(".json")]
    if not names:
        return f"the cache {store()} is empty"
    return f"the cache {store()} holds {some(names, SHOWN)}"


def receipt(path: Path) -> Receipt | None:
    """The receipt of a file, if there is one and the file has not changed since."""
    found = _receipt(path)
    try:
        now = path.stat()
    except OSError:
        return None
    return found if found and (found.bytes, found.changed) == (now.st_size, now.st_mtime_ns) else None


def _is_ours(path: Path) -> bool:
    return path.is_relative_to(store())


def _receipt(path: Path) -> Receipt | None:
    if not _is_ours(path):
        return None
    try:
        return msgspec.json.decode(_beside(path, "json").read_bytes(), type=Receipt)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def intact(path: Path) -> Path:
    """The path itself; raises WeightsError where its file has other content than when it was downloaded."""
    old = _receipt(path)
    if old is not None and receipt(path) is None:
        if sha256_of(path) != old.sha256:
            raise WeightsError(
                "has changed since it was downloaded", where=str(path), remedy="delete it, and it is downloaded again"
            )
        write_receipt(path, old.sha256, url=old.url, version=old.version)
    return path


def write_receipt(path: Path, sha256: str, *, url: str = "", version: str = "") -> Receipt:
    """Note what is known of a file of the cache; one that cannot be written does without."""
    now = path.stat()
    made = Receipt(sha256, now.st_size, now.st_mtime_ns, url, version)
    if not _is_ours(path):
        return made
    with suppress(OutputError):
        write_whole(_beside(path, "json"), msgspec.json.encode(made))
    return made


def verified(path: Path, sha256: str) -> bool:
    """Whether the file is there; raises WeightsError where its SHA-256 does not begin with ``sha256``.

    A file of the cache is read whole for that once, then its receipt is believed until its size or time differ; one of
    the user's is read each time, and none where no hash is known.
    """
    if not path.is_file():
        return False
    if not sha256:
        return True
    known = receipt(path)
    if known is None:
        known = write_receipt(path, sha256_of(path))
    if known.sha256.startswith(sha256):
        return True
    raise WeightsError(
        f"is not the published file: its SHA-256 begins with {known.sha256[: len(sha256)]}, not {sha256}",
        where=str(path),
        remedy="delete it, and it is downloaded again",
    )


def sha256_of(path: Path) -> str:
    """In hexadecimal; raises WeightsError for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", where=str(path)) from None


@contextmanager
def locked(path: Path, patience: Patience | None = None) -> Iterator[None]:
    """One process at a time for a file of the cache; the others wait, and a terminal is told for whom.

    The system frees the lock of one that dies.  Raises OutputError where the folder cannot be written or locked,
    DownloadError where another process takes longer than the ``patience``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _beside(path, "lock").open("a+b", buffering=0)
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}",
            where=str(path.parent),
            remedy="set VERTEBRA_HOME to a folder of your own",
        ) from None
    with file:
        try:
            _lock(file, path, patience or patient())
        except OSError as error:
            raise OutputError(
                f"cannot be locked: {error.strerror}",
                where=str(path.parent),
                remedy="set VERTEBRA_HOME to a folder on a disk of this machine",
            ) from None
        yield


def _lock(file: FileIO, path: Path, patience: Patience) -> None:
    """Take the lock, and leave the number of this process in its file for those who wait."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(20).decode("ascii", "replace").strip()
        with waiting(f"{path.name}: waiting for process {holder or 'unknown'}, which downloads it"):
            if patience.within is None:
                fcntl.flock(file, fcntl.LOCK_EX)
            else:
                _lock_within(file, path, patience)
    with suppress(OSError):  # a full disk: then nobody learns the number
        file.truncate(0)
        file.write(str(os.getpid()).encode())


def _lock_within(file: FileIO, path: Path, patience: Patience) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if patience.left <= 0:
                what = f"was not here within {patience.within:.0f} s: another process downloads it"
                raise DownloadError(what, where=str(path)) from None
            time.sleep(POLL)
        else:
            return


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}")

"""One file over HTTP: resumed where it broke off, checked against its published hash, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import shutil
import urllib.error
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NoReturn

from vertebra.errors import DownloadError, OutputError, VertebraError
from vertebra.weights.transport import Broken, Remote, asked, patiently, reason, refused

Progress = Callable[[int, int | None], None]
"""(bytes that are there, bytes in all)."""

CHUNK = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fetch(remote: Remote, path: Path, progress: Progress | None = None) -> str:
    """Download to ``path``, which stands there whole or not at all; returns the SHA-256.

    What had come before the connection broke is kept beside it under a hidden name, and a later call goes on from
    there if the published hash can show that both parts are of one file.
    Raises OfflineError where the server cannot be reached, DownloadError where it has not the file, breaks off again
    and again, takes longer than the remote's patience, or gives other bytes than were published, and OutputError where
    the disk is full or cannot be written; then nothing is left of it but the part to go on from.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        if not remote.sha256:
            partial.unlink(missing_ok=True)
        resumed = partial.exists() and partial.stat().st_size > 0
        digest = _transferred(remote, partial, progress)
        if resumed and not digest.startswith(remote.sha256):  # the part was of another file: once more, from the start
            partial.unlink()
            digest = _transferred(remote, partial, progress)
        if not digest.startswith(remote.sha256):
            partial.unlink()
            raise DownloadError(
                f"gave other bytes than were published: SHA-256 {digest[: max(8, len(remote.sha256))]}, "
                f"not {remote.sha256}",
                where=remote.url,
                remedy="try again; if it stays so, somebody has changed the file",
            )
        partial.replace(path)
    except OSError as error:
        _cannot_write(path, error)
    return digest


def _transferred(remote: Remote, partial: Path, progress: Progress | None) -> str:
    with partial.open("a+b", buffering=0) as file:
        transfer = _Transfer(remote, file, progress)
        try:
            return transfer.run()
        except VertebraError as error:
            # Nothing to go on from; and on a full disk a part is in everybody's way.
            if isinstance(error, OutputError) or not transfer.done:
                with suppress(OSError):
                    partial.unlink()
            raise


class _Transfer:
    """The tries to get one file."""

    def __init__(self, remote: Remote, file: BinaryIO, progress: Progress | None) -> None:
        self.remote = remote
        self.file = file
        self.progress = progress
        self.digest = hashlib.sha256()
        self.done = 0
        self.total: int | None = None
        self.version: str | None = None
        file.seek(0)
        while chunk := file.read(CHUNK):
            self.digest.update(chunk)
            self.done += len(chunk)

    def run(self) -> str:
        """Try until the file is whole; the SHA-256."""
        patiently(self._go_on, self.remote, lambda: self.done)
        return self.digest.hexdigest()

    def _go_on(self) -> None:
        headers = {"Accept-Encoding": "identity"}
        if self.done:
            headers["Range"] = f"bytes={self.done}-"
            if self.version:
                headers["If-Range"] = self.version
        try:
            with asked(self.remote, headers, begun=self.version is not None) as response:
                self._begin(response)
                while chunk := response.read1(CHUNK):
                    self._take(chunk)
                    if self.remote.patience.left <= 0 and self.done != self.total:
                        raise Broken(f"{self._came()} had come")
        except urllib.error.HTTPError as error:
            self._beyond_the_end(error)
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"broke off: {reason(error, self.remote)}") from None
        if self.total is not None and self.done < self.total:
            raise Broken(f"broke off after {self.done} of {self.total} bytes")

    def _begin(self, response: http.client.HTTPResponse) -> None:
        """Take the answer's headers; a server that does not resume sends everything anew."""
        version = response.headers.get("ETag")
        self.version = version if version and not version.startswith("W/") else self.version or ""
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != self.done:
                self._restart()
                raise Broken("answered with another part of the file")
            self.total = None if found[2] == "*" else int(found[2])
        else:
            self._restart()
            length = response.headers.get("Content-Length")
            self.total = int(length) if length and length.isdigit() else None
        free = shutil.disk_usage(os.path.dirname(os.path.abspath(self.file.name))).free
        if self.total is not None and self.total - self.done > free:
            raise OutputError(
                f"needs {self.total - self.done} bytes, and {free} are free",
                where=str(self.file.name),
                remedy="make room, or set VERTEBRA_HOME to another disk",
            )
        self._show()

    def _take(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        try:
            while rest:  # a disk that is nearly full takes a part first
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            _cannot_write(Path(self.file.name), error)
        self.digest.update(chunk)
        self.done += len(chunk)
        self._show()

    def _restart(self) -> None:
        self.file.truncate(0)
        self.digest = hashlib.sha256()
        self.done = 0

    def _came(self) -> str:
        whole = "" if self.total is None else f" of {self.total / 1e6:.1f}"
        return f"{self.done / 1e6:.1f}{whole} MB"

    def _show(self) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total)

    def _beyond_the_end(self, error: urllib.error.HTTPError) -> None:
        """A part that is as long as the file is the file; a longer one is of another."""
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not self.done:
            refused(self.remote, error)
        error.close()
        if error.headers.get("Content-Range") != f"bytes */{self.done}":
            self._restart()
            raise Broken("had less than has come")


def _cannot_write(path: Path, error: OSError) -> NoReturn:
    full = error.errno in FULL
    raise OutputError(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        remedy="make room, or set VERTEBRA_HOME to another disk" if full else "set VERTEBRA_HOME to a folder of yours",
    ) from None

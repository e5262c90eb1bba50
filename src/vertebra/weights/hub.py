"""Files of repositories on the hub (huggingface.co, or the server that HF_ENDPOINT names), by its public protocol.

A file lies at ``/OWNER/NAME/resolve/REVISION/FILE``.  The answer's headers say of which commit it is
(``X-Repo-Commit``) and, for large files, its SHA-256 (``X-Linked-Etag``).
"""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from vertebra.arch.record import brief
from vertebra.errors import AbsentError, DownloadError, OfflineError, WeightsError
from vertebra.weights.cache import intact, locked, receipt, sha256_of, store, write_receipt
from vertebra.weights.download import fetch
from vertebra.weights.progress import bar
from vertebra.weights.transport import (
    ForbiddenError,
    Patience,
    Remote,
    asked,
    hurried,
    offline,
    patient,
    patiently,
    refused,
)

_PART = re.compile(r"[A-Za-z0-9][\w.-]*")
_REVISION = re.compile(r"[\w.-]+(/[\w.-]+)*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
REDIRECTIONS = (301, 302, 303, 307, 308)
MOVES = 5
"""Redirections within the hub (a renamed repository) that are followed."""


class Repository(msgspec.Struct, frozen=True):
    """A repository of models, and which revision of it: a branch, a tag or a commit."""

    name: str
    revision: str = "main"

    @classmethod
    def parsed(cls, text: str) -> Repository:
        """From ``owner/name`` or ``owner/name@revision``; raises WeightsError for anything else."""
        name, at, revision = text.partition("@")
        parts = name.split("/")
        fits = len(parts) == 2 and all(_PART.fullmatch(part) and ".." not in part for part in parts)
        if not fits or (at and (not _REVISION.fullmatch(revision) or ".." in revision)):
            raise WeightsError(
                f"{brief(text)} is no repository", where="hub", allowed="owner/name or owner/name@revision"
            )
        return cls(name, revision or "main")

    @property
    def fixed(self) -> bool:
        """Whether the revision can never mean other files: a commit."""
        return _COMMIT.fullmatch(self.revision) is not None

    @property
    def folder(self) -> Path:
        """Where its files lie in the cache."""
        return store() / "hub" / self.name / self.revision.replace("/", "--")

    @property
    def place(self) -> str:
        """The address of the revision, below which its files lie."""
        return f"{endpoint()}/{self.name}/resolve/{quote(self.revision, safe='')}"

    def url(self, file: str) -> str:
        """The address of a file."""
        return f"{self.place}/{quote(file)}"

    def __str__(self) -> str:
        return self.name if self.revision == "main" else f"{self.name}@{self.revision}"


class Version(msgspec.Struct, frozen=True):
    """What the hub says of a file."""

    place: str
    """Where the file and its neighbours of the same commit lie: ``.../OWNER/NAME/resolve/COMMIT``."""
    sha256: str
    """Of a large file; "" for a small one."""
    tag: str
    """The hub's own name for the content."""


def endpoint() -> str:
    """The hub's address: ``HF_ENDPOINT``, or its public one."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def token() -> str | None:
    """``HF_TOKEN``, or what ``hf auth login`` has left in its file."""
    given = os.environ.get("HF_TOKEN")
    if given is not None:
        return given.strip() or None
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    try:
        return Path(os.environ.get("HF_TOKEN_PATH") or home / "token").read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None


class Visit:
    """One look at a repository: its files are all of the commit that the first was of.

    Once the hub has failed to answer for a file that the cache has, the cache alone is asked.
    """

    def __init__(self, repository: Repository, patience: Patience | None = None) -> None:
        self.repository = repository
        self.patience = patience or patient()
        """How long a file is waited for that the cache has not."""
        self.place = repository.place
        """Where files are asked for: at the branch, then at the commit that it was found to be of."""
        self.away: DownloadError | None = None
        """Why the hub is asked no more for files that the cache has."""
        self.lost: DownloadError | None = None
        """Why it is asked no more at all."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A line where the files may not be the repository's newest."""
        return () if self.away is None else (f"from the cache, as it was when last fetched: {self.away.what}",)

    def obtain(self, file: str, *, fresh: bool = True) -> Path:
        """The file, from the cache or the hub.

        ``fresh`` asks the hub whether a branch has moved on since the file was fetched; where it does not answer, the
        cached one is taken.  A commit is never asked for twice.
        Raises OfflineError where the hub cannot be reached and the cache has not the file, DownloadError where the
        repository has it not or does not give it, WeightsError for a cached file that has changed.
        """
        path = self.repository.folder / file
        if not path.is_file():
            return self._new(file, path)
        if self.repository.fixed or not fresh or offline() or self.away is not None:
            return intact(path)
        try:
            return self._current(file, path, hurried())
        except (AbsentError, ForbiddenError):
            raise
        except DownloadError as error:
            self.away = error
            self.lost = error if isinstance(error, OfflineError) else None
        return intact(path)

    def first(self, files: Iterable[str]) -> Path | None:
        """The first of these files that the repository has, or that the cache has where the hub does not answer.

        Raises as ``obtain``; None where the repository has none of them.
        """
        unasked = None
        for file in files:
            try:
                return self.obtain(file)
            except AbsentError:
                continue
            except ForbiddenError:
                raise
            except DownloadError as error:
                unasked = error
        if unasked is not None:
            raise unasked
        return None

    def _new(self, file: str, path: Path) -> Path:
        if self.lost is not None:
            raise self.lost
        try:
            return self._current(file, path, self.patience)
        except (AbsentError, ForbiddenError):
            raise
        except DownloadError as error:
            self.away = self.lost = error
            raise

    def _current(self, file: str, path: Path, patience: Patience) -> Path:
        """The file as the hub has it now."""
        version = version_of(self.place, file, patience)
        self.place = version.place
        if _is_current(path, version):
            return path
        with locked(path, self.patience):
            if not _is_current(path, version):  # another process may have been quicker
                url = f"{version.place}/{quote(file)}"
                remote = Remote(url=url, sha256=version.sha256, token=token(), patience=self.patience)
                with bar(f"{self.repository} {file}") as progress:
                    digest = fetch(remote, path, progress)
                write_receipt(path, digest, url=remote.url, version=version.tag)
        return path


def version_of(place: str, file: str, patience: Patience) -> Version:
    """What the hub says of a file at ``place``, the address of a revision; raises as ``Visit.obtain``.

    A renamed repository is followed to its new address.
    """
    secret, ending = token(), f"/{quote(file)}"
    url, commit = place + ending, ""
    for _ in range(MOVES):
        remote = Remote(url=url, token=secret, patience=patience)
        headers = patiently(partial(_headers, remote), remote)
        commit = headers.get("X-Repo-Commit") or commit
        place = _place(url, ending) or place
        moved = headers.get("Location")
        if not moved or headers.get("X-Linked-Etag") or urlsplit(urljoin(url, moved)).netloc != remote.host:
            break
        url = urljoin(url, moved)
    tag = (headers.get("X-Linked-Etag") or headers.get("ETag") or "").removeprefix("W/").strip('"')
    place = f"{place.rpartition('/')[0]}/{commit}" if commit else place
    return Version(place, tag if _SHA256.fullmatch(tag) else "", tag)


def _place(url: str, ending: str) -> str | None:
    """The address of the revision whose file ``url`` is; None where it is some other address of the hub's."""
    plain = url.partition("?")[0]
    before = plain.removesuffix(ending)
    return before if before != plain and before.rpartition("/")[0].endswith("/resolve") else None


def _headers(remote: Remote) -> http.client.HTTPMessage:
    """The headers of the first answer to HEAD, a redirection's too."""
    try:
        with asked(remote, {"Accept-Encoding": "identity"}, method="HEAD") as response:
            return response.headers
    except urllib.error.HTTPError as error:
        if error.code in REDIRECTIONS:
            error.close()
            return error.headers  # type: ignore[return-value]
        refused(remote, error)


def _is_current(path: Path, version: Version) -> bool:
    """Whether the cached file is this version.  One that was put there by hand is told by its SHA-256."""
    if not path.is_file():
        return False
    known = receipt(path)
    if known is not None:
        return bool(version.tag) and version.tag in (known.version, known.sha256)
    if not version.sha256 or sha256_of(path) != version.sha256:
        return False
    write_receipt(path, version.sha256, version=version.tag)
    return True

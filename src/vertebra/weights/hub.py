"""Files of repositories on the hub (huggingface.co, or the server that HF_ENDPOINT names), by its public protocol.

A file lies at ``/OWNER/NAME/resolve/REVISION/FILE``.  The answer's headers say of which commit it is
(``X-Repo-Commit``) and, for large files, its SHA-256 (``X-Linked-Etag``).
"""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
from functools import partial
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from vertebra.arch.record import brief
from vertebra.errors import OfflineError, WeightsError
from vertebra.weights.cache import intact, locked, receipt, store, verified, write_receipt
from vertebra.weights.download import fetch
from vertebra.weights.progress import bar
from vertebra.weights.transport import Remote, asked, offline, patiently, refused

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

    def url(self, file: str, revision: str | None = None) -> str:
        """The address of a file."""
        return f"{endpoint()}/{self.name}/resolve/{quote(revision or self.revision, safe='')}/{quote(file)}"

    def __str__(self) -> str:
        return self.name if self.revision == "main" else f"{self.name}@{self.revision}"


class Version(msgspec.Struct, frozen=True):
    """What the hub says of a file: the commit, the SHA-256 of a large one, its own name for the content."""

    commit: str
    sha256: str
    tag: str


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


def obtain(repository: Repository, file: str, *, fresh: bool = True) -> Path:
    """The file of a repository, from the cache or the hub.

    ``fresh`` asks the hub whether a branch has moved on since the file was fetched; without a network the cached one
    is taken.  A commit is never asked for twice.
    Raises OfflineError where the hub cannot be reached and the cache has not the file, DownloadError where the
    repository has not.
    """
    path = repository.folder / file
    here = path.is_file()
    if here and (repository.fixed or not fresh or offline()):
        return intact(path)
    try:
        version = version_of(repository, file)
    except OfflineError:
        if not here:
            raise
        return intact(path)
    if _is_current(path, version):
        return path
    with locked(path):
        if not _is_current(path, version):  # another process may have been quicker
            remote = Remote(url=repository.url(file, version.commit), sha256=version.sha256, token=token())
            with bar(f"{repository} {file}") as progress:
                digest = fetch(remote, path, progress)
            write_receipt(path, digest, url=remote.url, version=version.tag)
    return path


def version_of(repository: Repository, file: str) -> Version:
    """What the hub says of a file; raises as ``obtain``."""
    secret = token()
    url = repository.url(file)
    for _ in range(MOVES):
        remote = Remote(url=url, token=secret)
        headers = patiently(partial(_headers, remote), url)
        moved = headers.get("Location")
        if not moved or headers.get("X-Linked-Etag") or urlsplit(urljoin(url, moved)).netloc != remote.host:
            break
        url = urljoin(url, moved)
    commit = headers.get("X-Repo-Commit") or repository.revision
    tag = (headers.get("X-Linked-Etag") or headers.get("ETag") or "").removeprefix("W/").strip('"')
    return Version(commit, tag if _SHA256.fullmatch(tag) else "", tag)


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
    known = receipt(path)
    if known is not None and version.tag:
        return version.tag in (known.version, known.sha256)
    return path.is_file() and bool(version.sha256) and verified(path, version.sha256)

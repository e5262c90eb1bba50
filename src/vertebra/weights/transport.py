"""Asking a server: patiently, with a token for its own host alone, and failures as what they mean for a user."""

from __future__ import annotations

import errno
import http.client
import math
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

import msgspec

from vertebra.errors import AbsentError, DownloadError, OfflineError
from vertebra.version import installed

T = TypeVar("T")
BUSY = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Answers that another try may change."""
LONGEST_PAUSE = 60.0
UNREACHABLE = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL)


class Patience(msgspec.Struct, frozen=True):
    """How long a server is waited for.

    ``tries`` without a new byte before giving up, ``seconds`` without one before a try counts as failed, the first
    ``pause`` between tries in seconds, which doubles, and the seconds that ``connecting`` to one address may take.
    ``within``: all that the whole may take, in seconds, from ``began`` (of the monotonic clock) on; None: no limit.
    """

    tries: int = 5
    seconds: float = 30.0
    pause: float = 1.0
    connecting: float = 5.0
    within: float | None = None
    began: float = 0.0

    @property
    def left(self) -> float:
        """Seconds until it is over."""
        return math.inf if self.within is None else self.began + self.within - time.monotonic()


PATIENCE = Patience()


def patient() -> Patience:
    """For what cannot be done without."""
    return PATIENCE


def hurried() -> Patience:
    """For what can be done without: one try, which may take no longer than a connection."""
    return msgspec.structs.replace(PATIENCE, tries=1, seconds=min(PATIENCE.seconds, PATIENCE.connecting))


def limited(seconds: float) -> Patience:
    """For what is worth so many seconds from now on, and no more.

    A server from which nothing comes is found out when some half of them are over, which leaves time for another.
    """
    wait = min(PATIENCE.seconds, max(round(seconds / 4, 1), 0.1))
    return msgspec.structs.replace(PATIENCE, tries=2, seconds=wait, within=seconds, began=time.monotonic())


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a server: ``sha256`` is its published hash or how that begins, "" where none is published."""

    url: str
    sha256: str = ""
    token: str | None = None
    patience: Patience = msgspec.field(default_factory=patient)

    @property
    def host(self) -> str:
        """The server's name."""
        return urlsplit(self.url).netloc


class ForbiddenError(DownloadError):
    """A file that its server does not give to whoever asks: HTTP 401 and 403."""


class UnreliableError(DownloadError):
    """A server that answers too late, or breaks off again and again."""


class Broken(Exception):
    """A try that failed and may succeed next time."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        self.pause = pause
        super().__init__(reason)


def patiently(attempt: Callable[[], T], remote: Remote, done: Callable[[], int] = lambda: 0) -> T:
    """What ``attempt`` returns, tried again while it raises Broken; every new byte ``done`` gives it all tries anew.

    Raises UnreliableError after so many failures in a row as the remote's patience says, or when that is over.
    """
    failures, furthest = 0, done()
    while True:
        try:
            return attempt()
        except Broken as fault:
            failures = 1 if done() > furthest else failures + 1
            furthest = max(furthest, done())
            pause = remote.patience.pause * 2 ** (failures - 1) if fault.pause is None else fault.pause
            pause = min(pause, LONGEST_PAUSE)
            hopeless = pause >= remote.patience.left
            if hopeless or failures >= remote.patience.tries:
                what = f"{fault}, {failures} times in a row" if failures > 1 else str(fault)
                what = f"was not here within {remote.patience.within:.0f} s: {what}" if hopeless else what
                remedy = "try again: what has come is kept" if done() else "try again later"
                raise UnreliableError(what, where=remote.url, remedy=remedy) from None
        time.sleep(pause)


def asked(
    remote: Remote, headers: Mapping[str, str], *, method: str = "GET", begun: bool = False
) -> http.client.HTTPResponse:
    """An answer of the server; redirections are followed, but for HEAD.  The token goes to its own host alone.

    Raises urllib's HTTPError for an answer that is an error, OfflineError where the server cannot be reached at all
    (unless it had ``begun`` to answer), Broken for another failure of the network.
    """
    if offline():
        raise OfflineError("the network is switched off by VERTEBRA_OFFLINE or HF_HUB_OFFLINE", where=remote.url)
    request = urllib.request.Request(remote.url, method=method, headers=dict(headers))
    request.add_header("User-Agent", f"vertebra/{installed()}")
    if remote.token:
        request.add_unredirected_header("Authorization", f"Bearer {remote.token}")
    try:
        opener = urllib.request.build_opener(_Plain, _Secure, *(() if method == "GET" else (_NoRedirect,)))
        response: http.client.HTTPResponse = opener.open(request, timeout=remote.patience.seconds)
        return response
    except urllib.error.HTTPError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise DownloadError(f"is not trusted: {cause.verify_message}", where=remote.url) from None
        if isinstance(error, ValueError) or (not begun and _is_absent(cause)):
            raise OfflineError(f"{remote.host or remote.url} cannot be reached: {reason(error, remote)}") from None
        raise Broken(f"no answer: {reason(error, remote)}") from None


class Connection(http.client.HTTPConnection):
    """One that is made within seconds or not at all; ``timeout`` is for the answers.

    A network that drops what one sends is then soon told from a server that takes its time.
    """

    def connect(self) -> None:
        """Raises OSError (EHOSTUNREACH) where nobody takes the connection in time."""
        patience = self.timeout or PATIENCE.seconds
        self.timeout = min(patience, PATIENCE.connecting)
        try:
            super().connect()
        except TimeoutError:
            raise OSError(errno.EHOSTUNREACH, f"no connection within {self.timeout:g} s") from None
        finally:
            self.timeout = patience
        self.sock.settimeout(patience)


class SecureConnection(http.client.HTTPSConnection, Connection):
    """The same under TLS, whose greeting comes after the connection and has the time of an answer."""


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(Connection, req)


class _Secure(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(SecureConnection, req)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The first answer itself: what the hub says of a file stands there, not where it sends one to."""

    def redirect_request(self, *args: object) -> None:
        return None


def offline() -> bool:
    """Whether the user has forbidden the network: ``VERTEBRA_OFFLINE``, or the hub's own ``HF_HUB_OFFLINE``."""
    return any(
        os.environ.get(name, "").lower() in ("1", "on", "yes", "true")
        for name in ("VERTEBRA_OFFLINE", "HF_HUB_OFFLINE")
    )


def refused(remote: Remote, error: urllib.error.HTTPError) -> NoReturn:
    """Raise what an HTTP error means: Broken where another try may help, else DownloadError."""
    error.close()
    if error.code in BUSY:
        after = error.headers.get("Retry-After", "")
        raise Broken(f"answered {error.code} {error.reason}", float(after) if after.isdigit() else None)
    if error.headers.get("X-Error-Code") == "RepoNotFound":  # 401 to those without a token, so as to tell them nothing
        remedy = "check its name, or set HF_TOKEN"
        raise AbsentError(
            f"is not there, or not open to everybody (HTTP {error.code})", where=remote.url, remedy=remedy
        )
    if error.code in (401, 403):
        remedy = "set HF_TOKEN to a token that may read it" if not remote.token else "the token may not read it"
        raise ForbiddenError(f"is not given to everybody (HTTP {error.code})", where=remote.url, remedy=remedy)
    if error.code in (404, 410):
        raise AbsentError(f"is not there (HTTP {error.code})", where=remote.url, remedy="check its name")
    raise DownloadError(f"answered {error.code} {error.reason}", where=remote.url)


def _is_absent(cause: object) -> bool:
    return isinstance(cause, socket.gaierror) or (isinstance(cause, OSError) and cause.errno in UNREACHABLE)


def reason(error: BaseException, remote: Remote) -> str:
    """What failed, in a few words."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"nothing came for {remote.patience.seconds:g} s"
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)

"""Whether a server can be reached, against sockets of this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from vertebra.fitting.reaching import reachable

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that takes none: it is held, so that nobody else opens it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_a_port_that_listens_and_one_that_does_not(listening: int, closed: int) -> None:
    assert reachable(f"http://127.0.0.1:{listening}/some/file")
    assert not reachable(f"http://127.0.0.1:{closed}/some/file")


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_what_counts_is_the_proxy(monkeypatch, listening: int, closed: int, scheme: str) -> None:
    """Names that only it can resolve are reached through it; those that go past it are not."""
    monkeypatch.setenv("https_proxy", f"{scheme}127.0.0.1:{listening}")
    assert reachable("https://weights.invalid/file")
    monkeypatch.setenv("https_proxy", f"{scheme}127.0.0.1:{closed}")
    assert not reachable("https://weights.invalid/file")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert reachable(f"https://127.0.0.1:{listening}/file")


def test_what_names_no_server_is_not_reached() -> None:
    assert not reachable("file:///etc") and not reachable("")


def test_nobody_waits_longer_than_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is looked up for ever."""
    waiting = threading.Event()

    def connect(*args: object, **options: object) -> None:
        waiting.wait()
        raise OSError("nobody of that name")

    monkeypatch.setattr(socket, "create_connection", connect)
    assert not reachable("http://slow.invalid/", seconds=0.05)
    waiting.set()

"""A server of weights, and a cache of each test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weights.server import Server
from vertebra.weights import transport


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server that stands for torchvision's and for the hub; tries are few and quick."""
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setattr(transport, "PATIENCE", transport.Patience(tries=3, seconds=0.5, pause=0.01))
    for name in ("HF_ENDPOINT", "VERTEBRA_TORCHVISION"):
        monkeypatch.setenv(name, running.url)
    yield running
    running.closing.set()
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache, and none of the settings of whoever runs the tests."""
    for name in ("VERTEBRA_OFFLINE", "VERTEBRA_WEIGHTS", "HF_HUB_OFFLINE", "HF_TOKEN_PATH", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    monkeypatch.setenv("VERTEBRA_HOME", str(home))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("HF_TOKEN", "")
    return home / "weights"

"""The cache: what it writes and where, and how processes wait for one another."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from vertebra.errors import DownloadError, OutputError
from vertebra.weights import cache as module
from vertebra.weights.cache import locked, verified
from vertebra.weights.progress import waiting
from vertebra.weights.transport import limited

CONTENT = b"some weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """The files that are read whole."""
    seen: list[str] = []
    real = module.sha256_of
    monkeypatch.setattr(module, "sha256_of", lambda path: seen.append(path.name) or real(path))
    return seen


class TestVerified:
    def test_a_file_of_the_cache_is_read_once(self, cache, reads):
        cache.mkdir(parents=True)
        (cache / "x").write_bytes(CONTENT)
        assert verified(cache / "x", SHA256[:8]) and verified(cache / "x", SHA256[:8])
        assert reads == ["x"]

    def test_nothing_is_written_beside_a_users_file(self, tmp_path, reads):
        folder = tmp_path / "mine"
        folder.mkdir()
        (folder / "x").write_bytes(CONTENT)
        assert verified(folder / "x", SHA256[:8])
        assert [path.name for path in folder.iterdir()] == ["x"] and reads == ["x"]

    def test_without_a_published_hash_nothing_is_read(self, tmp_path, cache, reads):
        cache.mkdir(parents=True)
        for folder in (tmp_path, cache):
            (folder / "x").write_bytes(CONTENT)
            assert verified(folder / "x", "")
        assert reads == [] and [path.name for path in cache.iterdir()] == ["x"]


class TestLocked:
    def test_who_is_waited_for(self, cache, monkeypatch):
        said: list[str] = []
        first = ExitStack()
        first.enter_context(locked(cache / "x"))

        @contextmanager
        def telling(words: str) -> Iterator[None]:
            said.append(words)
            first.close()
            yield

        monkeypatch.setattr(module, "waiting", telling)
        with locked(cache / "x"):
            assert said == [f"x: waiting for process {os.getpid()}, which downloads it"]
        with locked(cache / "x"):
            assert len(said) == 1

    def test_what_is_worth_some_time_alone_is_not_waited_for_longer(self, cache):
        with locked(cache / "x"):
            with pytest.raises(DownloadError) as caught, locked(cache / "x", limited(0.2)):
                pass
            assert str(caught.value) == f"{cache / 'x'}: was not here within 0 s: another process downloads it"
        with locked(cache / "x", limited(0.2)):
            pass

    def test_a_disk_without_locks(self, cache, monkeypatch):
        def flock(file: object, kind: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(module.fcntl, "flock", flock)
        with pytest.raises(OutputError) as caught, locked(cache / "x"):
            pass
        assert str(caught.value) == (
            f"{cache}: cannot be locked: No locks available; set VERTEBRA_HOME to a folder on a disk of this machine"
        )

    def test_an_error_within_is_left_as_it_is(self, cache):
        with pytest.raises(OSError, match="mine"), locked(cache / "x"):
            raise OSError("mine")


@pytest.mark.parametrize("terminal", [True, False])
def test_words_on_a_terminal(capsys, monkeypatch, terminal):
    """rich takes FORCE_COLOR for a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1") if terminal else monkeypatch.delenv("FORCE_COLOR", raising=False)
    with waiting("x: waiting"):
        pass
    said = capsys.readouterr()
    assert ("x: waiting" in said.err) == terminal and said.out == ""

"""fetch(): the whole file or one exact line, whatever the network does."""

from __future__ import annotations

import errno
import hashlib
import random
import re
import time
from pathlib import Path

import msgspec
import pytest

from tests.weights.server import Server
from vertebra.errors import AbsentError, DownloadError, OfflineError, OutputError
from vertebra.weights import download, transport
from vertebra.weights.download import fetch
from vertebra.weights.progress import bar
from vertebra.weights.transport import Remote, limited

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def remote(server: Server) -> Remote:
    server.files["/net-x.pth"] = CONTENT
    return Remote(url=f"{server.url}/net-x.pth", sha256=SHA256[:8])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into" / "net-x.pth"


def left(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


def test_whole_file_with_progress(remote, path):
    seen: list[tuple[int, int | None]] = []
    assert fetch(remote, path, lambda done, total: seen.append((done, total))) == SHA256
    assert path.read_bytes() == CONTENT and left(path) == [path.name]
    assert seen[0] == (0, len(CONTENT)) and seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_on_a_terminal(capsys, monkeypatch, terminal):
    """rich takes FORCE_COLOR for a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1") if terminal else monkeypatch.delenv("FORCE_COLOR", raising=False)
    with bar("net.pth") as progress:
        progress(1_000_000, 2_000_000)
    said = capsys.readouterr()
    assert ("net.pth" in said.err) == terminal and said.out == ""


def test_a_cut_is_resumed_where_it_was(server, remote, path):
    server.faults = [("cut", 100_000), ("cut", 50_000)]
    fetch(remote, path)
    assert path.read_bytes() == CONTENT
    assert server.gets() == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_goes_on_with_what_came(server, remote, path):
    server.faults = [("cut", 100_000)] + [("status", 503)] * 3
    with pytest.raises(DownloadError) as caught:
        fetch(remote, path)
    assert str(caught.value) == (
        f"{remote.url}: answered 503 Service Unavailable, 3 times in a row; try again: what has come is kept"
    )
    assert left(path) == [".net-x.pth.partial"]
    fetch(remote, path)
    assert path.read_bytes() == CONTENT and left(path) == [path.name]
    assert server.gets()[-1] == "bytes=100000-"


def test_a_part_of_another_file_is_thrown_away(remote, path, server):
    path.with_name(".net-x.pth.partial").write_bytes(b"something else")
    assert fetch(remote, path) == SHA256
    assert path.read_bytes() == CONTENT and server.gets() == ["bytes=14-", None]


@pytest.mark.parametrize("length", [len(CONTENT), len(CONTENT) + 7])
def test_a_part_as_long_as_the_file_or_longer(remote, path, length):
    path.with_name(".net-x.pth.partial").write_bytes((CONTENT + b"1234567")[:length])
    fetch(remote, path)
    assert path.read_bytes() == CONTENT


def test_without_a_published_hash_no_part_is_trusted(server, remote, path):
    path.with_name(".net-x.pth.partial").write_bytes(b"something else")
    assert fetch(Remote(url=remote.url), path) == SHA256
    assert server.gets() == [None]


def test_a_file_that_changes_between_two_tries_is_begun_anew(server, remote, path):
    """If-Range: the second answer is of another file, so the first part must not be kept."""
    server.faults = [("cut", 1000)]
    other = CONTENT[::-1]

    def change(done: int, total: int | None) -> None:
        if done == 1000:
            server.files["/net-x.pth"] = other

    fetch(Remote(url=remote.url), path, change)
    assert path.read_bytes() == other


def test_a_server_without_ranges(server, remote, path):
    server.faults = [("cut", 1000), ("whole", None)]
    fetch(remote, path)
    assert path.read_bytes() == CONTENT


def test_a_server_that_always_breaks_at_the_same_place_is_given_up(server, remote, path):
    server.faults = [("broken", 1000)] * 50
    with pytest.raises(DownloadError, match=r"broke off after 1000 of 300000 bytes, 3 times in a row"):
        fetch(remote, path)
    assert len(server.gets()) == 3


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_busy_then_success(server, remote, path, code):
    server.faults = [("status", code)] * 2
    fetch(remote, path)
    assert path.read_bytes() == CONTENT and len(server.gets()) == 3


def test_a_stall_counts_as_a_cut(server, remote, path):
    server.faults = [("stall", 5000)]
    fetch(remote, path)
    assert path.read_bytes() == CONTENT and server.gets() == [None, "bytes=5000-"]


def test_endless_stalls_are_told(server, remote, path):
    server.faults = [("stall", 0)] * 3
    with pytest.raises(DownloadError, match=r"broke off: nothing came for 0.5 s, 3 times in a row"):
        fetch(remote, path)


class TestLimited:
    """What is worth some time, and no more."""

    def test_a_slow_server_is_given_up_and_what_came_is_kept(self, server, remote, path):
        server.faults = [("slow", 3000)]  # 2 s for the whole
        began = time.monotonic()
        with pytest.raises(DownloadError) as caught:
            fetch(msgspec.structs.replace(remote, patience=limited(0.4)), path)
        assert time.monotonic() - began < 1.5
        assert re.fullmatch(
            rf"{remote.url}: was not here within 0 s: 0\.\d of 0\.3 MB had come; try again: what has come is kept",
            str(caught.value),
        )
        assert left(path) == [".net-x.pth.partial"]
        fetch(remote, path)
        assert path.read_bytes() == CONTENT and server.gets()[-1].startswith("bytes=")

    def test_a_server_that_is_busy_for_longer_is_not_waited_for(self, server, remote, path):
        server.faults = [("status", 503)] * 2
        hasty = msgspec.structs.replace(limited(9), tries=5, pause=10.0)
        with pytest.raises(DownloadError, match="was not here within 9 s: answered 503 Service Unavailable; try"):
            fetch(msgspec.structs.replace(remote, patience=hasty), path)
        assert len(server.gets()) == 1

    def test_a_stall_is_found_out_in_time(self, server, remote, path, monkeypatch):
        monkeypatch.setattr(transport, "PATIENCE", transport.Patience())
        server.faults = [("stall", 5000)] * 5
        began = time.monotonic()
        with pytest.raises(DownloadError, match=r"was not here within 1 s: broke off: nothing came for 0.2 s; try"):
            fetch(msgspec.structs.replace(remote, patience=limited(1)), path)
        assert time.monotonic() - began < 2.5

    def test_time_enough(self, remote, path):
        assert fetch(msgspec.structs.replace(remote, patience=limited(60)), path) == SHA256


class TestRefused:
    def test_not_found(self, server, remote, path):
        missing = Remote(url=f"{server.url}/none.pth")
        with pytest.raises(AbsentError) as caught:
            fetch(missing, path)
        assert str(caught.value) == f"{missing.url}: is not there (HTTP 404); check its name"
        assert len(server.gets()) == 1 and left(path) == []

    def test_forbidden(self, server, remote, path):
        server.faults = [("status", 401)]
        with pytest.raises(DownloadError, match=r"is not given to everybody \(HTTP 401\); set HF_TOKEN"):
            fetch(remote, path)

    def test_hash_that_differs(self, server, path, remote):
        with pytest.raises(DownloadError) as caught:
            fetch(Remote(url=remote.url, sha256="00000000"), path)
        assert str(caught.value) == (
            f"{remote.url}: gave other bytes than were published: SHA-256 {SHA256[:8]}, not 00000000; "
            "try again; if it stays so, somebody has changed the file"
        )
        assert left(path) == []

    def test_nobody_there(self, path, server):
        server.shutdown()
        server.server_close()
        with pytest.raises(OfflineError, match=r"127.0.0.1:\d+ cannot be reached: Connection refused"):
            fetch(Remote(url=f"{server.url}/net-x.pth"), path)

    def test_no_such_host(self, path):
        with pytest.raises(OfflineError, match=r"no-such-host.invalid cannot be reached"):
            fetch(Remote(url="http://no-such-host.invalid/x"), path)

    @pytest.mark.parametrize("name", ["VERTEBRA_OFFLINE", "HF_HUB_OFFLINE"])
    def test_network_forbidden(self, remote, path, monkeypatch, server, name):
        monkeypatch.setenv(name, "1")
        with pytest.raises(OfflineError, match="the network is switched off by VERTEBRA_OFFLINE or HF_HUB_OFFLINE"):
            fetch(remote, path)
        assert not server.log


class TestDisk:
    def test_no_room_for_what_the_server_announces(self, remote, path, monkeypatch):
        monkeypatch.setattr(download.shutil, "disk_usage", lambda place: type("Usage", (), {"free": 1000}))
        with pytest.raises(OutputError) as caught:
            fetch(remote, path)
        assert str(caught.value) == (
            f"{path.with_name('.net-x.pth.partial')}: needs 300000 bytes, and 1000 are free; make room, or set "
            "VERTEBRA_HOME to another disk"
        )
        assert left(path) == []

    def test_disk_that_fills_up_while_writing(self, remote, path, monkeypatch):
        """The file system takes a part of a chunk, then nothing more, as a full one does."""

        class Full:
            def __init__(self, file):
                self.file, self.room = file, 70_000

            def __getattr__(self, name):
                return getattr(self.file, name)

            def __enter__(self):
                return self

            def __exit__(self, *error):
                self.file.close()

            def write(self, chunk):
                taken = self.file.write(bytes(chunk[: self.room]))
                self.room -= taken
                if not taken:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return taken

        opened = Path.open
        monkeypatch.setattr(Path, "open", lambda path, mode, **options: Full(opened(path, mode, **options)))
        with pytest.raises(
            OutputError, match=r"cannot be written: No space left on device; make room, or set VERTEBRA"
        ):
            fetch(remote, path)
        monkeypatch.undo()
        assert left(path) == []

    def test_folder_that_is_not_there(self, remote, tmp_path):
        with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
            fetch(remote, tmp_path / "none" / "x")


def test_the_token_is_not_carried_to_another_host(server, path):
    """The hub sends one on to a store under another name; that one must not see the token."""
    server.repository("me/net", {"model.safetensors": CONTENT})
    fetch(Remote(url=f"{server.url}/me/net/resolve/main/model.safetensors", sha256=SHA256, token="secret"), path)
    assert [(line[1].split("/")[1], line[3]) for line in server.log] == [("me", "Bearer secret"), ("store", None)]

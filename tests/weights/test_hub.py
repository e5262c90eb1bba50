"""Repositories with a hub that is away, busy or slow, that have moved, or that somebody has copied by hand."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as safetensors_bytes

from tests.nn.helpers import randomised, tiny
from tests.weights.server import COMMIT, Handler, Server
from vertebra.errors import DownloadError, OfflineError, WeightsError
from vertebra.nn import build
from vertebra.weights import transport
from vertebra.weights.load import load
from vertebra.weights.pretrained import save_pretrained
from vertebra.weights.transport import Connection, ForbiddenError

STORED, OLD, CONFIG = "model.safetensors", "pytorch_model.bin", "config.json"


@pytest.fixture
def net():
    return randomised(build(tiny())).eval()


@pytest.fixture
def saved(net, tmp_path) -> dict[str, bytes]:
    """A repository's files as we write them."""
    save_pretrained(net, tmp_path / "saved")
    return {file: (tmp_path / "saved" / file).read_bytes() for file in (CONFIG, STORED)}


def torch_bytes(state) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def is_the_same(found, net) -> None:
    assert torch.equal(found.fc.weight, net.fc.weight)


def busy(monkeypatch: pytest.MonkeyPatch, code: int = 503) -> list[str]:
    """From now on the hub answers questions with ``code``; the paths that it is asked for."""
    asked: list[str] = []

    def answer(handler: Handler) -> None:
        asked.append(handler.path)
        handler._empty(code)

    monkeypatch.setattr(Handler, "do_HEAD", answer)
    return asked


class TestAway:
    @pytest.mark.parametrize("file", [STORED, OLD])
    def test_weights_alone_come_from_the_cache(self, server, net, monkeypatch, file):
        """No config.json there, and none in the cache; nor model.safetensors, for the older name."""
        content = safetensors_bytes(net.state_dict()) if file == STORED else torch_bytes(net.state_dict())
        server.repository("me/bare", {file: content})
        assert load(tiny(), "hub:me/bare").weights.notes == ()
        monkeypatch.setenv("VERTEBRA_OFFLINE", "1")
        found = load(tiny(), "hub:me/bare")
        is_the_same(found, net)
        assert found.weights.notes == (
            "from the cache, as it was when last fetched: the network is switched off by VERTEBRA_OFFLINE or "
            "HF_HUB_OFFLINE",
            "without its config.json, which is not in the cache",
        )

    def test_nothing_in_the_cache(self, server, monkeypatch, cache):
        monkeypatch.setenv("VERTEBRA_OFFLINE", "1")
        with pytest.raises(OfflineError, match=f"the cache {cache} is empty; a file of your own"):
            load(tiny(), "hub:me/none")

    def test_a_hub_that_is_down_is_asked_once(self, server, net, saved, monkeypatch):
        server.repository("me/net", saved)
        assert load(None, "hub:me/net").weights.notes == ()
        asked = busy(monkeypatch)
        found = load(None, "hub:me/net")
        is_the_same(found, net)
        assert asked == [f"/me/net/resolve/main/{CONFIG}"]
        assert found.weights.notes == ("from the cache, as it was when last fetched: answered 503 Service Unavailable",)

    def test_and_that_has_never_given_a_description(self, server, net, monkeypatch):
        server.repository("me/bare", {STORED: safetensors_bytes(net.state_dict())})
        load(tiny(), "hub:me/bare")
        asked = busy(monkeypatch)
        is_the_same(load(tiny(), "hub:me/bare"), net)
        assert asked == [f"/me/bare/resolve/main/{CONFIG}"] * transport.PATIENCE.tries

    def test_a_cached_file_that_has_changed_is_not_taken(self, server, saved, monkeypatch, cache):
        server.repository("me/net", saved)
        load(None, "hub:me/net")
        busy(monkeypatch)
        (cache / "hub" / "me" / "net" / "main" / STORED).write_bytes(saved[STORED][:-1])
        with pytest.raises(WeightsError, match="has changed since it was downloaded"):
            load(None, "hub:me/net")

    def test_tries_that_fail_say_what_the_cache_holds(self, server, saved, monkeypatch, cache):
        server.repository("me/net", saved)
        load(None, "hub:me/net")
        busy(monkeypatch)
        with pytest.raises(DownloadError) as caught:
            load(tiny(), "hub:me/other")
        assert str(caught.value) == (
            f"{server.url}/me/other/resolve/main/{CONFIG}: answered 503 Service Unavailable, 3 times in a row; try "
            f"again later; the cache {cache} holds hub/me/net/main/{STORED}; a file of your own: weights='file:PATH'"
        )

    @pytest.mark.parametrize("code", [401, 403])
    def test_a_repository_that_was_closed(self, server, saved, monkeypatch, code):
        """A refusal is an answer."""
        server.repository("me/net", saved)
        load(None, "hub:me/net")
        busy(monkeypatch, code)
        with pytest.raises(ForbiddenError, match=f"HTTP {code}"):
            load(None, "hub:me/net")


class TestNoConnection:
    @pytest.fixture
    def dropped(self, server, saved, monkeypatch) -> list[float]:
        """A network that drops what one sends; the seconds that connections were given."""
        server.repository("me/net", saved)
        load(None, "hub:me/net")
        monkeypatch.setattr(
            transport, "PATIENCE", transport.Patience(tries=3, seconds=20.0, pause=0.01, connecting=0.2)
        )
        given: list[float] = []

        def connect(address, timeout, *rest):
            given.append(timeout)
            raise TimeoutError("timed out")

        monkeypatch.setattr(socket, "create_connection", connect)
        return given

    def test_the_cache_serves_after_one_short_try(self, dropped, net):
        found = load(None, "hub:me/net")
        is_the_same(found, net)
        assert dropped == [0.2]
        (note,) = found.weights.notes
        assert note.endswith("cannot be reached: no connection within 0.2 s")

    def test_what_it_has_not_is_told_after_one(self, dropped, server):
        with pytest.raises(OfflineError, match=r"127.0.0.1:\d+ cannot be reached: no connection within 0.2 s; the ca"):
            load(None, "hub:me/other")
        assert dropped == [0.2]

    def test_answers_have_their_own_time(self, server):
        connection = Connection(*server.server_address, timeout=7.0)
        connection.connect()
        assert connection.sock.gettimeout() == 7.0
        connection.close()


class TestMoved:
    def test_a_renamed_private_repository(self, server, net, saved, monkeypatch):
        """Asked for and fetched at its new address, so that the token goes along."""
        monkeypatch.setenv("HF_TOKEN", "secret")
        server.repository("me/new", saved)
        server.renamed["me/old"] = "me/new"
        is_the_same(load(None, "hub:me/old"), net)
        hub = [(method, path, said) for method, path, _, said in server.log if not path.startswith("/store/")]
        assert hub == [
            ("HEAD", f"/me/old/resolve/main/{CONFIG}", "Bearer secret"),
            ("HEAD", f"/me/new/resolve/main/{CONFIG}", "Bearer secret"),
            ("GET", f"/me/new/resolve/{COMMIT}/{CONFIG}", "Bearer secret"),
            ("HEAD", f"/me/new/resolve/{COMMIT}/{STORED}", "Bearer secret"),
            ("GET", f"/me/new/resolve/{COMMIT}/{STORED}", "Bearer secret"),
        ]

    def test_files_are_of_one_commit(self, server, net, saved, monkeypatch):
        """The branch moves on between the description and the weights."""
        server.repository("me/net", saved)
        answer = Handler.do_GET

        def after_a_move(handler: Handler) -> None:
            if handler.path.endswith(CONFIG):
                other = {name: tensor + 1 for name, tensor in net.state_dict().items()}
                server.repository("me/net", {**saved, STORED: safetensors_bytes(other)}, commit="f" * 40)
            answer(handler)

        monkeypatch.setattr(Handler, "do_GET", after_a_move)
        is_the_same(load(None, "hub:me/net"), net)


class TestByHand:
    @pytest.fixture
    def place(self, server, saved, cache) -> Path:
        server.repository("me/net", saved)
        (cache / "hub" / "me" / "net" / "main").mkdir(parents=True)
        return cache / "hub" / "me" / "net" / "main"

    def test_the_branchs_file_is_used(self, server: Server, place, saved, net):
        (place / STORED).write_bytes(saved[STORED])
        is_the_same(load(None, "hub:me/net"), net)
        assert server.gets("/store/") == []

    def test_another_file_is_fetched_anew(self, server: Server, place, net):
        (place / STORED).write_bytes(safetensors_bytes({"other": torch.ones(2)}))
        is_the_same(load(None, "hub:me/net"), net)
        assert server.gets("/store/") == [None]

"""Downloads that nobody asked for, from a real server."""

from __future__ import annotations

import msgspec
import pytest

from tests.weights.server import Server
from vertebra.errors import AbsentError
from vertebra.fitting.fetching import Fetching
from vertebra.fitting.finding import offer_for
from vertebra.fitting.offers import Offer
from vertebra.weights import transport
from vertebra.weights.catalogue import find
from vertebra.weights.published import located
from vertebra.weights.transport import UnreliableError
from vertebra.zoo import architecture


def offered(name: str, source: str) -> Offer:
    return msgspec.structs.replace(offer_for(architecture(name), source), at_hand=False)


@pytest.fixture
def torchvisions() -> Offer:
    return offered("googlenet", "torchvision:IMAGENET1K_V1")


@pytest.fixture
def timms() -> Offer:
    return offered("mnasnet_small", "timm:lamb_in1k")


@pytest.fixture
def hub(server: Server) -> Server:
    """The server with timm's file."""
    weight = find("mnasnet_small", "timm:lamb_in1k")
    server.repository(weight.repository, {weight.file: b"weights"})
    return server


def test_a_server_from_which_nothing_comes_leaves_time_for_another(
    hub: Server, torchvisions: Offer, timms: Offer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "PATIENCE", transport.Patience(pause=0.01))
    hub.files[f"/{find('googlenet', torchvisions.source).file}"] = b"weights"
    hub.faults = [("stall", 0)] * 2
    said: list[str] = []
    fetching = Fetching(2.0, said.append)
    with pytest.raises(UnreliableError, match="nothing came for") as caught:
        fetching.fetch(torchvisions)
    assert fetching.left_out(torchvisions, caught.value).startswith(
        "googlenet is left out, and nothing more is fetched from torchvision's server: "
    )
    assert fetching.may(timms) and not fetching.may(offered("resnet18", torchvisions.source))
    fetching.fetch(timms)
    assert located(find("mnasnet_small", timms.source)).read_bytes() == b"weights" and not said


def test_a_file_that_is_not_there_rules_out_itself(hub: Server, torchvisions: Offer, timms: Offer) -> None:
    fetching = Fetching(60.0, print)
    with pytest.raises(AbsentError) as caught:
        fetching.fetch(torchvisions)
    assert fetching.left_out(torchvisions, caught.value).startswith("googlenet is left out: ")
    assert fetching.may(timms) and fetching.may(offered("resnet18", torchvisions.source))

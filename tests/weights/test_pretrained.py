"""save_pretrained(), push_to_hub(), from_pretrained(): against a folder and against a local hub."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors import safe_open

import vertebra
from tests.bundles import make_bundle
from tests.nn.helpers import images, randomised, tiny
from tests.weights.server import COMMIT, Server
from vertebra.costs.count import cost
from vertebra.data.preprocess import Preprocess
from vertebra.errors import AbsentError, DownloadError, OfflineError, OutputError, WeightsError
from vertebra.nn import build
from vertebra.weights.described import difference
from vertebra.weights.load import load
from vertebra.weights.origin import Origin
from vertebra.weights.pretrained import Backbone, from_pretrained, push_to_hub, save_pretrained
from vertebra.weights.save import save
from vertebra.zoo import families

HOW = Preprocess(size=32, resize=36, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))
LABELS = ("cat", "dog", "é|`", "cow", "hen")


@pytest.fixture
def net():
    net = randomised(build(tiny())).eval()
    net.weights = Origin(
        name="timm:x_in1k",
        preprocess=HOW,
        labels=LABELS,
        licence="mit",
        top1=71.5,
        resolution=32,
        top1_source="a | table",
    )
    return net


@pytest.fixture
def hub(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    """huggingface_hub reads its settings once, when it is imported; here they are set afterwards."""
    for module in (huggingface_hub.constants, huggingface_hub.file_download.constants):
        monkeypatch.setattr(module, "ENDPOINT", server.url)
        monkeypatch.setattr(
            module, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(module, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return server


def is_the_same(found, net) -> None:
    x = images(2, 3, 32, 32)
    torch.testing.assert_close(found(x), net(x))
    assert found.arch == net.arch and not found.training
    for name in ("preprocess", "labels", "licence", "top1", "resolution", "top1_source"):
        assert getattr(found.weights, name) == getattr(net.weights, name)


class TestFolder:
    def test_round_trip(self, net, tmp_path):
        save_pretrained(net, tmp_path / "deep" / "mine")
        assert sorted(path.name for path in (tmp_path / "deep" / "mine").iterdir()) == [
            "README.md",
            "config.json",
            "model.safetensors",
        ]
        for again in (
            from_pretrained(tmp_path / "deep" / "mine"),
            load(None, f"file:{tmp_path / 'deep' / 'mine'}"),
            load(None, tmp_path / "deep" / "mine" / "model.safetensors"),
        ):
            is_the_same(again, net)
        assert again.weights.name == f"file:{tmp_path / 'deep' / 'mine' / 'model.safetensors'}"

    def test_a_file_alone_says_what_it_is(self, net, tmp_path):
        save(net, tmp_path / "anything.safetensors")
        is_the_same(load(None, f"file:{tmp_path / 'anything.safetensors'}"), net)
        is_the_same(load(None, f"file:{tmp_path / 'anything.safetensors'}", classes=5), net)

    def test_the_mixins_own_methods(self, net, tmp_path):
        """As a user of huggingface_hub calls them; the card is ours."""
        Backbone(net).save_pretrained(tmp_path / "mine")
        again = Backbone.from_pretrained(tmp_path / "mine")
        is_the_same(again.net, net)
        x = images(1, 3, 32, 32)
        torch.testing.assert_close(again(x), net(x))
        assert ModelCard.load(tmp_path / "mine" / "README.md").data.library_name == "vertebra"

    def test_the_card_has_the_computed_costs(self, net, tmp_path):
        save_pretrained(net, tmp_path / "mine")
        card = ModelCard.load(tmp_path / "mine" / "README.md")
        assert (card.data.license, card.data.pipeline_tag) == ("mit", "image-classification")
        costs = cost(tiny(), resolution=32)
        assert f"- multiply-accumulates: {costs.macs:,}" in card.text
        assert f"- parameters: {costs.params:,}" in card.text
        assert sum(parameter.numel() for parameter in net.parameters()) == costs.params
        assert "top-1 71.5% at 32 px, a \\| table" in card.text
        assert "the shorter side to 36 px, the middle 32 x 32 px cut out; rgb" in card.text

    def test_the_keys_are_the_networks(self, net, tmp_path):
        save_pretrained(net, tmp_path / "mine")
        with safe_open(tmp_path / "mine" / "model.safetensors", "pt") as file:
            assert set(file.keys()) == set(net.state_dict())

    def test_a_network_without_an_architecture(self, tmp_path):
        with pytest.raises(WeightsError, match="the network has no architecture; give what build"):
            save_pretrained(torch.nn.Linear(2, 2), tmp_path / "mine")

    def test_a_place_that_cannot_be_written(self, net, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputError, match="cannot be made"):
            save_pretrained(net, tmp_path / "file" / "mine")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"format": 2}, r"is of format 2 \(allowed: 1\); update vertebra"),
            ({"hash": "0" * 64}, "describes another network than when it was written"),
            ({"preprocess": {"size": 3}}, "config.json: cannot be read: .*resize"),
            ({"architecture": {"name": "x"}}, "config.json: cannot be read: .*stem"),
            ({"labels": [1]}, "config.json: cannot be read: .*str"),
        ],
    )
    def test_a_config_that_is_broken(self, net, tmp_path, change, said):
        save_pretrained(net, tmp_path)
        path = tmp_path / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        (tmp_path / "model.safetensors").replace(tmp_path / "pytorch_model.bin")
        with pytest.raises(WeightsError, match=said) as caught:
            load(None, f"file:{tmp_path}")
        assert "\n" not in str(caught.value)


class TestHub:
    def test_push(self, hub, net):
        address = push_to_hub(net, "me/mine", commit_message="First one", private=True)
        assert address == f"{hub.url}/me/mine/commit/{COMMIT}"
        created = json.loads(hub.bodies[0][1])
        assert (created["name"], created["organization"]) == ("mine", "me")
        assert created.get("private") or created.get("visibility") == "private"  # by huggingface_hub's version
        assert [line[3] for line in hub.log if "/commit/" in line[1] or "/create" in line[1]] == [
            "Bearer hf_secret"
        ] * 2
        lines = [json.loads(line) for line in hub.bodies[-1][1].splitlines()]
        assert lines[0]["value"]["summary"] == "First one"
        files = {line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines[1:]}
        assert set(files) == {"README.md", "config.json", "model.safetensors"}
        assert b'vertebra.from_pretrained("me/mine")' in files["README.md"]
        # what was pushed is what comes back
        hub.repository("me/mine", files)
        is_the_same(from_pretrained("me/mine"), net)
        is_the_same(load(None, "hub:me/mine"), net)
        is_the_same(load(None, f"hub:me/mine@{COMMIT}"), net)

    def test_from_the_hubs_own_cache(self, hub, net, tmp_path):
        save_pretrained(net, tmp_path / "mine")
        hub.repository("me/mine", {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()})
        from_pretrained("me/mine", revision="main")
        asked = len(hub.log)
        is_the_same(from_pretrained("me/mine", local_files_only=True), net)
        assert len(hub.log) == asked

    def test_not_there(self, hub):
        with pytest.raises(AbsentError, match="me/none: "):
            from_pretrained("me/none")

    def test_not_in_the_cache(self, hub):
        with pytest.raises((OfflineError, AbsentError), match="me/none: "):
            from_pretrained("me/none", local_files_only=True)

    def test_a_name_that_no_repository_has(self, hub, net):
        with pytest.raises(WeightsError, match="is no repository"):
            push_to_hub(net, "me/a name")

    def test_refused(self, hub, net, monkeypatch):
        monkeypatch.setattr("tests.weights.server.Handler.do_POST", lambda self: self._empty(403))
        with pytest.raises(DownloadError, match=r"me/mine: was refused by the hub: .*403") as caught:
            push_to_hub(net, "me/mine")
        assert "\n" not in str(caught.value)

    def test_nobody_there(self, hub, net):
        hub.shutdown()
        hub.server_close()
        with pytest.raises(OfflineError, match="me/mine: cannot be reached"):
            push_to_hub(net, "me/mine")


def test_a_bundle_is_a_source_too(tmp_path):
    bundle = make_bundle(tmp_path / "bundle")
    net = load(None, f"file:{bundle}")
    opened = vertebra.load_bundle(bundle)
    assert net.arch == opened.architecture
    assert (net.weights.preprocess, net.weights.labels) == (opened.preprocess, opened.labels)
    assert load(None, bundle, classes=4).weights.labels is None


def test_without_huggingface_hub():
    """The line names the extra; everything else, loading from the hub too, does without."""
    code = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "import vertebra, vertebra.weights.load\n"
        "try: vertebra.push_to_hub\n"
        "except vertebra.VertebraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "huggingface_hub is not installed; pip install 'vertebra[hub]'\n"


def test_the_front_has_them():
    assert vertebra.from_pretrained is from_pretrained and vertebra.push_to_hub is push_to_hub
    assert vertebra.save_pretrained is save_pretrained and vertebra.save is save and vertebra.load is load


@pytest.mark.parametrize("wrap", [partial(torch.compile, backend="eager"), torch.nn.DataParallel])
def test_a_wrapped_network_is_saved_as_it_is_within(net, tmp_path, wrap):
    save_pretrained(wrap(net), tmp_path / "mine")
    is_the_same(from_pretrained(tmp_path / "mine"), net)
    with safe_open(tmp_path / "mine" / "model.safetensors", "pt") as file:
        assert set(file.keys()) == set(net.state_dict())


def test_a_classifier_that_was_put_in_by_hand(net, tmp_path):
    """As torchvision's and timm's users do: its labels and accuracy are gone, and the card says so too."""
    net.fc = torch.nn.Linear(net.fc.in_features, 3)
    save_pretrained(net, tmp_path / "mine")
    again = from_pretrained(tmp_path / "mine")
    assert again.arch == net.arch.with_classes(3)
    assert (again.weights.labels, again.weights.top1, again.weights.preprocess) == (None, None, HOW)
    x = images(2, 3, 32, 32)
    torch.testing.assert_close(again(x), net(x))
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "with 3 classes" in card and "71.5" not in card
    save(net, tmp_path / "w.safetensors")
    assert load(None, tmp_path / "w.safetensors").weights.labels is None


def test_a_network_that_its_architecture_does_not_describe(net, tmp_path):
    """What could not be loaded again is not written."""
    net.fc = torch.nn.Identity()
    with pytest.raises(WeightsError) as caught:
        save_pretrained(net, tmp_path / "mine")
    assert str(caught.value) == (
        "the network is not what net.arch says: fc.weight is missing; "
        "save its tensors alone: save(net.state_dict(), PATH)"
    )
    assert not list(tmp_path.glob("mine/*"))


def test_every_registered_network_is_what_its_architecture_says():
    for family in families():
        arch = family.entries[0].make()
        with torch.device("meta"):
            assert difference(arch, build(arch).state_dict()) is None, arch.name


def test_a_path_is_not_sought_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.safetensors").write_bytes(b"")
    for name in ("./nowhere", tmp_path / "nowhere", Path("nowhere")):
        with pytest.raises(WeightsError, match=r"nowhere: does not exist \(allowed: a folder, or owner/name of a rep"):
            from_pretrained(name)
    for name in ("w.safetensors", tmp_path / "w.safetensors"):
        with pytest.raises(WeightsError, match=r"w\.safetensors: is no folder; a file is read by load"):
            from_pretrained(name)

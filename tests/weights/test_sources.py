"""load() by source: published weights, repositories, folders, from a server or without one."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import save as safetensors_bytes
from torch import nn

from tests import peers
from tests.weights.server import Server
from vertebra.data.preprocess import Preprocess
from vertebra.errors import (
    AbsentError,
    DownloadError,
    OfflineError,
    TransformError,
    UnknownNameError,
    UsageError,
    WeightsError,
)
from vertebra.weights import sources
from vertebra.weights.catalogue import find, imagenet
from vertebra.weights.load import load
from vertebra.weights.published import located
from vertebra.weights.variants import as_in
from vertebra.zoo.registry import architecture, variant

TIMM = "mobilenetv3_small_050"
TAG = "timm:lamb_in1k"
REPOSITORY = "timm/mobilenetv3_small_050.lamb_in1k"
STORED = "model.safetensors"


def filled(net: nn.Module) -> nn.Module:
    """Random tensors under which every part of the network matters: gains and variances within 0.5 and 1.5."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in net.state_dict().items():
        if tensor.ndim == 1:
            low = -0.2 if name.endswith(("bias", "mean")) else 0.5
            tensor.uniform_(low, 1.0, generator=generator)
        elif tensor.ndim > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
    return net.eval()


@pytest.fixture(scope="module")
def peer() -> nn.Module:
    return filled(peers.timm().create_model(TIMM, pretrained=False))


@pytest.fixture(scope="module")
def stored(peer: nn.Module) -> bytes:
    return safetensors_bytes(peer.state_dict())


@pytest.fixture
def published(server: Server, stored: bytes) -> Server:
    server.repository(REPOSITORY, {STORED: stored})
    return server


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """float32 sums in another order."""
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


class TestTimm:
    @torch.no_grad()
    def test_is_timms_network_with_all_that_comes_with_it(self, published, peer, image, cache):
        net = load(TIMM, TAG)
        same(net(image), peer(image))
        assert not net.training and net.arch == variant(TIMM, "timm")
        origin = net.weights
        config = peers.timm().get_pretrained_cfg(f"{TIMM}.lamb_in1k")
        size = config.input_size[1]
        assert origin.preprocess == Preprocess(
            size=size,
            resize=int(size / config.crop_pct),
            interpolation=config.interpolation,
            mean=config.mean,
            std=config.std,
        )
        assert (origin.name, origin.licence, origin.notes) == (TAG, config.license, ())
        assert len(origin.labels) == 1000 and origin.labels[:2] == ("tench", "goldfish")
        assert origin.top1 and origin.resolution == size and "timm" in origin.top1_source
        assert (cache / "hub" / REPOSITORY / "main" / STORED).is_file()

    def test_is_fetched_once(self, published, image):
        first = load(TIMM, TAG)
        asked = len(published.log)
        again = load(TIMM, TAG)
        assert len(published.log) == asked
        assert torch.equal(first.state_dict()["fc.weight"], again.state_dict()["fc.weight"])

    def test_from_the_cache_without_a_network(self, published, monkeypatch):
        load(TIMM, TAG)
        monkeypatch.setenv("VERTEBRA_OFFLINE", "1")
        assert load(TIMM, TAG).weights.preprocess.size == 224

    def test_a_cached_file_that_was_cut_short(self, published, cache):
        load(TIMM, TAG)
        path = cache / "hub" / REPOSITORY / "main" / STORED
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(WeightsError) as caught:
            load(TIMM, TAG)
        assert str(caught.value) == (
            f"{path}: has changed since it was downloaded; delete it, and it is downloaded again"
        )

    def test_the_hub_says_the_hash(self, published, stored, cache):
        path = f"/store/{hashlib.sha256(stored).hexdigest()}"
        real = published.gets
        published.repository(REPOSITORY, {STORED: stored})
        published.faults = [("cut", 1000)]
        assert real("/store/") == []
        load(TIMM, TAG)
        assert real(path) == [None, "bytes=1000-"]

    def test_other_bytes_than_the_hub_says(self, published, stored, cache, monkeypatch):
        from tests.weights import server as module

        broken = stored[:-1] + b"?"
        answer = module.Handler._content
        monkeypatch.setattr(module.Handler, "_content", lambda self, content, *a: answer(self, broken, *a))
        with pytest.raises(DownloadError, match="gave other bytes than were published"):
            load(TIMM, TAG)
        assert [path.name for path in cache.rglob("*") if path.is_file() and path.name[0] != "."] == []
        assert not list(cache.rglob("*.partial"))

    def test_plain_folder(self, server, stored, tmp_path, monkeypatch):
        (tmp_path / f"{TIMM}.lamb_in1k.safetensors").write_bytes(stored)
        monkeypatch.setenv("VERTEBRA_WEIGHTS", str(tmp_path))
        assert load(TIMM, TAG).weights.preprocess.interpolation == "bicubic"
        monkeypatch.delenv("VERTEBRA_WEIGHTS")
        net = load(None, f"file:{tmp_path / TIMM}.lamb_in1k.safetensors")
        assert net.weights.preprocess.interpolation == "bicubic" and net.arch == variant(TIMM, "timm")
        assert net.weights.notes == (f"recognised as {TIMM} {TAG}",)
        assert not server.log

    def test_default_tag_and_best(self, published):
        assert load(TIMM, "timm:DEFAULT").weights.name == TAG
        best = load(TIMM)
        assert best.weights.name == TAG
        (note,) = best.weights.notes
        assert note.startswith(f"best: {TAG}, top-1 ") and "at 224 px (timm" in note


class TestTorchvision:
    """mnasnet0_5; its file's name holds the beginning of its SHA-256, so the test's has another name."""

    @pytest.fixture
    def peer(self):
        return filled(peers.torchvision().models.mnasnet0_5(weights=None))

    @pytest.fixture
    def file(self, server, peer, monkeypatch) -> str:
        buffer = io.BytesIO()
        torch.save(peer.state_dict(), buffer)
        content = buffer.getvalue()
        name = f"mnasnet0.5-{hashlib.sha256(content).hexdigest()[:8]}.pth"
        server.files[f"/{name}"] = content
        here = msgspec.structs.replace(find("mnasnet0_5", "torchvision:IMAGENET1K_V1"), file=name)
        monkeypatch.setattr(sources, "find", lambda name, tag: here)
        return name

    @torch.no_grad()
    def test_is_torchvisions_network(self, file, peer, image, cache, server, monkeypatch):
        net = load("mnasnet0_5", "torchvision:IMAGENET1K_V1")
        same(net(image), peer(image))
        assert net.arch == variant("mnasnet0_5", "torchvision")
        assert net.weights.top1 == 67.734 and net.weights.licence == "bsd-3-clause"  # torchvision's own table
        assert (cache / "torchvision" / file).is_file()
        server.files.clear()
        load("mnasnet0_5", "torchvision:IMAGENET1K_V1")
        assert len(server.gets()) == 1

    def test_a_file_that_was_put_there_by_hand(self, file, server, cache):
        (cache / "torchvision").mkdir(parents=True)
        (cache / "torchvision" / file).write_bytes(server.files[f"/{file}"])
        load("mnasnet0_5", "torchvision:IMAGENET1K_V1")
        assert not server.log

    def test_a_cached_file_that_has_changed(self, file, server, cache):
        load("mnasnet0_5", "torchvision:IMAGENET1K_V1")
        path = cache / "torchvision" / file
        path.write_bytes(path.read_bytes()[:-5])
        found = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        with pytest.raises(WeightsError) as caught:
            load("mnasnet0_5", "torchvision:IMAGENET1K_V1")
        assert str(caught.value) == (
            f"{path}: is not the published file: its SHA-256 begins with {found}, not {file[-12:-4]}; "
            "delete it, and it is downloaded again"
        )


class TestChanged:
    @torch.no_grad()
    def test_other_classes(self, published, peer, image):
        net = load(TIMM, TAG, classes=7, seed=3)
        assert net(image).shape == (2, 7) and net.arch == variant(TIMM, "timm").with_classes(7)
        assert net.weights.notes == ("the classifier is new: 7 classes, where the weights have 1000 (seed 3)",)
        assert net.weights.labels is None and net.weights.top1 is None and net.weights.preprocess is not None
        theirs = load(TIMM, TAG).state_dict()
        assert all(torch.equal(t, theirs[n]) for n, t in net.state_dict().items() if not n.startswith("fc."))

    def test_the_weights_own_classes(self, published):
        assert load(TIMM, TAG, classes=1000).weights.notes == ()

    @torch.no_grad()
    def test_an_architecture_with_other_classes_and_channels(self, published, image):
        net = load(architecture(TIMM).with_classes(5).with_channels(1), TAG)
        assert net(image[:, :1]).shape == (2, 5)
        assert [note.partition(":")[0] for note in net.weights.notes] == [
            "input channels 1 instead of 3",
            "the classifier is new",
        ]

    @torch.no_grad()
    def test_one_channel_is_three_equal_ones(self, published, image):
        """sum_c W_c * x is what three equal channels give."""
        grey = image[:, :1]
        net = load(TIMM, TAG, channels=1)
        same(net(grey), load(TIMM, TAG)(grey.expand(-1, 3, -1, -1)))
        assert net.arch.channels == 1
        assert net.weights.notes == ("input channels 1 instead of 3: the first kernel is summed",)
        how = net.weights.preprocess
        assert how.colour == "grey"
        assert how.mean == pytest.approx((0.449,)) and how.std == pytest.approx((0.226,))  # the colours' means

    @torch.no_grad()
    def test_six_channels_are_the_picture_twice(self, published, image):
        net = load(TIMM, TAG, channels=6)
        same(net(torch.cat([image, image], 1)), load(TIMM, TAG)(image))
        assert net.weights.preprocess is None
        assert net.weights.notes == (
            "input channels 6 instead of 3: the first kernel is repeated, times 3/6; its preprocessing is for colour "
            "pictures alone, so it is left out",
        )

    @pytest.mark.parametrize(
        ("options", "said"), [({"classes": 0}, "classes of 0"), ({"channels": 2.5}, "channels of")]
    )
    def test_refused(self, options, said):
        with pytest.raises(TransformError, match=f"{said}.*allowed: a whole number from 1"):
            load(TIMM, TAG, **options)


class TestVariant:
    """EfficientNet-B5: torchvision's batch norm has eps 1e-3, timm's 1e-5 (their sources; no state_dict shows it)."""

    def test_by_name(self):
        assert as_in("efficientnet_b5", "timm") == variant("efficientnet_b5", "timm")
        assert as_in("efficientnet_b5", "timm") != as_in("efficientnet_b5", "torchvision")

    def test_of_an_architecture_with_other_classes(self):
        arch = architecture("efficientnet_b5").with_classes(9).with_resolution(64)
        assert as_in(arch, "timm") == variant("efficientnet_b5", "timm").with_classes(9).with_resolution(64)

    def test_a_changed_architecture_stays_as_it_is(self):
        arch = architecture("efficientnet_b5").with_activation("relu")
        assert as_in(arch, "timm") == arch


CONFIG = {
    "architecture": TIMM,
    "num_classes": 1000,
    "pretrained_cfg": {
        "input_size": [3, 96, 96],
        "crop_pct": 0.75,
        "interpolation": "bilinear",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "license": "mit",
    },
}


class TestHub:
    def repository(self, server: Server, stored: bytes, **options) -> None:
        server.repository("me/net", {STORED: stored, "config.json": json.dumps(CONFIG).encode()}, **options)

    @torch.no_grad()
    def test_a_repository_as_timm_writes_it(self, server, stored, peer, image):
        self.repository(server, stored)
        for of in (None, TIMM):
            net = load(of, "hub:me/net")
            same(net(image), peer(image))
            how = net.weights.preprocess
            assert (how.size, how.resize, how.interpolation, how.mean[0]) == (96, 128, "bilinear", 0.5)
            assert net.weights.licence == "mit" and net.weights.labels == imagenet()

    def test_of_another_architecture(self, server, stored):
        self.repository(server, stored)
        with pytest.raises(WeightsError) as caught:
            load("resnet18", "hub:me/net")
        assert str(caught.value) == f"hub:me/net: is of {TIMM}, not of resnet18; leave the name out: load(None, ...)"

    def test_a_network_that_is_not_here(self, server, stored):
        config = json.dumps({**CONFIG, "architecture": "vit_tiny"}).encode()
        server.repository("me/net", {STORED: stored, "config.json": config})
        with pytest.raises(WeightsError) as caught:
            load(None, "hub:me/net")
        assert str(caught.value) == (
            "hub:me/net: is of 'vit_tiny', which is not in the registry; give an architecture of your own: "
            "load(arch, ...)"
        )
        with pytest.raises(WeightsError, match=f"is of vit_tiny, not of {TIMM}"):
            load(TIMM, "hub:me/net")
        assert load(variant(TIMM, "timm"), "hub:me/net").weights.preprocess.size == 96

    def test_a_branch_that_moves_is_fetched_again_and_a_commit_never(self, server, stored, monkeypatch):
        self.repository(server, stored)
        first = load(None, "hub:me/net")
        asked = len(server.gets())
        load(None, "hub:me/net")
        assert len(server.gets()) == asked  # only HEAD
        peer = filled(peers.timm().create_model(TIMM, pretrained=False))
        peer.classifier.bias.data.add_(1)
        commit = "f" * 40
        self.repository(server, safetensors_bytes(peer.state_dict()), commit=commit)
        moved = load(None, "hub:me/net")
        torch.testing.assert_close(moved.fc.bias, first.fc.bias + 1)
        fixed = load(None, f"hub:me/net@{commit}")
        seen = len(server.log)
        assert torch.equal(load(None, f"hub:me/net@{commit}").fc.bias, fixed.fc.bias)
        assert len(server.log) == seen
        server.shutdown()
        server.server_close()
        assert torch.equal(load(None, "hub:me/net").fc.bias, moved.fc.bias)

    def test_a_busy_hub(self, server, stored):
        self.repository(server, stored)
        server.faults = [("status", 503)] * 2
        load(None, "hub:me/net")

    def test_weights_alone(self, server, stored):
        server.repository("me/bare", {STORED: stored})
        net = load(TIMM, "hub:me/bare")
        assert net.weights.preprocess == find(TIMM, TAG).input.preprocess() and net.weights.report.naming == "timm"
        assert net.weights.notes == (
            "its preprocessing is not known; taken as that of timm's weights: mean 0.485 0.456 0.406, "
            "deviation 0.229 0.224 0.225",
        )
        with pytest.raises(UsageError, match="nothing says which architecture these weights are of"):
            load(None, "hub:me/bare")

    def test_not_there(self, server):
        with pytest.raises(AbsentError) as caught:
            load(TIMM, "hub:me/none")
        assert str(caught.value) == (
            "hub:me/none: has no weights, or does not exist (allowed: model.safetensors, pytorch_model.bin); "
            "check its name, or set HF_TOKEN if it is not open to everybody"
        )

    def test_not_given_to_everybody(self, server, stored, monkeypatch):
        """The hub answers 403 for a gated repository."""
        self.repository(server, stored)
        monkeypatch.setattr("tests.weights.server.Handler.do_HEAD", lambda self: self._empty(403))
        with pytest.raises(DownloadError, match=r"is not given to everybody \(HTTP 403\); set HF_TOKEN to a token"):
            load(TIMM, "hub:me/net")

    @pytest.mark.parametrize("name", ["net", "a/b/c", "../net", "me/..", "me/net@../x", "me/net@", "me/n t", "/net"])
    def test_names_that_no_repository_has(self, name, server):
        with pytest.raises(WeightsError, match="allowed: owner/name or owner/name@revision"):
            load(TIMM, f"hub:{name}")
        assert not server.log

    def test_a_description_that_is_broken(self, server, stored):
        server.repository("me/net", {STORED: stored, "config.json": b"{"})
        with pytest.raises(WeightsError, match=r"hub:me/net config.json: cannot be read: "):
            load(TIMM, "hub:me/net")


class TestRefused:
    def test_unknown_weight_gets_the_nearest(self):
        with pytest.raises(WeightsError) as caught:
            load("resnet50", "torchvision:IMAGENET1K_V3")
        assert str(caught.value).startswith("no weight 'torchvision:IMAGENET1K_V3' is known for resnet50 (allowed: ")
        assert "torchvision:IMAGENET1K_V2" in str(caught.value)
        assert str(caught.value).endswith("see `vertebra weights resnet50`")

    def test_unknown_architecture(self):
        with pytest.raises(UnknownNameError, match="unknown architecture 'resnet5000'"):
            load("resnet5000", "torchvision:IMAGENET1K_V1")

    def test_no_weights_known(self):
        with pytest.raises(WeightsError, match=r"no weights are known for cifar_resnet20; see"):
            load("cifar_resnet20")

    def test_no_network_says_what_the_cache_holds(self, published, monkeypatch, cache):
        monkeypatch.setenv("VERTEBRA_OFFLINE", "1")
        with pytest.raises(
            OfflineError, match=f"; the cache {cache} is empty; a file of your own: weights='file:PATH'"
        ):
            load(TIMM, TAG)
        monkeypatch.delenv("VERTEBRA_OFFLINE")
        load(TIMM, TAG)
        published.shutdown()
        published.server_close()
        with pytest.raises(OfflineError) as caught:
            load("resnet18", "timm:a1_in1k")
        assert f"the cache {cache} holds hub/{REPOSITORY}/main/{STORED}; a file of your own" in str(caught.value)

    def test_a_published_name_with_other_bytes(self, tmp_path, stored):
        path = tmp_path / "resnet18-f37072fd.pth"
        path.write_bytes(stored)
        with pytest.raises(WeightsError, match="is not the published file: its SHA-256 begins with"):
            load("resnet18", path)

    def test_tensors_of_another_network_from_a_published_place(self, server, stored):
        server.repository("timm/mobilenetv3_small_075.lamb_in1k", {STORED: stored})
        with pytest.raises(WeightsError, match="; check that it is of this architecture"):
            load("mobilenetv3_small_075", TAG)

    def test_a_folder_without_weights(self, tmp_path):
        with pytest.raises(
            WeightsError, match=r"holds no weights \(allowed: a file, or a folder with model.safetensors"
        ):
            load(TIMM, f"file:{tmp_path}")

    def test_weights_without_a_classifier(self, server, peer):
        """timm has such: trained without labels."""
        body = {name: t for name, t in peer.state_dict().items() if not name.startswith("classifier.")}
        server.repository("me/body", {STORED: safetensors_bytes(body)})
        with pytest.raises(WeightsError, match="has no classifier; say how many classes a new one has: classes=10"):
            load(TIMM, "hub:me/body")
        net = load(TIMM, "hub:me/body", classes=4)
        assert net.fc.weight.shape[0] == 4 and net.fc.weight.std() > 0
        assert net.weights.notes[-1] == "the classifier is new: 4 classes, where the weights have none (seed 0)"


def test_what_is_worth_some_time_alone(published, stored):
    """What has come within it is kept for whoever has more."""
    published.faults = [("slow", len(stored) // 100)]  # 2 s for the whole
    with pytest.raises(DownloadError, match=r"was not here within 0 s: \d.\d of 6.4 MB had come; try again: what has"):
        located(find(TIMM, TAG), within=0.4)
    path = located(find(TIMM, TAG), within=60)
    assert path.read_bytes() == stored and published.gets("/store/")[-1].startswith("bytes=")


def test_a_process_that_is_killed_hinders_nobody(published, stored, cache):
    """Its lock goes with it, and what had come is used."""
    published.faults = [("stall", 100_000)]
    code = (
        "from vertebra.weights.catalogue import find; from vertebra.weights.published import located;"
        f"located(find({TIMM!r}, {TAG!r}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(sources.__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    partial = cache / "hub" / REPOSITORY / "main" / f".{STORED}.partial"
    while not partial.is_file() or partial.stat().st_size < 100_000:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    load(TIMM, TAG)
    assert published.gets("/store/") == [None, "bytes=100000-"]


def test_eight_processes_at_once_download_once(published, stored, cache):
    """None of them needs torch for it."""
    published.pause = 0.3
    code = (
        "import sys; from vertebra.weights.catalogue import find; from vertebra.weights.published import located;"
        f"print(located(find({TIMM!r}, {TAG!r})).stat().st_size); assert 'torch' not in sys.modules"
    )
    source = str(Path(sources.__file__).parents[2])
    command = [sys.executable, "-c", code]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": source}) for _ in range(8)
    ]
    said = [process.communicate(timeout=60)[0].decode().strip() for process in started]
    assert said == [str(len(stored))] * 8
    assert len(published.gets("/store/")) == 1
    assert (cache / "hub" / REPOSITORY / "main" / STORED).read_bytes() == stored

"""The catalogue against torchvision and timm themselves, and the verb that prints it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from tests import peers
from vertebra.cli.main import main
from vertebra.data.preprocess import normalised, sized
from vertebra.errors import UnknownNameError, WeightsError
from vertebra.weights.catalogue import (
    HUB_FILE,
    best,
    everything,
    find,
    imagenet,
    known,
    weights_of,
)
from vertebra.zoo.registry import entry, families

PAIRS = [
    (family.name, one.name, source, peer.name)
    for family in families()
    for one in family.entries
    for source, peer in one.peers.items()
]
FAMILIES = sorted({family for family, *_ in PAIRS})

UNUSABLE = {
    ("torchvision", "IMAGENET1K_FEATURES"): "VGG-16 whose classifier holds no valid values (torchvision's note on it)",
    ("timm", "fcmae"): "ConvNeXt V2 without the norm of the head (timm's note in _create_convnext)",
}
"""Weights of registered networks that the catalogue has not, each with its reason."""


def of_torchvision(model: str) -> dict[str, object]:
    return {weight.name: weight for weight in peers.torchvision().models.get_model_weights(model)}


def of_timm(model: str) -> dict[str, object]:
    timm = peers.timm()
    names = [name for name in timm.list_models(f"{model}.*", pretrained=True) if name.partition(".")[0] == model]
    return {name.partition(".")[2]: timm.get_pretrained_cfg(name) for name in names}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_of_every_entry_is_there(family):
    """Conformance: nothing that a peer offers for a network of ours is forgotten, and nothing is invented."""
    for _, name, source, model in [pair for pair in PAIRS if pair[0] == family]:
        offered = of_torchvision(model) if source == "torchvision" else of_timm(model)
        tags = {tag for tag in offered if (source, tag) not in UNUSABLE}
        assert {weight.tag for weight in weights_of(name) if weight.source == source} == tags, name


@pytest.mark.parametrize("family", FAMILIES)
def test_facts_are_the_peers(family):
    for _, name, source, model in [pair for pair in PAIRS if pair[0] == family]:
        offered = of_torchvision(model) if source == "torchvision" else of_timm(model)
        for weight in (one for one in weights_of(name) if one.source == source):
            check = is_torchvisions if source == "torchvision" else is_timms
            check(weight, offered[weight.tag])


def is_torchvisions(weight, theirs):
    transforms = theirs.transforms()
    assert theirs.url == f"https://download.pytorch.org/models/{weight.file}"
    assert len(weight.sha256) >= 8 and f"-{weight.sha256}." in theirs.url
    assert weight.top1 == theirs.meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert weight.labels == tuple(theirs.meta["categories"])
    assert ([weight.input.size], [weight.input.resize]) == (transforms.crop_size, transforms.resize_size)
    assert weight.input.interpolation == transforms.interpolation.value
    if weight.model not in ("googlenet", "inception_v3"):  # their networks turn the transform back: transform_input
        assert (list(weight.input.mean), list(weight.input.std)) == (transforms.mean, transforms.std)
    assert weight.bytes == pytest.approx(theirs.meta["_file_size"] * 2**20, abs=2**10)


def is_timms(weight, theirs):
    data = peers.timm().data
    at_test = weight.resolution is not None and weight.resolution != theirs.input_size[1]
    config = data.resolve_data_config(pretrained_cfg=theirs.to_dict(), use_test_size=at_test)
    assert (weight.repository, weight.file, weight.licence) == (theirs.hf_hub_id, HUB_FILE, theirs.license)
    assert weight.classes == theirs.num_classes
    assert as_timm(weight.input) == timms_transform(config)
    if weight.larger is not None:
        config = data.resolve_data_config(pretrained_cfg=theirs.to_dict(), use_test_size=True)
        assert as_timm(weight.larger) == timms_transform(config)


def as_timm(how) -> dict[str, object]:
    return {
        "resize": how.size if how.fit == "squash" else how.resize,
        "size": how.size,
        "squash": how.fit == "squash",
        "interpolation": how.interpolation,
        "mean": list(how.mean),
        "std": list(how.std),
    }


def timms_transform(config) -> dict[str, object]:
    """What timm's own transform does, read off its steps."""
    resize, crop, _, normalise = peers.timm().data.create_transform(**config).transforms
    side = resize.size
    squash = not isinstance(side, int) and len(side) == 2
    return {
        "resize": side[0] if not isinstance(side, int) else side,
        "size": crop.size[0],
        "squash": squash,
        "interpolation": resize.interpolation.value,
        "mean": pytest.approx(normalise.mean.tolist()),
        "std": pytest.approx(normalise.std.tolist()),
    }


@pytest.mark.parametrize(
    ("name", "weight"),
    [("resnet50", "torchvision:IMAGENET1K_V2"), ("efficientnet_b3", "torchvision:IMAGENET1K_V1")],
)
def test_the_preprocessing_is_torchvisions_on_a_picture(name, weight):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 517, 3), dtype=np.uint8)
    theirs = peers.torchvision().models.get_model_weights(name)[weight.partition(":")[2]].transforms()
    how = find(name, weight).input.preprocess()
    ours = torch.from_numpy(normalised(sized(pixels, how)[None], how))[0]
    # One step of 255 over a deviation of 0.225: Pillow resizes rows and columns with a rounding between.
    torch.testing.assert_close(ours, theirs(Image.fromarray(pixels)), rtol=0, atol=1.01 / 255 / 0.224)


def test_the_networks_trained_on_halves():
    """torchvision's two with weights set transform_input: x becomes (pixel / 255 - 0.5) / 0.5."""
    x = torch.rand(1, 3, 8, 8)
    model = peers.torchvision().models.GoogLeNet(init_weights=False, aux_logits=False, transform_input=True)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    turned = model._transform_input((x - mean) / std)
    for name in ("googlenet", "inception_v3"):
        how = find(name, "torchvision:IMAGENET1K_V1").input
        torch.testing.assert_close(turned, (x - how.mean[0]) / how.std[0], rtol=1e-5, atol=1e-5)


def test_what_is_left_out_has_no_entry():
    """The rule: a weight is shown where the registry has its network; these have none."""
    theirs = {(source, model) for _, _, source, model in PAIRS}
    shown = [id(weight) for of in known().values() for weight in of]
    assert len(shown) == len(set(shown)), "two entries share a weight"
    hidden = {(weight.source, weight.model) for weight in everything() if id(weight) not in shown}
    assert hidden and not hidden & theirs


def test_names_are_unique():
    for name, of in known().items():
        assert len({weight.name for weight in of}) == len(of), name
        assert all(entry(name)[1].peers[weight.source].name == weight.model for weight in of)


def test_imagenets_classes_are_torchvisions():
    assert list(imagenet()) == peers.torchvision().models.ResNet50_Weights.IMAGENET1K_V2.meta["categories"]
    assert len(set(imagenet())) == 1000


def test_accuracies_have_a_source_and_a_resolution():
    for weight in everything():
        assert (weight.top1 is None) == (weight.resolution is None) == (weight.top1_source is None)
        assert weight.top1 is None or (50 < weight.top1 < 90 and weight.resolution == weight.input.size)


class TestBest:
    def test_the_highest(self):
        one = best("resnet50")
        rated = [weight for weight in weights_of("resnet50") if weight.top1 and weight.free]
        assert one.top1 == max(weight.top1 for weight in rated)

    def test_a_free_licence_goes_before(self):
        assert best("resnet50").licence in ("apache-2.0", "bsd-3-clause")
        assert max(weights_of("resnet50"), key=lambda weight: weight.top1 or 0).licence == "cc-by-nc-4.0"

    def test_where_none_is_free(self):
        """Its only weights are those of Mahajan et al. 2018, under CC BY-NC."""
        assert best("resnext101_32x32d").licence == "cc-by-nc-4.0"

    def test_where_no_accuracy_is_known(self):
        """Then the source's own choice."""
        one = best("convnextv2_atto")
        assert one.top1 is None and one.tag == peers.timm().get_pretrained_cfg("convnextv2_atto").tag

    def test_where_there_are_no_weights(self):
        with pytest.raises(WeightsError, match="no weights are known for cifar_resnet20; see `vertebra weights`"):
            best("cifar_resnet20")


class TestFind:
    def test_by_alias(self):
        alias = entry("mobilenet_v2")[1].timm.name
        assert find(alias, "torchvision:IMAGENET1K_V1").file == "mobilenet_v2-b0353104.pth"

    def test_the_sources_own_choice(self):
        assert find("resnet50", "torchvision:DEFAULT").tag == "IMAGENET1K_V2"
        assert find("resnet50", "timm:DEFAULT").tag == peers.timm().get_pretrained_cfg("resnet50").tag

    def test_unknown(self):
        with pytest.raises(
            WeightsError, match=r"no weight 'timm:a1_in2k' is known for resnet50 \(allowed: timm:a1_in1k"
        ):
            find("resnet50", "timm:a1_in2k")
        with pytest.raises(WeightsError, match=r"allowed: none is known.; see `vertebra weights`"):
            find("cifar_resnet20", "timm:a1_in1k")
        with pytest.raises(UnknownNameError):
            find("resnet49", "timm:a1_in1k")


class TestVerb:
    @pytest.fixture
    def said(self, monkeypatch, capsys):
        def run(*arguments: str) -> str:
            monkeypatch.setattr(sys, "argv", ["vertebra", "weights", *arguments])
            with pytest.raises(SystemExit) as stopped:
                main()
            assert stopped.value.code == 0
            return capsys.readouterr().out

        return run

    def test_every_weight(self, said):
        rows = json.loads(said("--json"))
        assert [(row["name"], row["weights"]) for row in rows] == [
            (name, weight.name) for name, of in known().items() for weight in of
        ]
        asked = {"name", "source", "top1", "resolution", "top1_source", "licence", "bytes", "preprocessing"}
        assert all(asked <= set(row) for row in rows)

    def test_a_table(self, said):
        table = said("resnet50")
        (line,) = [line for line in table.splitlines() if "IMAGENET1K_V2" in line and line.startswith("resnet50 ")]
        how = "224 px, resize 232, bilinear, mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225"
        for word in ("80.86", "224", "torchvision 0.", "bsd-3-clause", "102.5", "1000", how):
            assert word in line
        assert "bilinear, mean 0.5, deviation 0.5" in said("googlenet")
        assert "densenet" not in table

    def test_an_alias(self, said):
        assert "mobilenet_v2 " in said(entry("mobilenet_v2")[1].timm.name)

    def test_starts_without_torch(self):
        code = (
            "import sys; sys.argv = ['vertebra', 'weights', 'resnet50', '--json']\n"
            "from vertebra.cli.main import main\n"
            "try: main()\n"
            "except SystemExit: print(*sorted({'torch', 'numpy', 'huggingface_hub'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == ""

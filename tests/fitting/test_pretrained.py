"""Candidates that start from pretrained weights: a small pretraining on half of the digits, then the other half."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import torch
from torch import nn

from tests.bundles import make_bundle
from tests.fitting.digits import write
from tests.weights.foreign import state_of
from vertebra.arch.codec import to_json
from vertebra.arch.record import replace
from vertebra.bundle.bundle import load_bundle
from vertebra.costs.budget import Budgets
from vertebra.data.preprocess import Preprocess
from vertebra.errors import (
    AbsentError,
    DownloadError,
    Interrupted,
    OfflineError,
    UnknownNameError,
    UsageError,
    VertebraError,
    WeightsError,
)
from vertebra.fitting import fetching, finding, training
from vertebra.fitting.console import Advance, Quiet
from vertebra.fitting.finding import entry_named, find, named, offer_for
from vertebra.fitting.fit import SEARCH_SHARE, _chosen, _starting_from_weights, fit
from vertebra.fitting.halving import Setting, foreign, least_epochs
from vertebra.fitting.layout import Plan, costed, plans, pretrained_plans
from vertebra.fitting.looking import look
from vertebra.fitting.measuring import Latency, Measured
from vertebra.fitting.offers import Offer
from vertebra.fitting.packing import FitResult
from vertebra.fitting.pretrained import CacheError, check, fetch, fingerprint, network
from vertebra.fitting.repeating import repeat
from vertebra.fitting.run_folder import Request, RunFolder, State
from vertebra.fitting.searching import _by_promise
from vertebra.fitting.training import train_bundle
from vertebra.nn import build
from vertebra.train.recipe import Recipe
from vertebra.weights import catalogue
from vertebra.weights.load import load
from vertebra.weights.save import save
from vertebra.weights.transport import ForbiddenError, UnreliableError
from vertebra.weights.variants import as_given
from vertebra.zoo import architecture, cifar_resnet
from vertebra.zoo.registry import entry, families, variant

EPOCHS = 3
OWN = Preprocess(size=16, resize=16, interpolation="bicubic", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))


class Said(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


class Stops(Quiet):
    """Ctrl-C in the middle of a task with this name."""

    def __init__(self, name: str) -> None:
        self.name = name

    @contextmanager
    def task(self, name: str) -> Iterator[Advance]:
        def advance(done: float, total: float, note: str) -> None:
            if name.endswith(self.name) and 2 * done >= total:
                raise KeyboardInterrupt

        yield advance


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few pictures of 5 to 9 to train on, and enough to judge by."""
    place = tmp_path_factory.mktemp("few")
    for part, chosen in (("train", slice(16)), ("val", slice(16, 56)), ("test", slice(56, 96))):
        write(place / "few" / part, range(5, 10), chosen)
    return place / "few"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was trained on 0 to 4."""
    place = tmp_path_factory.mktemp("half")
    data = write(place / "low", range(5), slice(None))
    return train_bundle(cifar_resnet(1), data, epochs=6, resolution=16, out=place / "bundle").path


@pytest.fixture(scope="module")
def tuned(bundle: Path, few: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """The whole job, from those weights."""
    out = tmp_path_factory.mktemp("tuned") / "tuned"
    return fit(few, params="100k", minutes=0.3, weights=bundle, out=out)


# -- finding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sources", [(), ("auto", "none"), ("none", "weights/"), ("",)])
def test_sources_that_exclude_one_another(sources) -> None:
    with pytest.raises(UsageError, match=r"--weights.*auto"):
        named(sources)


def test_a_folder_offers_its_bundles_and_files_named_for_architectures(bundle: Path, tmp_path: Path) -> None:
    save(build(architecture("cifar_resnet20")), tmp_path / "cifar_resnet20-mine.safetensors")
    save({"a": torch.ones(1)}, tmp_path / "holiday.safetensors")
    make_bundle(tmp_path / "another")
    (tmp_path / "notes.txt").write_text("nothing")
    said = Said()
    found = find((str(tmp_path),), None, said.say)
    assert [(one.name, one.family) for one in found] == [
        ("cifar_resnet8", "cifar_resnet8"),
        ("cifar_resnet20", "cifar_resnet"),
    ]
    assert [one.arch.classes for one in found] == [3, 10] and found[0].preprocess.size == 16
    assert said.lines == [f"note: {tmp_path}: not named for an architecture: holiday.safetensors"]
    (one,) = find((f"folder:{bundle}",), None, said.say)
    assert one.arch.classes == 5 and one.source.endswith("weights.safetensors")


def test_what_is_no_source_says_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds no weights"):
        find((str(tmp_path),), None, print)
    with pytest.raises(WeightsError, match=r"unknown source of weights 'elsewhere' \(allowed: auto, none"):
        find(("elsewhere",), None, print)
    save({"a": torch.ones(1)}, tmp_path / "holiday.safetensors")
    with pytest.raises(UnknownNameError, match=r"holiday.safetensors: is not named for an architecture; name it so"):
        find((str(tmp_path / "holiday.safetensors"),), None, print)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("resnet18-5c106cde.pth", "resnet18"),
        ("resnet18.safetensors", "resnet18"),
        ("mobilenet_v2-first.try.pt", "mobilenet_v2"),
        ("resnet.pt", None),
        ("model.safetensors", None),
    ],
)
def test_files_are_named_for_architectures(file: str, name: str | None) -> None:
    assert entry_named(file) == name


def test_without_a_network_and_a_cache_one_line_says_so(monkeypatch, tmp_path: Path, few: Path) -> None:
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("VERTEBRA_WEIGHTS", raising=False)
    asked: list[str] = []
    monkeypatch.setattr(finding, "reachable", lambda url: bool(asked.append(url)))
    said = Said()
    seen = look(str(few), seed=0, skip_bad=False, watcher=Quiet())
    assert find(("auto",), seen, said.say) == ()
    assert len(said.lines) == 1 and "none could be had" in said.lines[0] and "cannot be reached" in said.lines[0]
    assert len(asked) == len({url.split("/")[2] for url in asked}) <= 3  # each server once
    monkeypatch.setenv("VERTEBRA_OFFLINE", "1")
    asked.clear()
    assert find(("auto",), seen, said.say) == () and not asked and "switched off" in said.lines[1]
    assert find(("none",), seen, said.say) == () and len(said.lines) == 2


def test_with_a_network_the_smallest_of_each_family_are_offered(monkeypatch, tmp_path: Path, few: Path) -> None:
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(finding, "reachable", lambda url: True)
    seen = look(str(few), seed=0, skip_bad=False, watcher=Quiet())
    found = find(("auto",), seen, print)
    of = [one.family for one in found]
    assert "resnet18" in {one.name for one in found} and max(map(of.count, of)) <= finding.MOST_A_FAMILY
    assert all(one.bytes <= finding.MOST_BYTES and not one.at_hand and one.licence for one in found)


def test_a_server_that_is_away_is_named(monkeypatch, tmp_path: Path, few: Path) -> None:
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(finding, "reachable", lambda url: "pytorch" in url)
    said, seen = Said(), look(str(few), seed=0, skip_bad=False, watcher=Quiet())
    found = find(("auto",), seen, said.say)
    assert found and {one.source.partition(":")[0] for one in found} == {"torchvision"}
    assert said.lines == ["pretrained weights: huggingface.co cannot be reached; only what is elsewhere is tried"]


def test_weights_at_224_px_are_not_sought_for_tiny_pictures() -> None:
    said = Said()
    seen = look("digits", seed=0, skip_bad=False, watcher=Quiet())
    assert find(("auto",), seen, said.say) == ()
    assert said.lines == ["pretrained weights: none are sought for pictures of 8 px"]


# -- laying out and starting ---------------------------------------------------------------------------------------


def offer(arch, path: Path) -> Offer:
    return Offer.of(arch, f"file:{path}", OWN)


def test_candidates_keep_width_depth_channels_and_preprocessing(tmp_path: Path) -> None:
    whole = architecture("mobilenet_v2")
    found = pretrained_plans((offer(whole, tmp_path / "x"),), classes=7, side=100)
    # Half of the pictures' side to twice of it; the weights' 224 px and a half would be 336.
    assert sorted(plan.resolution for plan in found) == [64, 96, 128, 160, 192]
    for plan in found:
        exact = whole.with_classes(7).with_resolution(plan.resolution)
        assert plan.params == costed(exact, family="", home=exact.resolution).params and plan.arch.channels == 3
        assert plan.resolution <= 1.5 * whole.resolution
        given = plan.offer.preprocess_at(plan.resolution)
        assert (given.mean, given.std, given.interpolation) == (OWN.mean, OWN.std, "bicubic")
        assert given.size == given.resize == plan.resolution
    assert len({plan.name for plan in pretrained_plans((offer(whole, tmp_path / "x"),) * 2, classes=7, side=100)}) == (
        2 * len(found)
    )
    assert least_epochs(found[0]) < least_epochs(msgspec.structs.replace(found[0], offer=None))


@pytest.mark.parametrize("classes", [10, 4])
def test_the_body_is_the_weights_and_the_classifier_is_new(tmp_path: Path, classes: int) -> None:
    """New also where as many classes stand: they may be others."""
    arch = cifar_resnet(1)
    source = build(arch, seed=5)
    save(source, tmp_path / "w.safetensors")
    wanted = arch.with_classes(classes).with_resolution(48)
    net = network(wanted, offer(arch, tmp_path / "w.safetensors"), seed=1)
    expected = build(wanted, seed=9).state_dict() | {
        name: value for name, value in source.state_dict().items() if not name.startswith("fc.")
    }
    found = net.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in found if not name.startswith("fc."))
    assert found["fc.weight"].shape == (classes, 64)
    if classes == 10:
        assert not torch.equal(found["fc.weight"], source.state_dict()["fc.weight"])
    assert fingerprint(net) == fingerprint(source)
    again = network(wanted, offer(arch, tmp_path / "w.safetensors"), seed=1)
    assert torch.equal(again.state_dict()["fc.weight"], found["fc.weight"])


def test_the_fingerprint_tells_any_other_value(tmp_path: Path) -> None:
    net = build(cifar_resnet(1), seed=5)
    before = fingerprint(net)
    for name, value in net.state_dict().items():
        old = value.clone()
        value.view(-1)[0] += 1
        assert (fingerprint(net) == before) == name.startswith("fc."), name
        value.copy_(old)
    check(before, before, "here")
    with pytest.raises(WeightsError, match="here: are other weights than before"):
        check(before, "0" * 64, "here")


# -- the job -------------------------------------------------------------------------------------------------------


def test_fine_tuning_beats_new_weights_in_as_many_epochs(bundle: Path, few: Path, tmp_path: Path) -> None:
    arch = cifar_resnet(1)
    scratch = train_bundle(arch, few, epochs=EPOCHS, resolution=16, out=tmp_path / "scratch")
    tuned = train_bundle(arch, few, epochs=EPOCHS, resolution=16, weights=bundle, out=tmp_path / "tuned")
    assert tuned.val_accuracy > scratch.val_accuracy + 0.1
    assert tuned.test_accuracy > scratch.test_accuracy + 0.1
    assert tuned.bundle.preprocess == load_bundle(bundle).preprocess != scratch.bundle.preprocess


def test_the_job_tries_both_kinds_and_says_what_the_weights_brought(tuned: FitResult, bundle: Path) -> None:
    record = json.loads((tuned.path / "fit.json").read_text())
    study = record["study"]
    trained = [one for one in study["candidates"] if one["accuracies"]]
    begun = [one for one in trained if one["weights"]]
    assert begun and len(begun) < len(trained)
    assert {(one["width"], one["depth"]) for one in begun} == {(1.0, 1.0)}
    found = study["brought"]
    assert found["pretrained"] in {one["name"] for one in begun}
    accuracies = {one["name"]: one["accuracies"][found["round"] - 1]["val_accuracy"] for one in trained
                  if len(one["accuracies"]) >= found["round"]}  # fmt: skip
    assert accuracies[found["pretrained"]] == found["pretrained_accuracy"]
    assert max(accuracies.values()) == max(found["pretrained_accuracy"], found["scratch_accuracy"])
    page = (tuned.path / "report.html").read_text()
    assert "What pretrained weights brought" in page and f"{bundle.name}/weights.safetensors" in page


def test_a_fine_tuned_bundle_can_be_made_again_from_the_same_weights_only(bundle: Path, few: Path, tmp_path) -> None:
    copy = tmp_path / "weights.safetensors"
    copy.write_bytes((bundle / "weights.safetensors").read_bytes())
    arch = cifar_resnet(1).with_classes(5).with_channels(1)  # as the file
    first = train_bundle(arch, few, epochs=1, resolution=16, weights=copy, out=tmp_path / "first")
    record = json.loads((first.path / "fit.json").read_text())
    assert [plan["trains"] for plan in record["cycles"]] == ["head", "all"] and len(record["fingerprint"]) == 64
    assert record["offer"]["source"] == f"file:{copy}"
    assert "fine-tuned from pretrained weights" in (first.path / "card.md").read_text()
    again = repeat(first.path, tmp_path / "again")
    weights = [(path / "weights.safetensors").read_bytes() for path in (first.path, again.path)]
    assert again.test_accuracy == first.test_accuracy and weights[0] == weights[1]
    save(build(arch, seed=8), copy)
    with pytest.raises(WeightsError, match="are other weights than before"):
        repeat(first.path, tmp_path / "third")
    assert not (tmp_path / "third").exists() and not (tmp_path / "third.run").exists()


@pytest.mark.parametrize("name", ["classifier first", "training cifar_resnet8"])
def test_a_stopped_fine_tuning_goes_on_to_the_same_weights(name: str, bundle: Path, few: Path, tmp_path: Path) -> None:
    # Layout and precision are chosen by a measurement, which may turn out otherwise the second time.
    made = Recipe(batch=16, backbone_rate=0.1, precision="float32", layout="channels_last")
    options = {"epochs": 2, "resolution": 16, "weights": bundle, "recipe": made}
    whole = train_bundle(cifar_resnet(1), few, **options, out=tmp_path / "whole")
    with pytest.raises(Interrupted, match="--resume"):
        train_bundle(cifar_resnet(1), few, **options, out=tmp_path / "stopped", watcher=Stops(name))
    state = json.loads((tmp_path / "stopped.run" / "state.json").read_text())
    assert set(state["fingerprints"]) == {"cifar_resnet8"}
    resumed = train_bundle(cifar_resnet(1), few, **options, out=tmp_path / "stopped", resume=True)
    weights = [(one.path / "weights.safetensors").read_bytes() for one in (whole, resumed)]
    assert weights[0] == weights[1]


def test_named_weights_of_another_network_are_an_error_and_nothing_stays(few: Path, tmp_path: Path) -> None:
    save(build(architecture("cifar_resnet32")).state_dict(), tmp_path / "cifar_resnet20.safetensors")  # names nothing
    with pytest.raises(WeightsError, match=r"cifar_resnet20\.safetensors"):
        fit(few, minutes=0.2, weights=tmp_path, out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar_resnet20.safetensors", "study.json"]


def test_the_offer_for_one_architecture(bundle: Path) -> None:
    assert offer_for(architecture("resnet18"), "none") is None
    found = offer_for(architecture("resnet18"), "torchvision:IMAGENET1K_V1")
    assert (found.name, found.licence, found.preprocess.resize) == ("resnet18", "bsd-3-clause", 256)
    own = offer_for(cifar_resnet(1), str(bundle))
    assert own.architecture == to_json(own.arch) and own.arch.classes == 5


def test_an_offer_is_of_the_architecture_that_was_asked_for(bundle: Path) -> None:
    """What no tensor shows is the asked one's: strides, and what differs between torchvision and timm."""
    spread = architecture("resnet18").with_output_stride(16).with_classes(7)
    found = offer_for(spread, "torchvision:IMAGENET1K_V1").arch
    assert found == spread.with_classes(1000)
    (tag, *_) = [one.name for one in catalogue.weights_of("mobilenet_v3_large") if one.source == "timm"]
    plain = architecture("mobilenet_v3_large")
    assert offer_for(plain, tag).arch.hash == variant("mobilenet_v3_large", "timm").with_classes(1000).hash
    swapped = cifar_resnet(1).with_activation("silu")
    own = offer_for(swapped, str(bundle)).arch
    assert own == swapped.with_classes(5).with_channels(own.channels)


@pytest.mark.parametrize(
    ("arch", "source", "line"),
    [
        (cifar_resnet(2), "bundle", "are of cifar_resnet8, and the cifar_resnet14 that was asked for"),
        (cifar_resnet(1).with_norm("group", groups=8), "bundle", "has no place in it"),
        (architecture("resnet18").with_norm("group"), "torchvision:IMAGENET1K_V1", "has no place in it"),
        (architecture("resnet18").scaled(width=0.5), "torchvision:IMAGENET1K_V1", "unknown architecture"),
        (replace(architecture("resnet34"), name="resnet18"), "timm:a1_in1k", "is not among the weights"),
    ],
    ids=["depth", "norm", "published norm", "width", "name"],
)
def test_weights_of_another_network_are_refused(arch, source, line, bundle: Path, few: Path, tmp_path: Path) -> None:
    weights = str(bundle) if source == "bundle" else source
    with pytest.raises(VertebraError, match=line):
        offer_for(arch, weights)
    with pytest.raises(VertebraError, match=line):
        train_bundle(arch, few, epochs=1, weights=weights, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_training_is_of_the_sources_own_variant(few: Path, tmp_path: Path, monkeypatch) -> None:
    """timm's MobileNetV3 differs from torchvision's in what no tensor shows."""
    (tag, *_) = [one.name for one in catalogue.weights_of("mobilenet_v3_small") if one.source == "timm"]
    planned = []

    def stop(job: object, plan: object) -> None:
        planned.append(plan)
        raise WeightsError("seen enough")

    monkeypatch.setattr(training, "measured_here", stop)
    with pytest.raises(WeightsError, match="seen enough"):
        train_bundle(
            architecture("mobilenet_v3_small"), few, epochs=1, resolution=64, weights=tag, out=tmp_path / "out"
        )
    expected = variant("mobilenet_v3_small", "timm").with_resolution(64).with_classes(5)
    assert (planned[0].arch, planned[0].arch.channels) == (expected, 3)


THEIRS = variant("mobilenet_v3_small", "timm")
"""Its norms have another epsilon than torchvision's, which is ours by default; no tensor shows it."""


def named_by_timm(net: nn.Module) -> dict[str, torch.Tensor]:
    names = entry("mobilenet_v3_small")[1].timm.keys.theirs(net.arch)
    return {names[ours]: tensor.clone() for ours, tensor in net.state_dict().items()}


@pytest.mark.parametrize("kind", ["pth", "safetensors", "module", "one channel"])
@torch.no_grad()
def test_a_plain_file_is_of_the_project_whose_names_it_has(kind: str, tmp_path: Path) -> None:
    channels = 1 if kind == "one channel" else 3
    net = build(THEIRS.with_classes(5).with_channels(channels), seed=3).eval()
    state = named_by_timm(net)
    path = tmp_path / ("mobilenet_v3_small." + ("safetensors" if kind == "safetensors" else "pth"))
    if kind == "safetensors":
        save(state, path)
    else:
        torch.save({f"module.{name}": value for name, value in state.items()} if kind == "module" else state, path)
    (found,) = find((str(path),), None, print)
    assert found.arch == net.arch == offer_for(architecture("mobilenet_v3_small"), str(path)).arch
    assert found.preprocess.channels == channels
    picture = torch.rand(2, channels, 64, 64, generator=torch.Generator().manual_seed(0))
    (plan, *_) = pretrained_plans((found,), classes=5, side=64)
    tuned = network(plan.arch, found, seed=1).eval()
    tuned.fc.load_state_dict(net.fc.state_dict())
    expected = build(plan.arch).eval()
    expected.load_state_dict(net.state_dict())
    assert plan.arch.hash == net.arch.with_reduction(plan.arch.reduction).hash
    assert torch.equal(tuned(picture), expected(picture))


def test_what_says_its_variant_is_of_that_variant(tmp_path: Path) -> None:
    """A saved file's header and a bundle's architecture, though the name alone was asked for."""
    small = THEIRS.with_classes(3).with_resolution(16)
    save(build(small, seed=3), tmp_path / "net.safetensors")
    plain = architecture("mobilenet_v3_small")
    assert offer_for(plain, str(tmp_path / "net.safetensors")).arch.hash == small.hash
    own = load(plain, tmp_path / "net.safetensors", classes=3)
    assert own.arch.hash == small.hash and own.arch.resolution == plain.resolution
    for given in (small, small.with_reduction(8)):
        place = make_bundle(tmp_path / f"bundle{given.reduction}", given)
        assert offer_for(plain, str(place)).arch.hash == small.hash
    alexnet = architecture("alexnet")
    assert as_given(alexnet, alexnet.with_activation("silu").with_resolution(16)) == alexnet  # too small to be measured
    swapped = plain.with_activation("silu")  # a network of one's own is taken as it is
    assert offer_for(swapped, str(place)).arch == swapped.with_classes(3)


def test_a_broken_file_for_one_architecture_is_told_at_once(tmp_path: Path) -> None:
    save({"a": torch.ones(1)}, tmp_path / "resnet18.safetensors")
    with pytest.raises(WeightsError, match=r"resnet18\.safetensors: its names are unknown"):
        offer_for(architecture("resnet18"), str(tmp_path / "resnet18.safetensors"))


def test_what_cannot_be_used_is_left_out_and_what_is_beside_it_is_taken(bundle: Path, tmp_path: Path) -> None:
    save({"a": torch.ones(1)}, tmp_path / "resnet18.safetensors")
    broken = build(architecture("cifar_resnet20"), seed=3)
    with torch.no_grad():
        broken.fc.bias[0] = float("nan")
    save(broken, tmp_path / "cifar_resnet20.safetensors")
    said = Said()
    (found,) = find((str(tmp_path), str(bundle)), None, said.say)
    assert found.name == "cifar_resnet8" and len(said.lines) == 2
    assert said.lines[0].startswith("cifar_resnet20 is left out: ") and said.lines[0].endswith("infinity in fc.bias")
    assert said.lines[1].startswith("resnet18 is left out: ") and "its names are unknown" in said.lines[1]
    with pytest.raises(WeightsError, match=r"infinity in fc\.bias"):
        find((str(tmp_path),), None, said.say)


def file_of(name: str, source: str, path: Path) -> Path:
    """A plain file, tensors alone, under the names of a project."""
    torch.save({key: torch.zeros(one.shape) for key, one in state_of(name, source).items()}, path)
    return path


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("googlenet", "torchvision", "mean 0.5, deviation 0.5"),
        ("resnet18", "torchvision", "mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225"),
        ("mobilenetv1_100", "timm", "mean 0.5, deviation 0.5"),
    ],
)
def test_a_plain_file_gets_its_projects_preprocessing(name: str, source: str, said: str, tmp_path: Path) -> None:
    path = file_of(name, source, tmp_path / f"{name}.mine.pth")
    published = catalogue.find(name, f"{source}:DEFAULT").input.preprocess()
    (found,) = find((str(path),), None, print)
    asked = offer_for(architecture(name), f"file:{path}")
    assert found.preprocess == asked.preprocess == published
    watcher = Said()
    network(found.arch.with_classes(5), found, seed=0, say=watcher.say)
    (line,) = [one for one in watcher.lines if "preprocessing" in one]
    assert line == f"{name}: its preprocessing is not known; taken as that of {source}'s weights: {said}"


def test_an_assumed_preprocessing_is_said(tmp_path: Path) -> None:
    """timm's EfficientNet-B1 have two; and of our own names nothing is known."""
    assert not catalogue.usual("efficientnet_b1", "timm")[1] and catalogue.usual("cifar_resnet20", "ours") is None
    (found,) = find((str(file_of("efficientnet_b1", "timm", tmp_path / "efficientnet_b1.pth")),), None, print)
    assert found.preprocess == catalogue.find("efficientnet_b1", "timm:DEFAULT").input.preprocess()
    save(dict(build(architecture("cifar_resnet20")).state_dict()), tmp_path / "cifar_resnet20.safetensors")
    (own,) = find((str(tmp_path / "cifar_resnet20.safetensors"),), None, print)
    for one, said in ((found, "mean 0.5, deviation 0.5"), (own, "mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225")):
        watcher = Said()
        network(one.arch.with_classes(5), one, seed=0, say=watcher.say)
        (line,) = [line for line in watcher.lines if "preprocessing" in line]
        assert line == f"{one.name}: its preprocessing is not known; taken as {said}"


@pytest.mark.parametrize(
    "source", ["/nowhere/resnet18.pth", "file:/nowhere/resnet18", "folder:/nowhere", "x.safetensors"]
)
def test_a_path_that_leads_nowhere_is_no_unknown_source(source: str) -> None:
    with pytest.raises(WeightsError, match="cannot be read: No such file or directory"):
        find((source,), None, print)
    with pytest.raises(WeightsError, match="cannot be read: No such file or directory"):
        offer_for(architecture("resnet18"), source)


def test_a_job_is_the_same_one_after_its_download(monkeypatch, tmp_path: Path) -> None:
    arch, tag = architecture("resnet18"), "torchvision:IMAGENET1K_V1"
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("VERTEBRA_WEIGHTS", str(tmp_path))

    def request() -> Request:
        return Request(data="d", budgets=Budgets(), minutes=1.0, seed=0, skip_bad=False, offer=offer_for(arch, tag))

    RunFolder.opened(tmp_path / "out", request(), force=False, resume=False).release()
    (tmp_path / catalogue.find("resnet18", tag).file).write_bytes(b"has come")
    RunFolder.opened(tmp_path / "out", request(), force=False, resume=True).release()


def test_an_unwritable_cache_is_a_fault_of_the_weights(monkeypatch, tmp_path: Path) -> None:
    """As a server that is away; so unasked weights are passed over, and what else cannot be written is an error."""
    monkeypatch.delenv("VERTEBRA_WEIGHTS", raising=False)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "file"))
    arch = architecture("resnet18")
    with pytest.raises(WeightsError, match=r"file/weights/torchvision: cannot be written: .*VERTEBRA_HOME"):
        network(arch.with_classes(5), offer_for(arch, "torchvision:IMAGENET1K_V1"), seed=0)
    with pytest.raises(WeightsError, match=r"file/weights/torchvision: cannot be written: .*VERTEBRA_HOME"):
        fetch(offer_for(arch, "torchvision:IMAGENET1K_V1"), 5.0)


def test_what_was_changed_and_matched_is_said(tmp_path: Path) -> None:
    arch = cifar_resnet(1)
    source = build(arch, seed=5)
    save(source, tmp_path / "w.safetensors")
    said = Said()
    network(arch.with_classes(4), offer(arch, tmp_path / "w.safetensors"), seed=1, say=said.say)
    assert said.lines == [
        "cifar_resnet8: the classifier is new: 4 classes, where the weights have 10 (seed 1)",
        "cifar_resnet8: its preprocessing is not known; taken as mean 0.1 0.2 0.3, deviation 0.4 0.5 0.6",
    ]
    values = [value for value in source.state_dict().values() if value.is_floating_point()]
    strange = {f"net.{number:03}": value for number, value in enumerate(values)}
    torch.save(strange, tmp_path / "strange.pth")  # which keeps their order
    said.lines.clear()
    ordered = msgspec.structs.replace(offer(arch, tmp_path), source=f"ordered:{tmp_path / 'strange.pth'}")
    network(arch, ordered, seed=1, say=said.say)
    assert any("aligned by structure" in line for line in said.lines)
    assert all(line.startswith("cifar_resnet8: ") and "\n" not in line for line in said.lines)


# -- choosing ------------------------------------------------------------------------------------------------------

SETTING = Setting(images=100, side=32, seconds=60.0)
TAG = "timm:a1_in1k"


def offers_of_one_tag(*, at_hand: bool) -> list[Offer]:
    whole = offer(cifar_resnet(1), Path("a.safetensors"))
    return [msgspec.structs.replace(whole, name=f"net{i}", source=TAG, at_hand=at_hand) for i in range(3)]


def measured_of(offers: list[Offer]) -> list[Measured]:
    """All resolutions; equal but for that, so that the largest come first, in the order of the offers."""
    latency = Latency(network_ms=1.0, preprocess_ms=0.1)
    plans = pretrained_plans(offers, classes=5, side=32)
    assert len(plans) > len(offers)
    return [Measured(plan=plan, latency=latency, bytes=1, over=None) for plan in plans]


def job_that_tries(contender, watcher: Said, sources: tuple[str, ...] = ("auto",)) -> SimpleNamespace:
    folder = SimpleNamespace(request=SimpleNamespace(weights=sources))
    return SimpleNamespace(contender=contender, watcher=watcher, folder=folder)


@pytest.mark.parametrize("fault", [OfflineError, UnreliableError])
@pytest.mark.parametrize("sources", [("auto",), (TAG, "file:a.safetensors")])
def test_a_server_that_is_away_is_asked_once(sources: tuple[str, ...], fault, monkeypatch) -> None:
    """Unasked weights that cannot be fetched are passed over; weights that were named are an error."""
    here = offer(cifar_resnet(1), Path("a.safetensors"))
    other = msgspec.structs.replace(here, name="other", source="torchvision:IMAGENET1K_V1", at_hand=False)
    measured = measured_of([*offers_of_one_tag(at_hand=False), here, other])
    tried: list[str] = []

    def contender(one: Measured) -> None:
        tried.append(one.plan.offer.name)
        raise fault("nobody answers")

    def fetch(offer: Offer, within: float) -> None:
        tried.append(offer.name)
        raise fault("nobody answers")

    monkeypatch.setattr(fetching, "fetch", fetch)
    said = Said()
    job = job_that_tries(contender, said, sources)
    if sources == ("auto",):
        assert _starting_from_weights(job, measured, SETTING, most=2) == {}
    else:
        with pytest.raises(fault, match="nobody answers"):
            _starting_from_weights(job, measured, SETTING, most=2)
    assert tried == ["net0", "cifar_resnet8", "other"]
    assert said.lines == [
        "net0 is left out, and nothing more is fetched from timm's server: nobody answers",
        "cifar_resnet8 is left out: nobody answers",
        "other is left out, and nothing more is fetched from torchvision's server: nobody answers",
    ]


@pytest.mark.parametrize("fault", [AbsentError, ForbiddenError, DownloadError])
@pytest.mark.parametrize("sources", [("auto",), (TAG,)])
def test_what_a_server_has_not_does_not_stop_the_others(sources: tuple[str, ...], fault, monkeypatch) -> None:
    """Nor what it gives with other bytes than were published."""
    tried: list[str] = []

    def fetch(offer: Offer, within: float) -> None:
        tried.append(offer.name)
        if offer.name == "net0":
            raise fault("is not there")

    def contender(one: Measured) -> str:
        if sources != ("auto",):
            fetch(one.plan.offer, 0.0)
        return one.plan.offer.name

    monkeypatch.setattr(fetching, "fetch", fetch)
    said = Said()
    measured = measured_of(offers_of_one_tag(at_hand=False))
    made = _starting_from_weights(job_that_tries(contender, said, sources), measured, SETTING, most=2)
    assert list(made.values()) == tried[1:] == ["net1", "net2"]
    assert said.lines == ["net0 is left out: is not there"]


def test_where_the_cache_cannot_be_written_nothing_more_is_fetched(monkeypatch) -> None:
    def fetch(offer: Offer, within: float) -> None:
        raise CacheError("no room")

    monkeypatch.setattr(fetching, "fetch", fetch)
    said, here = Said(), offer(cifar_resnet(1), Path("a.safetensors"))
    measured = measured_of([*offers_of_one_tag(at_hand=False), here])
    made = _starting_from_weights(job_that_tries(lambda one: one.plan.offer.name, said), measured, SETTING, most=1)
    assert list(made.values()) == ["cifar_resnet8"]
    assert said.lines == ["net0 is left out, and nothing more is fetched: no room"]


def test_families_with_weights_and_without_are_measured_in_turn(tmp_path: Path) -> None:
    """A short job must not end with nothing but candidates whose weights may be out of reach."""
    scratch = plans(families(), classes=5, side=64)
    begun = [
        msgspec.structs.replace(plan, offer=offer(plan.arch, tmp_path)) for plan in scratch if plan.family[0] < "e"
    ]
    groups = _by_promise([*scratch, *begun], 64)
    kinds = [members[0].offer is None for members in groups]
    number = len({plan.family for plan in begun})
    assert kinds[: 2 * number] == [False, True] * number and all(kinds[2 * number :])
    assert len(groups) == number + len({plan.family for plan in scratch})
    for kind in (True, False):
        order = [foreign(members[0], 64) for members in groups if (members[0].offer is None) == kind]
        assert order == sorted(order)


@pytest.mark.parametrize("offers", [0, 1])
def test_the_time_for_measuring_is_not_over_before_something_needs_no_weights(
    offers: int, monkeypatch, tmp_path
) -> None:
    """However long it took: what fits so far may turn out to be out of reach."""
    module = sys.modules["vertebra.fitting.searching"]
    groups = [[plan] for plan in plans(families(), classes=5, side=64)[:12]]
    tried: list[Measured] = []

    def one_of(members: list[Plan], *args: object, **options: object) -> None:
        plan = members[0]
        begun = len(tried) < 8 * offers
        plan = msgspec.structs.replace(plan, offer=offer(plan.arch, tmp_path) if begun else None)
        tried.append(Measured(plan=plan, latency=Latency(network_ms=1, preprocess_ms=1), bytes=1, over=None))

    monkeypatch.setattr(module, "search_family", one_of)
    said, watch = Said(), SimpleNamespace(elapsed=0.0, spent={})
    folder = SimpleNamespace(note=lambda **changes: setattr(watch, "elapsed", 1e6))
    job = SimpleNamespace(watch=watch, watcher=said, folder=folder, look=SimpleNamespace(side=64))
    module._search(job, groups, None, SimpleNamespace(), None, 1.0, tried)
    assert len(tried) == (9 if offers else module.LEAST_FAMILIES)
    assert said.lines == [f"no time to measure {12 - len(tried)} of the 12 families"]


def test_where_nothing_else_fits_weights_that_cannot_be_had_are_the_error(monkeypatch) -> None:
    """Not a job without candidates."""

    def fetch(offer: Offer, within: float) -> None:
        raise OfflineError("nobody answers")

    monkeypatch.setattr(fetching, "fetch", fetch)
    candidates = measured_of(offers_of_one_tag(at_hand=False))
    scratch = msgspec.structs.replace(
        candidates[0], plan=msgspec.structs.replace(candidates[0].plan, name="new", offer=None), over="too slow"
    )
    folder = SimpleNamespace(request=SimpleNamespace(weights=("auto",), minutes=0.1), state=State())
    parts = {"train": range(100), "val": range(10), "test": range(10)}
    job = SimpleNamespace(folder=folder, watch=SimpleNamespace(elapsed=5.0, spent={}), watcher=Said(),
                          look=SimpleNamespace(dataset=SimpleNamespace(parts=parts), side=32))  # fmt: skip
    with pytest.raises(OfflineError, match="nobody answers"):
        _chosen(job, [*candidates, scratch])


def test_what_nobody_asked_for_is_fetched_in_a_part_of_the_time(monkeypatch) -> None:
    """600 s for training, so 150 for all downloads; what was named may take as long as it takes."""
    given: list[float] = []
    clock = SimpleNamespace(now=1000.0)

    def fetch(offer: Offer, within: float) -> None:
        given.append(within)
        clock.now += 100.0
        if len(given) == 2:
            raise DownloadError("other bytes")

    monkeypatch.setattr(fetching, "fetch", fetch)
    monkeypatch.setattr(fetching, "time", SimpleNamespace(monotonic=lambda: clock.now))
    setting = msgspec.structs.replace(SETTING, seconds=600.0)
    measured, said = measured_of(offers_of_one_tag(at_hand=False)), Said()
    job = job_that_tries(lambda one: one.plan.offer.name, said)
    made = _starting_from_weights(job, measured, setting, most=3)
    assert given == [150.0, 50.0] and set(made.values()) == {"net0"}  # whose weights are here for every resolution
    assert said.lines == ["net1 is left out: other bytes", "no more weights are fetched: the 150 s for it are over"]
    given.clear()
    job = job_that_tries(lambda one: one.plan.offer.name, said, (TAG,))
    assert len(_starting_from_weights(job, measured, setting, most=3)) == 3 and not given


def test_a_damaged_file_rules_out_its_own_network_alone() -> None:
    """Others have weights of the same tag."""
    tried: list[str] = []

    def contender(one: Measured) -> str:
        tried.append(one.plan.offer.name)
        if tried[-1] == "net0":
            raise WeightsError("is damaged")
        return tried[-1]

    made = _starting_from_weights(job_that_tries(contender, Said()), measured_of(offers_of_one_tag(at_hand=True)),
                                  SETTING, most=2)  # fmt: skip
    assert tried == ["net0", "net1", "net2"] and list(made.values()) == ["net1", "net2"]


def test_the_rounds_share_what_time_fetching_has_left(monkeypatch) -> None:
    """600 s, of which a download takes 400."""
    clock = SimpleNamespace(elapsed=0.0, spent={})
    candidates = measured_of(offers_of_one_tag(at_hand=False))
    scratch = [msgspec.structs.replace(one, plan=msgspec.structs.replace(one.plan, name=f"new{i}", offer=None))
               for i, one in enumerate(candidates)]  # fmt: skip
    folder = SimpleNamespace(request=SimpleNamespace(weights=("auto",), minutes=10.0), state=State())

    def note(**changes: object) -> None:
        folder.state = msgspec.structs.replace(folder.state, **changes)

    def fetch(offer: Offer, within: float) -> None:
        clock.elapsed = 400.0

    def contender(one: Measured) -> SimpleNamespace:
        return SimpleNamespace(plan=one.plan, rounds=[], fault=None)

    given: list[float] = []

    def cycle(one: SimpleNamespace, seconds: float, heading: str) -> None:
        given.append(seconds)
        one.rounds.append(SimpleNamespace(points=[SimpleNamespace(val_accuracy=0.5, val_loss=1.0)]))

    folder.note = note
    monkeypatch.setattr(fetching, "fetch", fetch)
    parts = {"train": range(100), "val": range(10), "test": range(10)}
    job = SimpleNamespace(contender=contender, cycle=cycle, folder=folder, watch=clock, watcher=Said(),
                          look=SimpleNamespace(dataset=SimpleNamespace(parts=parts), side=32),
                          preprocess=lambda plan: None, forget_pixels=lambda but: None)  # fmt: skip
    _chosen(job, [*candidates, *scratch])
    assert clock.elapsed == 400.0 and 0 < sum(given) <= SEARCH_SHARE * (600 - 400)
    begun = [name for name in folder.state.contenders if not name.startswith("new")]
    assert 0 < len(begun) <= len(folder.state.contenders) / 2

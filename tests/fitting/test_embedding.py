"""Embeddings of a collection as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.bundles import make_bundle
from vertebra.bundle.bundle import load_bundle
from vertebra.data.preprocess import Preprocess, normalised, sized
from vertebra.errors import DataError, Interrupted, MissingExtraError, OutputError, UsageError, WeightsError
from vertebra.fitting import embedding
from vertebra.fitting.console import Advance, Quiet
from vertebra.fitting.embedding import at_resolution, embed
from vertebra.fitting.embedding_files import Parts
from vertebra.nn import build
from vertebra.weights.load import load
from vertebra.weights.pretrained import save_pretrained
from vertebra.weights.save import save
from vertebra.zoo import architecture, cifar_resnet

CLASSES = ("ant", "bee")
EACH = 5


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "b")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten pictures of several sizes in two classes; one that is cut short, and a file that is none."""
    draw = np.random.default_rng(0)
    for name in CLASSES:
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(EACH):
            picture = draw.integers(0, 256, (20 + index, 30, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "data" / name / f"{index}.png")
    whole = (tmp_path / "data" / "bee" / "1.png").read_bytes()
    (tmp_path / "data" / "bee" / "1.png").write_bytes(whole[: len(whole) // 2])
    return tmp_path / "data"


def table(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as found:
        return dict(found)


def test_each_vector_is_the_mean_of_the_last_map(bundle: Path, data: Path, tmp_path: Path) -> None:
    """Against the picture sent through the network alone, its classifier cut off by hand."""
    done = embed(bundle, data, tmp_path / "e.npz")
    assert (done.n, done.size, [one.path for one in done.bad]) == (9, 64, ["bee/1.png"])
    found = table(tmp_path / "e.npz")
    paths = [f"{name}/{index}.png" for name in CLASSES for index in range(EACH)]
    assert list(found["path"]) == [path for path in paths if path != "bee/1.png"]
    assert list(found["label"]) == ["ant"] * 5 + ["bee"] * 4 and found["embedding"].dtype == np.float32
    opened = load_bundle(bundle)
    net = load(opened.architecture, bundle / "weights.safetensors")
    net.fc = torch.nn.Identity()
    for path, vector in zip(found["path"], found["embedding"], strict=True):
        image = sized(np.asarray(Image.open(data / str(path))), opened.preprocess)
        with torch.inference_mode():
            alone = net(torch.from_numpy(normalised(image[None], opened.preprocess)))[0].numpy()
        np.testing.assert_allclose(vector, alone, rtol=1e-4, atol=1e-5)


def test_parquet_holds_the_same_and_says_how_it_was_made(bundle: Path, data: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    embed(bundle, data, tmp_path / "e.npz")
    embed(bundle, data, tmp_path / "e.parquet")
    found, plain = parquet.read_table(tmp_path / "e.parquet"), table(tmp_path / "e.npz")
    assert str(found.schema.field("embedding").type) == "fixed_size_list<element: float>[64]"
    assert found["path"].to_pylist() == list(plain["path"]) and found["label"].to_pylist() == list(plain["label"])
    np.testing.assert_array_equal(np.array(found["embedding"].to_pylist(), np.float32), plain["embedding"])
    said = found.schema.metadata
    assert json.loads(said[b"bad"])[0][0] == "bee/1.png" and json.loads(said[b"vertebra"])["preprocess"]["size"] == 16


class Stops(Quiet):
    """Ctrl-C after the first part."""

    @contextmanager
    def task(self, name: str) -> Iterator[Advance]:
        def advance(done: float, total: float, note: str) -> None:
            if 4 <= done < total:
                raise KeyboardInterrupt

        yield advance


def test_a_stopped_run_goes_on_without_doing_anything_twice(bundle: Path, data: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(embedding, "A_PART", 4)
    monkeypatch.setattr(embedding, "AT_ONCE", 3)
    embed(bundle, data, tmp_path / "whole.npz")
    with pytest.raises(Interrupted, match="the same command goes on"):
        embed(bundle, data, tmp_path / "e.npz", watcher=Stops())
    assert not (tmp_path / "e.npz").exists()
    (data / "ant" / "0.png").unlink()  # was embedded before the stop, and is not read again ...
    (data / "ant" / "0.png").write_bytes(b"")
    done = embed(bundle, data, tmp_path / "e.npz")
    assert [one.path for one in done.bad] == ["bee/1.png"]
    whole, again = table(tmp_path / "whole.npz"), table(tmp_path / "e.npz")
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "e.npz", "whole.npz"]


def test_a_stopped_run_of_other_pictures_is_not_mixed_in(bundle: Path, data: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(embedding, "A_PART", 4)
    with pytest.raises(Interrupted):
        embed(bundle, data, tmp_path / "e.npz", watcher=Stops())
    (data / "ant" / "0.png").unlink()
    with pytest.raises(OutputError, match=r"another model or other pictures.*--force"):
        embed(bundle, data, tmp_path / "e.npz")
    assert embed(bundle, data, tmp_path / "e.npz", force=True).n == 8


@pytest.mark.parametrize("change", ["network", "parts"])
def test_a_stopped_run_of_another_network_or_other_parts_is_not_mixed_in(
    change: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tensors of both networks are the same."""
    monkeypatch.setattr(embedding, "A_PART", 4)
    arch = cifar_resnet(1)
    save(build(arch, seed=3).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(Interrupted):
        embed(arch, data, tmp_path / "e.npz", weights=tmp_path / "w.safetensors", watcher=Stops())
    if change == "network":
        arch = arch.with_activation("silu")
    else:
        monkeypatch.setattr(embedding, "A_PART", 5)
    with pytest.raises(OutputError, match=r"holds a stopped run of another model.*--force"):
        embed(arch, data, tmp_path / "e.npz", weights=tmp_path / "w.safetensors")


def test_parts_are_locked_until_the_table_is_written(bundle: Path, data: Path, tmp_path, monkeypatch) -> None:
    write, seen = embedding.written, []

    def written(out, parts, job, source):
        with pytest.raises(OutputError, match="in use by a run under way"):
            Parts.opened(out, job, force=False)
        seen.append(out)
        return write(out, parts, job, source)

    monkeypatch.setattr(embedding, "written", written)
    embed(bundle, data, tmp_path / "e.npz")
    assert seen == [tmp_path / "e.npz"] and not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("fit", ["crop", "squash"])
def test_the_weights_own_resolution_changes_nothing(fit: str) -> None:
    """torchvision's ResNet: 232 px, cut to 224; the share that is cut stays at other sizes."""
    own = Preprocess(size=224, resize=232 if fit == "crop" else 224, fit=fit)
    assert at_resolution(own, 224) == own
    twice = at_resolution(own, 448)
    assert (twice.size, twice.resize) == (448, 464 if fit == "crop" else 448)
    assert [at_resolution(own, size).resize >= size for size in range(1, 500)] == [True] * 499


def test_how_unknown_names_were_matched_is_said(data: Path, tmp_path: Path) -> None:
    arch, lines = cifar_resnet(1), []
    values = [value for value in build(arch, seed=3).state_dict().values() if value.is_floating_point()]
    torch.save({f"net.{number:03}": value for number, value in enumerate(values)}, tmp_path / "w.pth")
    watcher = Quiet()
    watcher.say = lines.append
    embed(arch, data, tmp_path / "e.npz", weights=f"ordered:{tmp_path / 'w.pth'}", watcher=watcher)
    assert lines[0].startswith(f"note: {len(values)}") and "aligned by structure" in lines[0]


def test_a_bundle_of_another_network_is_refused(bundle: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"are of cifar_resnet8, and the cifar_resnet20 that was asked for"):
        embed("cifar_resnet20", data, tmp_path / "e.npz", weights=bundle)
    assert not list(tmp_path.glob("e.*"))


def test_pictures_without_classes_have_no_label(bundle: Path, data: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    embed(bundle, data / "ant", tmp_path / "e.parquet")
    found = parquet.read_table(tmp_path / "e.parquet")
    assert found["path"].to_pylist() == [f"{i}.png" for i in range(EACH)] and found["label"].null_count == EACH


def test_a_registered_name_takes_weights(data: Path, tmp_path: Path) -> None:
    arch = architecture("cifar_resnet20")
    save(build(arch, seed=3), tmp_path / "w.safetensors")
    done = embed("cifar_resnet20", data, tmp_path / "e.npz", weights=tmp_path / "w.safetensors")
    assert (done.n, done.size) == (9, 64)
    with pytest.raises(UsageError, match="cifar_resnet20 without weights knows nothing"):
        embed("cifar_resnet20", data, tmp_path / "f.npz")


def test_bad_input_gets_a_line_before_any_work(bundle: Path, data: Path, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(UsageError, match=r"--out: 'e.csv' \(allowed: a name that ends in .parquet or .npz\)"):
        embed(bundle, data, tmp_path / "e.csv")
    (tmp_path / "e.npz").write_bytes(b"mine")
    with pytest.raises(OutputError, match="already exists"):
        embed(bundle, data, tmp_path / "e.npz")
    assert (tmp_path / "e.npz").read_bytes() == b"mine"
    (tmp_path / "d.npz").mkdir()
    with pytest.raises(OutputError, match=r"d\.npz: is a folder; choose another --out$"):
        embed(bundle, data, tmp_path / "d.npz", force=True)
    with pytest.raises(DataError, match="does not exist"):
        embed(bundle, tmp_path / "nowhere", tmp_path / "f.npz")
    with pytest.raises(UsageError, match="a bundle has its own weights"):
        embed(bundle, data, tmp_path / "f.npz", weights="none")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"vertebra\[data\]"):
        embed(bundle, data, tmp_path / "f.parquet")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="none of the pictures can be read"):
        embed(bundle, tmp_path / "bad", tmp_path / "f.npz")
    assert not list(tmp_path.glob("f.*"))


def test_a_saved_network_says_itself_what_it_is(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, its name alone, and a file."""
    monkeypatch.chdir(tmp_path)
    net = build(cifar_resnet(1), seed=3)
    save_pretrained(net, tmp_path / "mine")
    save(net, tmp_path / "mine.safetensors")
    for number, model in enumerate((tmp_path / "mine", "mine", "file:mine", "mine.safetensors")):
        done = embed(model, data, tmp_path / f"{number}.npz")
        assert (done.n, done.size) == (9, 64)
        assert np.array_equal(table(done.path)["embedding"], table(tmp_path / "0.npz")["embedding"])
    with pytest.raises(UsageError, match="a saved network has its own weights; leave them out"):
        embed("mine", data, tmp_path / "x.npz", weights="auto")


@pytest.mark.parametrize("model", ["nowhere/", "./nowhere", "nowhere.safetensors", "file:nowhere"])
def test_a_model_that_is_not_there(model: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UsageError, match=r"nowhere.*: does not exist \(allowed: a bundle, a saved network, or a regist"
    ):
        embed(model, data, tmp_path / "x.npz")
    with pytest.raises(UsageError, match=r"data: holds no bundle and no saved network \(allowed: a bundle, "):
        embed("data", data, tmp_path / "x.npz")


def test_a_bundle_by_scheme(bundle: Path, data: Path, tmp_path: Path) -> None:
    embed(f"file:{bundle}", data, tmp_path / "a.npz", watcher=Quiet())
    embed(bundle, data, tmp_path / "b.npz", watcher=Quiet())
    assert np.array_equal(table(tmp_path / "a.npz")["embedding"], table(tmp_path / "b.npz")["embedding"])


def test_a_saved_network_without_a_head(data: Path, tmp_path: Path) -> None:
    """Its vector is the mean of its last map."""
    body = architecture("cifar_resnet20").without_head()
    save_pretrained(build(body), tmp_path / "saved")
    embed(tmp_path / "saved", data, tmp_path / "out.npz", watcher=Quiet())
    assert table(tmp_path / "out.npz")["embedding"].shape[1] == 64


def test_a_registered_name_goes_before_a_folder_of_that_name(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_pretrained(build(architecture("cifar_resnet20")), "cifar_resnet20")
    with pytest.raises(UsageError, match="cifar_resnet20 without weights knows nothing"):
        embed("cifar_resnet20", data, tmp_path / "out.npz", watcher=Quiet())


def test_a_run_that_goes_on_says_so_and_moves_its_bar_with_each_batch(
    bundle: Path, data, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(embedding, "A_PART", 4)
    monkeypatch.setattr(embedding, "AT_ONCE", 3)
    with pytest.raises(Interrupted):
        embed(bundle, data, tmp_path / "e.npz", watcher=Stops())
    lines, seen, watcher = [], [], Quiet()
    watcher.say = lines.append
    watcher.task = lambda name: nullcontext(lambda done, total, note: seen.append((done, total)))
    embed(bundle, data, tmp_path / "e.npz", watcher=watcher)
    assert "going on after a stop: 4 of 10 pictures are done" in lines
    assert seen == [(done, 10) for done in (4, 4, 7, 8, 8, 10)]

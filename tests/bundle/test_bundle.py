"""Bundles: written whole, verified, predicted with."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.bundles import LABELS, make_bundle
from vertebra.bundle.bundle import load_bundle
from vertebra.bundle.evaluate import evaluate
from vertebra.bundle.folder import check_output
from vertebra.bundle.manifest import MANIFEST, REQUIRED
from vertebra.data.sources import open_data
from vertebra.engines.onnxruntime import OnnxRuntime
from vertebra.errors import BundleError, DataError, ImageError, OutputError, VertebraError


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "small")


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (61, 47, 3), dtype=np.uint8)


def test_predict_takes_paths_pictures_arrays_and_lists(bundle_path: Path, picture: np.ndarray, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    Image.fromarray(picture).save(tmp_path / "one.png")
    found = bundle.predict([tmp_path / "one.png", Image.fromarray(picture), picture])
    one = bundle.predict(picture)
    assert {(p.label, round(p.probability, 6)) for p in [*found, one]} == {(one.label, round(one.probability, 6))}
    assert found[0].path == str(tmp_path / "one.png") and found[2].path is None
    assert sum(probability for _, probability in one.top) == pytest.approx(1, abs=1e-5)
    assert one.label in LABELS and one.probability == max(p for _, p in one.top)


def test_a_grey_array_is_a_picture(bundle_path: Path, picture: np.ndarray) -> None:
    grey = picture[..., 0]
    bundle = load_bundle(bundle_path)
    assert bundle.predict(grey).top == bundle.predict(np.stack([grey] * 3, axis=2)).top


def test_both_entries_agree_on_pictures_shrunk_threefold(bundle_path: Path, picture: np.ndarray) -> None:
    """The portable artifact resizes inside its graph; ``predict`` resizes with Pillow."""
    bundle = load_bundle(bundle_path)
    portable = OnnxRuntime(bundle.portable).run(picture)[0]
    np.testing.assert_allclose(portable, bundle.probabilities([picture])[0], atol=1e-3)


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), 7, np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(bundle_path: Path, wrong: object) -> None:
    with pytest.raises(ImageError, match="is no picture"):
        load_bundle(bundle_path).predict(wrong)  # type: ignore[call-overload]


@pytest.mark.parametrize("name", [*REQUIRED, MANIFEST])
def test_a_changed_byte_is_noticed_and_named(bundle_path: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(bundle_path, tmp_path / "copy"))
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(BundleError) as caught:
        load_bundle(copy)
    # A changed manifest may still be JSON, and then it is a file's hash that no longer fits.
    assert name in str(caught.value) or name == MANIFEST


@pytest.mark.parametrize("name", [*REQUIRED, MANIFEST])
def test_a_missing_file_is_named(bundle_path: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(bundle_path, tmp_path / "copy"))
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(copy)


@settings(max_examples=60)
@given(data=st.binary(max_size=400))
def test_random_bytes_for_a_manifest_are_a_typed_error(bundle_path: Path, data: bytes) -> None:
    folder = bundle_path.parent / "random"
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).write_bytes(data)
    with pytest.raises(VertebraError):
        load_bundle(folder)


def test_a_manifest_cannot_name_files_outside(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text('{"format": 1, "vertebra": "x", "files": {"../secret": "00"}}')
    with pytest.raises(BundleError, match="outside"):
        load_bundle(tmp_path)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text('{"format": 99, "vertebra": "x", "files": {}}')
    with pytest.raises(BundleError, match="newer vertebra"):
        load_bundle(tmp_path)


def test_an_existing_bundle_is_replaced_only_with_force(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "one")
    before = (path / MANIFEST).read_bytes()
    with pytest.raises(OutputError, match="--force"):
        make_bundle(path, seed=1)
    assert (path / MANIFEST).read_bytes() == before
    make_bundle(path, force=True, seed=1)
    assert (path / MANIFEST).read_bytes() != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["one"]


def test_force_never_sweeps_away_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_bytes(b"precious")
    with pytest.raises(OutputError, match="no bundle"):
        make_bundle(tmp_path / "photos", force=True)
    assert (tmp_path / "photos" / "holiday.jpg").read_bytes() == b"precious"


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        check_output(tmp_path / "file", force=True)
    with pytest.raises(OutputError, match="cannot be written"):
        check_output(tmp_path / "file" / "below", force=False)


def _folder(root: Path, classes: tuple[str, ...]) -> Path:
    rng = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for index in range(4):
            Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(root / name / f"{index}.png")
    return root


def test_classes_are_matched_by_name(bundle_path: Path, tmp_path: Path) -> None:
    """A data set that lacks a class numbers its classes otherwise than the bundle does."""
    bundle = load_bundle(bundle_path)
    data = open_data(_folder(tmp_path / "data", ("bee", "cat")))
    result = evaluate(bundle, data)
    paths = [(tmp_path / "data" / s.path, data.classes[s.label]) for s in data.parts["train"]]
    right = sum(bundle.predict(path).label == name for path, name in paths)
    assert result.n == 8 and result.top1 == right / 8
    assert [one.label for one in result.classes] == ["bee", "cat"]


def test_a_class_that_the_bundle_does_not_know_is_an_error(bundle_path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="zebra"):
        evaluate(load_bundle(bundle_path), open_data(_folder(tmp_path / "data", ("bee", "zebra"))))

"""Folders, tars and digits: what is found, and the one line for what makes no data set."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from tests.data.pictures import encoded, folder, noise, write
from vertebra.data import archive
from vertebra.data import folder as folders
from vertebra.data.decode import decode
from vertebra.data.layout import Listing, arrange, is_litter
from vertebra.data.sources import Sample, open_data, without
from vertebra.errors import DataError, ImageError, MissingExtraError


def pack(root, target, mode="w", prefix=""):
    with tarfile.open(target, mode) as tar:
        tar.add(root, arcname=prefix or ".")
    return target


def refused(spec):
    with pytest.raises(DataError) as caught:
        open_data(spec)
    line = str(caught.value)
    assert "\n" not in line
    return line.replace(str(spec), "DATA") if spec else line


# --- digits


def test_digits_are_scikit_learns():
    data = open_data("digits")
    assert data.classes == tuple("0123456789")
    assert list(data.parts) == ["train"]
    assert len(data.samples) == 1797
    truth = load_digits()
    for sample in data.samples[::300]:
        index = int(sample.path[-8:-4])
        assert sample.label == truth.target[index]
        image = data.image(sample)
        assert image.shape == (8, 8, 3)
        assert np.array_equal(image[..., 1], np.rint(truth.images[index] * 255 / 16))
        assert np.array_equal(image, decode(data.read(sample), "x"))


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"vertebra\[demo\]"):
        open_data("digits")


# --- layouts


def test_classes_flat(tmp_path):
    folder(tmp_path / "photos", {"dog": 2, "cat": 3})
    write(tmp_path / "photos" / "cat" / "deep" / "er" / "x.jpg", noise())
    data = open_data(tmp_path / "photos")
    assert data.name == "photos"
    assert data.classes == ("cat", "dog")
    assert data.parts["train"] == (
        Sample("cat/000.png", 0),
        Sample("cat/001.png", 0),
        Sample("cat/002.png", 0),
        Sample("cat/deep/er/x.jpg", 0),
        Sample("dog/000.png", 1),
        Sample("dog/001.png", 1),
    )
    assert np.array_equal(data.image(data.samples[4]), noise(6, 8, 0))
    assert data.where(data.samples[0]) == f"{tmp_path}/photos/cat/000.png"


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_parts(tmp_path, val):
    folder(tmp_path, {"test/b": 1, "train/b": 2, "train/a": 3, f"{val}/b": 1})
    data = open_data(str(tmp_path))
    assert data.classes == ("a", "b")
    assert {part: len(samples) for part, samples in data.parts.items()} == {"train": 5, "val": 1, "test": 1}
    assert list(data.parts) == ["train", "val", "test"]
    assert data.parts["val"][0].label == 1  # by name: b is the second class, and the first folder of val


def test_a_class_may_be_called_train(tmp_path):
    folder(tmp_path, {"car": 1, "plane": 1, "train": 1})
    assert open_data(tmp_path).classes == ("car", "plane", "train")


def test_litter_is_passed_over_and_strangers_are_noted(tmp_path):
    folder(tmp_path, {"train/a": 1, "train/b": 1})
    for path in ("train/a/.DS_Store", "train/a/Thumbs.db", "train/b/desktop.ini", ".git/x", "train/a/._000.png"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    (tmp_path / "labels.csv").write_text("a,b")
    (tmp_path / "extra").mkdir()
    data = open_data(tmp_path)
    assert len(data.samples) == 2
    assert data.ignored == ("extra/", "labels.csv")
    assert is_litter(".hidden")
    assert not is_litter("thumbs")


def test_a_text_among_images_is_a_sample_for_inspect_to_find(tmp_path):
    folder(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "a" / "notes.txt").write_text("remember")
    data = open_data(tmp_path)
    bad = data.samples[1]
    assert bad.path == "a/notes.txt"
    with pytest.raises(ImageError, match=r"a/notes\.txt: is not a picture"):
        data.image(bad)


def test_images_without_a_known_suffix_are_found_by_their_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "d41d8cd9").write_bytes(encoded(noise()))
    assert len(open_data(tmp_path).samples) == 2


def test_links(tmp_path):
    folder(tmp_path / "data", {"a": 1, "b": 1})
    (tmp_path / "data" / "a" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "a" / "nothing.png").symlink_to(tmp_path / "gone")
    (tmp_path / "data" / "b" / "linked.png").symlink_to(tmp_path / "data" / "a" / "000.png")
    os.mkfifo(tmp_path / "data" / "b" / "pipe.png")
    data = open_data(tmp_path / "data")
    assert [sample.path for sample in data.samples] == ["a/000.png", "a/nothing.png", "b/000.png", "b/linked.png"]
    assert data.ignored == ("a/loop/",)
    with pytest.raises(ImageError, match=r"nothing\.png: cannot be read: No such file"):
        data.image(data.samples[1])


def test_a_vanished_file_is_an_image_error(tmp_path):
    data = open_data(folder(tmp_path, {"a": 1, "b": 1}))
    (tmp_path / "a" / "000.png").unlink()
    with pytest.raises(ImageError):
        data.read(data.samples[0])


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    data = open_data(folder(tmp_path, {"a": 1, "b": 1}))
    monkeypatch.setattr(folders, "MAX_BYTES", 10)
    with pytest.raises(ImageError, match="at most 10 bytes"):
        data.read(data.samples[0])


# --- what makes no data set


def test_missing():
    assert refused("/no/such/place") == "DATA: does not exist (allowed: a folder, a .tar of one, or 'digits')"
    assert "does not exist" in refused("")
    assert refused("a\0b")


def test_empty(tmp_path):
    assert refused(tmp_path).startswith("DATA: is empty")
    (tmp_path / ".DS_Store").write_bytes(b"")
    assert refused(tmp_path).startswith("DATA: is empty")
    (tmp_path / "a").mkdir()
    assert refused(tmp_path).startswith("DATA: holds no picture")


def test_no_class_folders(tmp_path):
    write(tmp_path / "x.jpg", noise())
    assert refused(tmp_path).startswith("DATA: has no class folders, only files")


@pytest.mark.parametrize("names", [{"cat": 2}, {"train/cat": 2, "val/cat": 1}])
def test_one_class(tmp_path, names):
    assert "has one class only, 'cat'" in refused(folder(tmp_path, names))


@pytest.mark.parametrize("names", [{"a": 1, "b": 0}, {"train/a": 1, "train/b": 0, "val/a": 1}])
def test_class_without_image(tmp_path, names):
    expected = "DATA: the class 'b' has no image; add images to its folder, or remove it"
    assert refused(folder(tmp_path, names)) == expected


def test_class_with_only_texts(tmp_path):
    folder(tmp_path, {"a": 1, "b": 0})
    (tmp_path / "b" / "x.txt").write_text("no image")
    assert "the class 'b' has no image, only other files" in refused(tmp_path)


@pytest.mark.parametrize("part", ["val", "test"])
def test_strange_classes(tmp_path, part):
    folder(tmp_path, {"train/a": 1, "train/b": 1, f"{part}/a": 1, f"{part}/zebra": 1})
    assert f"the {part} part has classes that train lacks: 'zebra'" in refused(tmp_path)


def test_a_class_of_train_may_be_absent_in_val(tmp_path):
    data = open_data(folder(tmp_path, {"train/a": 1, "train/b": 1, "val/b": 1, "val/a": 0}))
    assert data.parts["val"] == (Sample("val/b/000.png", 1),)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"val/a": 1, "test/a": 1}, "no train part"),
        ({"train": 2, "test": 2}, "pictures lie directly in the train part"),
        ({"train": 0, "test/a": 2}, "the train part has no classes"),
        ({"train/a": 1, "train/b": 1, "val": 0}, "the val part has no image"),
        ({"train/a": 1, "train/b": 1, "val/a": 1, "valid/a": 1}, "two folders for the val part"),
    ],
)
def test_layouts_that_make_no_sense(tmp_path, names, message):
    assert message in refused(folder(tmp_path, names))


def test_name_that_is_not_unicode(tmp_path):
    folder(tmp_path, {"a": 1, "b": 1})
    shutil.copy(tmp_path / "a" / "000.png", os.fsencode(tmp_path) + b"/a/caf\xe9.png")
    assert "not UTF-8; rename the file" in refused(tmp_path)


# --- tar


@pytest.mark.parametrize(("mode", "suffix"), [("w", ".tar"), ("w:gz", ".tar.gz"), ("w:bz2", ".tar.bz2")])
@pytest.mark.parametrize("prefix", ["", "photos", "a/b/photos"])
def test_tar_gives_what_the_folder_gives(tmp_path, mode, suffix, prefix):
    root = folder(tmp_path / "photos", {"train/cat": 2, "train/dog": 1, "test/cat": 1})
    (root / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    loose, packed = open_data(root), open_data(pack(root, tmp_path / f"photos{suffix}", mode, prefix))
    assert packed.name == "photos"
    assert packed.classes == loose.classes
    assert list(packed.parts) == list(loose.parts)
    again = pickle.loads(pickle.dumps(packed))
    for one, other in zip(loose.samples, packed.samples, strict=True):
        assert other.path == f"{prefix}/{one.path}".lstrip("/")
        assert one.label == other.label
        assert loose.read(one) == packed.read(other) == again.read(other)


def tar_with(path, *members, data=b"x"):
    with tarfile.open(path, "w") as tar:
        for name, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            info.linkname = "/etc/passwd"
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("a/../../x.png", tarfile.REGTYPE, "climbs out"),
        ("../x.png", tarfile.REGTYPE, "climbs out"),
        ("/etc/x.png", tarfile.REGTYPE, "climbs out"),
        ("C:/x.png", tarfile.REGTYPE, "climbs out"),
        ("a\\..\\..\\x.png", tarfile.REGTYPE, "climbs out"),
        ("a/x.png", tarfile.SYMTYPE, "is a link"),
        ("a/x.png", tarfile.LNKTYPE, "is a link"),
        ("a/x.png", tarfile.FIFOTYPE, "is not an ordinary file"),
        ("a/x.png", tarfile.CHRTYPE, "is not an ordinary file"),
    ],
)
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_dangerous_members_are_named(tmp_path, name, kind, message, suffix):
    path = tar_with(tmp_path / "x.tar", ("b/y.png", tarfile.REGTYPE), (name, kind))
    if suffix == ".tar.gz":
        path = tmp_path / "x.tar.gz"
        path.write_bytes(gzip.compress((tmp_path / "x.tar").read_bytes()))
    line = refused(path)
    assert message in line
    assert repr(name) in line


def test_not_a_tar(tmp_path):
    path = tmp_path / "x.tar"
    for data in (b"", b"hello", b"x" * 5000, encoded(noise()), b"\x1f\x8b" + b"junk" * 50):
        path.write_bytes(data)
        assert "DATA: is not a tar" in refused(path)
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    assert "is a zip" in refused(path)


def test_a_tar_cut_off_is_noticed(tmp_path):
    root = folder(tmp_path / "photos", {"cat": 3, "dog": 3})
    whole = pack(root, tmp_path / "whole.tar").read_bytes()
    path = tmp_path / "cut.tar"
    path.write_bytes(whole[:2500])
    assert "is a damaged tar" in refused(path)
    pack(root, tmp_path / "whole.tgz", "w:gz")
    path.write_bytes((tmp_path / "whole.tgz").read_bytes()[:-300])
    assert "is a damaged tar" in refused(path)


def test_a_tar_with_a_damaged_header_inside_is_noticed(tmp_path):
    data = bytearray(pack(folder(tmp_path / "p", {"cat": 3, "dog": 3}), tmp_path / "p.tar").read_bytes())
    at = data.index(b"./dog/001.png")
    data[at + 150] ^= 1  # inside the checksum field
    (tmp_path / "p.tar").write_bytes(data)
    assert "is a damaged tar" in refused(tmp_path / "p.tar")


def test_an_empty_tar(tmp_path):
    assert "is empty" in refused(tar_with(tmp_path / "x.tar"))


def test_a_compressed_tar_too_large_for_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED", 100)
    path = pack(folder(tmp_path / "p", {"a": 2, "b": 2}), tmp_path / "p.tgz", "w:gz")
    assert "decompress it to a plain .tar" in refused(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutated_tars_raise_only_the_typed_error(tmp_path_factory, data):
    base = tmp_path_factory.getbasetemp() / "mutated"
    if not (base / "whole.tar").exists():
        pack(folder(base / "p", {"a": 2, "b": 2}), base / "whole.tar")
    bytes_ = bytearray((base / "whole.tar").read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    path = base / "x.tar"
    path.write_bytes(bytes_[: data.draw(st.integers(0, len(bytes_)))])
    try:
        opened = open_data(path)
        for sample in opened.samples:
            opened.image(sample)
    except DataError as error:
        assert "\n" not in str(error)


names = st.text(st.sampled_from("abtrainvl."), min_size=1, max_size=5).filter(lambda name: name.strip("."))


@settings(max_examples=200)
@given(st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), max_size=8, unique=True))
def test_any_listing_gives_a_sound_layout_or_the_typed_error(files):
    try:
        layout = arrange(Listing(sorted(files), [], []), "DATA")
    except DataError:
        return
    paths = [sample.path for part in layout.parts.values() for sample in part]
    assert len(set(paths)) == len(paths)
    assert set(paths) <= set(files)
    assert {sample.label for sample in layout.parts["train"]} == set(range(len(layout.classes)))
    assert list(layout.classes) == sorted(set(layout.classes))
    for part in layout.parts.values():
        assert part
        assert all(f"/{layout.classes[sample.label]}/" in f"/{sample.path}" for sample in part)


def test_pictures_under(tmp_path):
    folder(tmp_path, {"b": 1, "a/deep": 2})
    (tmp_path / "a" / "notes.txt").write_text("x")
    found = folders.pictures_under(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a/deep/000.png", "a/deep/001.png", "b/000.png"]
    assert folders.pictures_under("no/such.jpg") == [Path("no/such.jpg")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        folders.pictures_under(tmp_path / "empty")


# --- without


def test_without(tmp_path):
    data = open_data(folder(tmp_path, {"train/a": 2, "train/b": 2, "val/a": 1}))
    fewer = without(data, ["train/a/000.png"])
    assert [s.path for s in fewer.samples] == [s.path for s in data.samples if s.path != "train/a/000.png"]
    assert len(data.samples) == 5
    with pytest.raises(DataError, match="the class 'b' has no picture left"):
        without(data, ["train/b/000.png", "train/b/001.png"])
    with pytest.raises(DataError, match="the val part has no picture left"):
        without(data, ["val/a/000.png"])

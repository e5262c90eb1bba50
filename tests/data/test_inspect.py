"""What inspect finds, and what load gives."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from PIL import Image

from tests.data.pictures import encoded, folder, jpeg_claiming, noise, write
from vertebra.data.inspect import Extent, inspect, is_grey
from vertebra.data.load import load
from vertebra.data.preprocess import Preprocess, sized
from vertebra.data.sources import open_data, without
from vertebra.data.threads import each
from vertebra.errors import ImageError


def test_a_sound_data_set(tmp_path):
    folder(tmp_path, {"train/a": 30, "train/b": 30, "test/a": 2})
    write(tmp_path / "train" / "b" / "large.jpg", noise(50, 20, 99))
    write(tmp_path / "train" / "b" / "small.png", noise(2, 3, 98))
    calls = []
    found = inspect(open_data(tmp_path), progress=lambda done, total: calls.append((done, total)))
    assert found.counts == {"train": {"a": 30, "b": 32}, "test": {"a": 2, "b": 0}}
    assert found.total == 64
    assert (found.median, found.smallest, found.largest) == (Extent(6, 8), Extent(2, 3), Extent(50, 20))
    assert not found.grey
    assert found.bad == ()
    assert found.notes == ("1 class with no test image: b.",)
    assert calls[-1] == (64, 64)


def test_all_bad_files_are_found_and_left_out(tmp_path):
    folder(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a" / "bomb.jpg").write_bytes(jpeg_claiming(65500, 65500))
    (tmp_path / "a" / "cut.jpg").write_bytes(encoded(noise(), "JPEG")[:-20])
    (tmp_path / "b" / "empty.png").write_bytes(b"")
    (tmp_path / "b" / "notes.txt").write_text("hello")
    (tmp_path / "b" / "zz.png").symlink_to(tmp_path / "nothing")
    data = open_data(tmp_path)
    found = inspect(data)
    assert [path for path, _ in found.bad] == ["a/bomb.jpg", "a/cut.jpg", "b/empty.png", "b/notes.txt", "b/zz.png"]
    reasons = [reason for _, reason in found.bad]
    assert reasons[0].startswith("claims 65500 x 65500 px, refused by its header (allowed: at most ")
    assert reasons[1] == "is damaged: Premature end of JPEG file"
    assert reasons[2] == "is empty"
    assert reasons[3] == "is not a picture"
    assert reasons[4].startswith("cannot be read: No such file")
    assert found.counts == {"train": {"a": 3, "b": 3}}
    good = without(data, [path for path, _ in found.bad])
    assert len(good.samples) == 6
    assert inspect(good).bad == ()


def test_nothing_but_bad_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_bytes(b"x")
    found = inspect(open_data(tmp_path))
    assert len(found.bad) == 2
    assert found.median is found.smallest is found.largest is None
    assert not found.grey


def test_notes_on_classes(tmp_path):
    folder(tmp_path, {"a": 25, "b": 5})
    notes = inspect(open_data(tmp_path)).notes
    assert "1 class with fewer than 20 train images: b (5)." in notes
    assert "The classes are unbalanced, 5.0 to 1: a has 25 train images, b 5." in notes


def test_notes_on_duplicates_and_strangers(tmp_path):
    folder(tmp_path, {"train/a": 20, "train/b": 20, "test/a": 1})
    same = (tmp_path / "train" / "a" / "000.png").read_bytes()
    for path in ("test/a/leak.png", "train/a/again.png", "train/b/wrong.png"):
        (tmp_path / path).write_bytes(same)
    (tmp_path / "readme.md").write_text("x")
    notes = inspect(open_data(tmp_path)).notes
    assert "1 test image is also in train, a leak: test/a/leak.png = train/a/000.png." in notes
    assert "1 image lies in more than one class: train/a/000.png = train/b/wrong.png." in notes
    assert "2 images repeat another of the same part." in notes
    assert "1 file or folder outside the classes left out: readme.md." in notes


def test_grey(tmp_path):
    for name in ("a", "b"):
        for index in range(20):
            write(tmp_path / name / f"{index}.png", noise(5, 5, index)[..., 0])
    found = inspect(open_data(tmp_path))
    assert found.grey
    assert "All images are grey." in found.notes
    image = np.repeat(noise(5, 5)[..., :1], 3, axis=2)
    assert is_grey(image)
    image[0, 0, 2] ^= 1
    assert not is_grey(image)


def test_digits_and_json():
    found = inspect(open_data("digits"))
    assert found.total == 1797
    assert found.median == Extent(8, 8)
    assert found.grey
    assert found.bad == ()
    assert msgspec.json.decode(msgspec.json.encode(found))["grey"] is True


@pytest.mark.parametrize("threads", [1, 3])
def test_load_is_image_by_image(tmp_path, threads):
    folder(tmp_path, {"a": 70, "b": 3})
    write(tmp_path / "b" / "x.jpg", noise(30, 20))
    data = open_data(tmp_path)
    p = Preprocess(size=5, resize=6)
    chosen = data.samples[::-1]
    images, labels = load(data, chosen, p, threads=threads)
    assert images.shape == (74, 5, 5, 3)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert labels.tolist() == [sample.label for sample in chosen]
    for index in (0, 1, 40, 73):
        assert np.array_equal(images[index], sized(data.image(chosen[index]), p))


def test_load_raises_for_a_bad_picture(tmp_path):
    folder(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a" / "zz.png").write_bytes(b"x")
    data = open_data(tmp_path)
    with pytest.raises(ImageError, match=r"a/zz\.png"):
        load(data, data.samples, Preprocess(size=4, resize=4))


def test_load_of_nothing(tmp_path):
    data = open_data(folder(tmp_path, {"a": 1, "b": 1}))
    images, labels = load(data, [], Preprocess(size=4, resize=4))
    assert images.shape == (0, 4, 4, 3)
    assert len(labels) == 0


def test_threads_keep_the_order_and_stop_at_the_first_error():
    assert each(lambda x: x * x, range(1000), threads=4) == [x * x for x in range(1000)]
    done = []

    def work(item):
        done.append(item)
        if item == 3:
            raise ImageError("bad")

    with pytest.raises(ImageError):
        each(work, range(100_000), threads=2)
    assert len(done) < 100_000


def test_an_interruption_in_progress_stops_the_work():
    done = []

    def interrupted(count, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(done.append, range(100_000), threads=2, progress=interrupted)
    assert len(done) < 100_000


def test_many_threads_with_pillow_change_no_filter_of_warnings(tmp_path):
    import warnings

    before = list(warnings.filters)
    for name in ("a", "b"):
        for index in range(100):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(noise(4, 4, index)).save(tmp_path / name / f"{index}.gif")
    assert inspect(open_data(tmp_path), threads=8).total == 200
    assert warnings.filters == before

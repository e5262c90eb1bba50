"""Expected pixels come from Pillow, expected extents from torchvision's published rule."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vertebra.data.preprocess import Preprocess, geometry, grey, normalised, sized
from vertebra.errors import DataError

GREY = {"colour": "grey", "mean": (0.5,), "std": (0.25,)}


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "size", "resize", "expected"),
    [
        # torchvision.transforms.functional: _compute_resized_output_size, then center_crop
        (375, 500, 224, 256, (256, 341, 16, 58)),
        (500, 375, 224, 256, (341, 256, 58, 16)),
        (32, 32, 32, 32, (32, 32, 0, 0)),
        (3, 1000, 8, 8, (8, 2666, 0, 1329)),
        (8, 9, 4, 7, (7, 7, 2, 2)),  # (7 - 4) / 2 = 1.5 rounds to even
        (8, 8, 4, 5, (5, 5, 0, 0)),  # 0.5 rounds to even
    ],
)
def test_geometry_is_torchvisions(height, width, size, resize, expected):
    assert tuple(geometry(height, width, Preprocess(size=size, resize=resize))) == expected


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 64), st.integers(0, 40))
def test_the_square_lies_inside_the_resized_picture(height, width, size, more):
    plan = geometry(height, width, Preprocess(size=size, resize=size + more))
    assert min(plan.rows, plan.columns) == size + more
    assert 0 <= plan.top <= plan.rows - size
    assert 0 <= plan.left <= plan.columns - size


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("height", "width"), [(150, 200), (200, 150), (9, 7), (48, 48), (40, 61)])
def test_sized_is_pillow_resize_then_crop(height, width, interpolation):
    image = noise(height, width)
    p = Preprocess(size=40, resize=48, interpolation=interpolation)
    rows, columns, top, left = geometry(height, width, p)
    method = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[interpolation]
    expected = np.asarray(Image.fromarray(image).resize((columns, rows), method))[top : top + 40, left : left + 40]
    assert np.array_equal(sized(image, p), expected)


def test_squash_ignores_the_aspect():
    image = noise(30, 50)
    p = Preprocess(size=16, resize=16, fit="squash")
    expected = np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.BILINEAR))
    assert np.array_equal(sized(image, p), expected)


def test_a_picture_of_the_networks_size_is_left_alone():
    image = noise(32, 32)
    assert np.array_equal(sized(image, Preprocess(size=32, resize=32)), image)


def test_an_endless_banner_is_cut_without_resizing_all_of_it():
    image = noise(2, 30_000)
    p = Preprocess(size=64, resize=64)  # 64 x 960,000 px, were all of it resized
    result = sized(image, p)
    middle = image[:, 15_000 - 40 : 15_000 + 40]
    expected = sized(middle, p)
    assert result.shape == (64, 64, 3)
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), noise(4, 4)[:0]])
def test_sized_refuses_what_is_no_picture(image):
    with pytest.raises(DataError):
        sized(image, Preprocess(size=4, resize=4))


def test_grey_is_pillows_l_exactly():
    image = noise(256, 256)
    image[0, :, :] = np.arange(256)[:, None]
    assert np.array_equal(grey(image), np.asarray(Image.fromarray(image).convert("L")))
    assert np.array_equal(grey(image)[0], np.arange(256))  # a grey picture keeps its levels


def test_normalised_is_the_formula():
    batch = np.stack([noise(8, 8, 1), noise(8, 8, 2)])
    p = Preprocess(size=8, resize=8)
    expected = (batch / 255 - np.array(p.mean)) / np.array(p.std)
    result = normalised(batch, p)
    assert result.dtype == np.float32
    assert result.shape == (2, 3, 8, 8)
    assert result.flags.c_contiguous
    assert np.allclose(result, expected.transpose(0, 3, 1, 2), atol=1e-6)


def test_normalised_grey_has_one_channel():
    batch = noise(8, 8)[None]
    result = normalised(batch, Preprocess(size=8, resize=8, **GREY))
    assert result.shape == (1, 1, 8, 8)
    assert np.allclose(result[0, 0], (grey(batch[0]) / 255 - 0.5) / 0.25, atol=1e-6)
    assert normalised(batch[:0], Preprocess(size=8, resize=8, **GREY)).shape == (0, 1, 8, 8)


def test_normalised_refuses_another_size():
    with pytest.raises(DataError, match=r"uint8\[N, 8, 8, 3\]"):
        normalised(noise(9, 9)[None], Preprocess(size=8, resize=8))


@given(
    st.integers(1, 512),
    st.integers(0, 100),
    st.sampled_from(["bilinear", "bicubic"]),
    st.lists(st.floats(-1, 1) | st.integers(-1, 1), min_size=3, max_size=3),
    st.lists(st.floats(0.01, 1) | st.just(1), min_size=3, max_size=3),
)
def test_json_round_trip(size, more, interpolation, mean, std):
    p = Preprocess(size=size, resize=size + more, interpolation=interpolation, mean=mean, std=std)
    again = Preprocess.from_json(p.to_json())
    assert again == p
    assert hash(again) == hash(p)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"size": 0}, "preprocess.size"),
        ({"size": -3}, "preprocess.size"),
        ({"size": "32"}, "preprocess.size"),
        ({"size": True}, "preprocess.size"),
        ({"size": 32.0}, "preprocess.size"),
        ({"size": 10**9}, "preprocess.size"),
        ({"resize": 31}, "preprocess.resize"),
        ({"resize": None}, "preprocess.resize"),
        ({"resize": 33, "fit": "squash"}, "preprocess.resize"),
        ({"fit": "pad"}, "preprocess.fit"),
        ({"fit": ["crop"]}, "preprocess.fit"),
        ({"interpolation": "nearest"}, "preprocess.interpolation"),
        ({"colour": "bgr"}, "preprocess.colour"),
        ({"mean": (0.5,)}, "preprocess.mean"),
        ({"mean": 0.5}, "preprocess.mean"),
        ({"mean": (0.5, 0.5, "x")}, "preprocess.mean"),
        ({"mean": (0.5, 0.5, math.nan)}, "preprocess.mean"),
        ({"std": (0.5, 0.5, 0)}, "preprocess.std"),
        ({"std": (0.5, 0.5, math.inf)}, "preprocess.std"),
        ({"colour": "grey"}, "preprocess.mean"),
    ],
)
def test_a_field_without_sense_is_named(fields, where):
    with pytest.raises(DataError) as caught:
        Preprocess(**{"size": 32, "resize": 32, **fields})
    assert str(caught.value).startswith(where + ": ")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"size": 32, "resize": 32, "crop": 3}',
        b'{"size": "32", "resize": 32}',
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps({"size": 32, "resize": 16}).encode(),
    ],
)
def test_bad_json_is_a_typed_error(text):
    with pytest.raises(DataError):
        Preprocess.from_json(text, where="preprocess.json")


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_random_bytes_are_a_typed_error(data):
    with pytest.raises(DataError):
        Preprocess.from_json(data)

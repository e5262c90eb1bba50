"""The preprocessing inside the graph against ``vertebra.data.preprocess``, on both engines."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.onnx.support import ENGINES
from vertebra.data.preprocess import Preprocess, geometry, normalised, sized
from vertebra.onnx.emit import ENTRIES, normalise
from vertebra.onnx.graph import UINT8, Graph
from vertebra.onnx.resize import axes, resized
from vertebra.onnx.sums import Sums

Run = Callable[[np.ndarray], np.ndarray]
CROP = Preprocess(size=32, resize=37)
DESCRIPTIONS = {
    "bilinear": CROP,
    "bicubic": Preprocess(size=32, resize=37, interpolation="bicubic"),
    "no cut": Preprocess(size=32, resize=32),
    "squash": Preprocess(size=32, resize=32, fit="squash"),
    "squash, bicubic": Preprocess(size=32, resize=32, fit="squash", interpolation="bicubic"),
    "grey": Preprocess(size=32, resize=37, colour="grey", mean=(0.5,), std=(0.25,)),
}


@cache
def pixels_of(p: Preprocess, engine: str) -> Run:
    """Whole numbers [size, size, 3] as the graph makes them from a picture."""
    graph = Graph("pixels", {})
    graph.output("pixels", resized(graph, graph.input("image", UINT8, ("H", "W", 3)), p), (3, p.size, p.size))
    run = ENGINES[engine](graph.finished({}).SerializeToString())
    return lambda image: run(image).transpose(1, 2, 0)


@cache
def tensor_of(p: Preprocess, engine: str) -> Run:
    """What the network takes, from pictures of its size."""
    graph = Graph("tensor", {})
    planes, batch = ENTRIES["sized"](graph, p)
    graph.output("tensor", normalise(graph, planes, p), (batch, p.channels, p.size, p.size))
    return ENGINES[engine](graph.finished({}).SerializeToString())


@cache
def geometry_in_graph() -> Run:
    """(rows, columns, top, left) float32 of a picture, by the graph."""
    graph = Graph("geometry", {})
    rows, columns = axes(graph, graph.input("image", UINT8, ("H", "W", 3)), CROP)
    order = (rows.resized, columns.resized, rows.offset, columns.offset)
    plan = graph.op("Concat", *order, at="", having=concat_axis())
    graph.output("plan", Sums(graph, "").as_float(plan), (4,))
    return ENGINES["onnxruntime"](graph.finished({}).SerializeToString())


def concat_axis():
    from vertebra.onnx.graph import attributes

    return attributes(axis=0)


def two_passes(image: np.ndarray, p: Preprocess) -> np.ndarray:
    """Pillow's resize along the rows, then along the columns.

    Until Pillow 12 that is what ``sized`` does; 13 turns the order round for pictures that shrink more in height (its
    pull request 9549), and where bicubic overshoots are cut between the passes, the order shows.
    """
    plan = geometry(*image.shape[:2], p)
    method = Image.Resampling.BILINEAR if p.interpolation == "bilinear" else Image.Resampling.BICUBIC
    picture = Image.fromarray(image).resize((plan.columns, image.shape[0]), method)
    whole = np.asarray(picture.resize((plan.columns, plan.rows), method))
    return whole[plan.top : plan.top + p.size, plan.left : plan.left + p.size].astype(np.float32)


def photo(height: int, width: int, seed: int) -> np.ndarray:
    """Soft shapes, a fine grating that aliases when it shrinks, and noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (max(2, height // 16), max(2, width // 16), 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(float)
    grating = 60 * np.sin(np.arange(width) / rng.uniform(0.5, 9))[None, :, None]
    return np.clip(soft + grating + rng.normal(0, 20, (height, width, 1)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_as_pillow_resizes(name: str, engine: str) -> None:
    p = DESCRIPTIONS[name]
    shrunk = [(120, 161), (97, 300), (222, 111)]  # at least threefold
    enlarged = [(20, 27), (31, 16), (1, 1), (3, 50)]
    same = [(37, 37), (32, 32)]
    differences = []
    for seed, (height, width) in enumerate(shrunk + enlarged + same):
        image = photo(height, width, seed)
        found, expected = pixels_of(p, engine)(image), two_passes(image, p)
        assert found.min() >= 0 and found.max() <= 255 and np.array_equal(found, np.round(found))
        differences.append(np.abs(found - expected))
        assert np.array_equal(expected, sized(image, p))
    assert max(one.max() for one in differences) <= (0 if engine == "onnxruntime" else 1)
    assert np.mean([one.mean() for one in differences]) < 0.01


@pytest.mark.parametrize("engine", ENGINES)
def test_extreme_pixels(engine: str) -> None:
    """Bicubic overshoots at edges of black and white: what leaves a byte is cut, between the passes too."""
    image = np.zeros((150, 140, 3), np.uint8)
    image[::7] = 255
    image[:, 60:90] = 255
    p = DESCRIPTIONS["bicubic"]
    assert np.abs(pixels_of(p, engine)(image) - two_passes(image, p)).max() <= (0 if engine == "onnxruntime" else 1)


def test_same_size_is_untouched() -> None:
    image = photo(37, 37, 3)
    assert np.array_equal(pixels_of(CROP, "onnxruntime")(image), image[2:34, 2:34])


def test_geometry_is_the_same_everywhere() -> None:
    """Over sizes up to 4,000 px, odd and even: offsets round to even as Python does."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 4001, (150, 2)).tolist() + [[h, w] for h in range(36, 40) for w in range(30, 60)]
    for height, width in sizes:
        image = np.broadcast_to(np.uint8(0), (height, width, 3))
        assert tuple(geometry_in_graph()(image)) == tuple(geometry(height, width, CROP)), (height, width)


def test_integer_geometry_is_the_truncated_quotient() -> None:
    """The graph divides integers where ``geometry`` truncates a float; all sides to 4,000 px, in numpy."""
    short = np.arange(1, 4001)
    for resize in (32, 37, 224, 255, 256, 288, 4096):
        for long in (1, 2, 3, 999, 1000, 2048, 3024, 3999, 4000):
            below = short[short <= long]
            assert np.array_equal((resize * long / below).astype(np.int64), resize * long // below)


@pytest.mark.parametrize("engine", ENGINES)
def test_normalised(engine: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    for p in (CROP, DESCRIPTIONS["grey"]):
        assert np.abs(tensor_of(p, engine)(images) - normalised(images, p)).max() < 1e-6


@pytest.mark.parametrize("engine", ENGINES)
def test_grey_is_exact(engine: str) -> None:
    """Every step of 4 of the colour cube; unit mean and std leave whole numbers over 255."""
    p = Preprocess(size=64, resize=64, colour="grey", mean=(0.0,), std=(1.0,))
    levels = np.arange(0, 256, 4, dtype=np.uint8) + 3
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)
    found = tensor_of(p, engine)(cube)[:, 0]
    red, green, blue = np.moveaxis(cube.astype(np.int64), -1, 0)
    expected = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16  # Pillow's Convert.c, L24
    assert np.array_equal(np.rint(found * 255), expected)
    assert np.abs(found * 255 - expected).max() < 1e-4


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    name=st.sampled_from(sorted(DESCRIPTIONS)),
    seed=st.integers(0, 99),
)
def test_any_size(height: int, width: int, name: str, seed: int) -> None:
    p = DESCRIPTIONS[name]
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = pixels_of(p, "onnxruntime")(image)
    assert np.array_equal(found, two_passes(image, p))

"""Drawings of blocks: every kind of node has its rule, everything is inside, and boxes do not lie on one another."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings

from tests.strategies import nodes
from vertebra.arch import (
    Act,
    AdaptivePool,
    Bottleneck,
    Conv,
    ConvNeXtBlock,
    DenseLayer,
    Dropout,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    Linear,
    LocalResponseNorm,
    MBConv,
    Norm,
    PadChannels,
    Pool,
    Side,
    Tap,
    seq,
)
from vertebra.arch.expansion import layers
from vertebra.errors import ShapeError
from vertebra.report.drawing import drawing
from vertebra.report.labels import LABELS
from vertebra.report.zoo_page import blocks_of
from vertebra.zoo import families

SVG = "{http://www.w3.org/2000/svg}"
MAP = (64, 56, 56)


class Rectangle(NamedTuple):
    kind: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Rectangle) -> bool:
        """By more than the width of a line."""
        return (
            min(self.right, other.right) - max(self.left, other.left) > 1
            and min(self.bottom, other.bottom) - max(self.top, other.top) > 1
        )


def rectangles(svg: str) -> Iterator[Rectangle]:
    """Every rectangle of a drawing where it stands on the page."""

    def within(element: ElementTree.Element, x: float, y: float) -> Iterator[Rectangle]:
        for child in element:
            if child.tag == f"{SVG}g":
                across, down = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", child.get("transform")).groups()
                yield from within(child, x + float(across), y + float(down))
            elif child.tag == f"{SVG}rect":
                left, top = x + float(child.get("x", 0)), y + float(child.get("y", 0))
                right, bottom = left + float(child.get("width")), top + float(child.get("height"))
                yield Rectangle(child.get("class"), left, top, right, bottom)

    yield from within(ElementTree.fromstring(svg), 0, 0)


def words(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def assert_sound(svg: str) -> None:
    """Well formed, everything inside its edges, no box on another."""
    root = ElementTree.fromstring(svg)
    every = list(rectangles(svg))
    assert all(one.left >= 0 and one.top >= 0 for one in every)
    assert all(one.right <= float(root.get("width")) + 0.5 for one in every)
    assert all(one.bottom <= float(root.get("height")) for one in every)
    boxes = [one for one in every if one.kind in ("box", "join")]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_the_blocks_of_every_family(family):
    drawn = blocks_of(family)
    assert 1 <= len(drawn) <= 6
    for one in drawn:
        svg = drawing(one.node, one.enters, "a title")
        assert_sound(svg)
        said = " ".join(words(svg))
        for layer in layers(one.node, one.enters):
            assert LABELS[type(layer.node)](layer.node, layer.enters).words in said


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(nodes(8))
def test_any_tree(node):
    assert_sound(drawing(node, (8, 33, 33)))


def test_what_a_bottleneck_says():
    """He et al. 2016, figure 5 right: 256 channels in, 64 inside."""
    svg = drawing(Bottleneck(256), (256, 56, 56))
    assert words(svg) == [
        "256 × 56 × 56",
        *("reduce", "conv 1×1, 256 → 64", "batch norm", "relu"),
        *("conv", "conv 3×3, 64", "batch norm", "relu"),
        *("expand", "conv 1×1, 64 → 256", "batch norm"),
        *("+", "relu"),
        "256 × 56 × 56",
    ]


def test_signs_of_the_combinators():
    assert "concatenate" in words(drawing(DenseLayer(12), MAP))
    assert {"×", "+", "attention"} <= set(words(drawing(MBConv(64), MAP)))
    body = seq(pool=GlobalPool(), fc=Linear(10), tap=Tap("aux1"))
    beside = drawing(Side((("aux", body),)), MAP)
    assert "output aux1" in " ".join(words(beside)) and "+" not in words(beside)
    assert words(drawing(Identity(), MAP)) == ["64 × 56 × 56", "64 × 56 × 56"]


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (Conv(64, 7, 2), "conv 7×7/2, 64"),
        (Conv(64, 3, groups=64), "depthwise conv 3×3, 64"),
        (Conv(128, (1, 7), (2, 1), groups=4, dilation=2), "conv 1×7/2×1, 64 → 128, 4 groups, dilation 2×2"),
        (Linear(10), "linear, 200704 → 10"),
        (Norm("group", groups=32), "group norm, 32 groups"),
        (Norm("layer2d"), "layer norm over channels"),
        (LocalResponseNorm(), "local response norm over 5 channels"),
        (GlobalResponseNorm(), "global response norm"),
        (LayerScale(), "gain for each channel"),
        (Act("hard_swish"), "hard-swish"),
        (Pool("padded_average", 3, 1, 1), "average pool with its zeros 3×3"),
        (Pool("max", 1, 2), "every second value"),
        (GlobalPool("max"), "global max pool"),
        (AdaptivePool(7), "average pool to 7×7"),
        (PadChannels(128), "zeros, 64 → 128"),
        (Dropout(0.2), "dropout 0.2"),
        (Tap("map"), "output map"),
    ],
)
def test_words_of_the_primitives(node, said):
    assert LABELS[type(node)](node, MAP).words == said
    assert said in words(drawing(node, MAP))


def test_names_of_tensors_stand_in_it_and_a_title_is_escaped():
    svg = drawing(ConvNeXtBlock(), (40, 56, 56), "<script>&")
    assert any(word.startswith("depthwise") and "7×7" in word for word in words(svg))
    assert "<script" not in svg and "&lt;script&gt;&amp;" in svg


def test_a_shape_that_does_not_fit():
    with pytest.raises(ShapeError):
        drawing(Conv(8, 9, padding=0), (8, 4, 4))

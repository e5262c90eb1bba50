"""MobileNetV3 (Howard, Sandler, Chu, Chen, Chen, Tan, Wang, Zhu, Pang, Vasudevan, Le and Adam, "Searching for
MobileNetV3", ICCV 2019, arXiv:1905.02244).

Stages: tables 1 and 2, with each block's expansion over its input in the place of the paper's "exp size".
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import msgspec

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.inverted import InvertedResidual
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Act, Dropout, GlobalPool, Linear, Norm, Padding
from vertebra.arch.record import replace
from vertebra.arch.rounding import Rounding
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.making import chosen
from vertebra.zoo.mobile import AUTHORS, EVENLY, TORCH, tensorflow_entry
from vertebra.zoo.mobile_keys import (
    TIMM_CONV,
    TIMM_ENDS,
    TIMM_INVERTED,
    TIMM_SEPARABLE,
    TORCHVISION_MOBILENET_V3,
    within,
)

Kind = Literal["large", "small", "large_minimal", "small_minimal"]
Row = tuple[int, float, int, SqueezeExcite | None, Act, int, int]

RELU, SWISH = Act("relu"), Act("hard_swish")
SQUEEZE = SqueezeExcite(4, layer="conv", gate=Act("hard_sigmoid"), divisor=8, guard=0.9)
"""A quarter of the wide part (section 5.3), rounded as widths are."""
_NARROW = 0.75
"""Below this width multiplier the stem stays as it is, as in the authors' code."""


class Table(msgspec.Struct, frozen=True):
    """One of the paper's tables: the blocks, and what stands around them."""

    rows: tuple[Row, ...]
    last: int
    """Channels of the 1x1 convolution before the pooling."""
    hidden: int
    """Values between the pooling and the classifier; a multiplier below 1 leaves them."""
    act: Act
    """Of the stem, the last convolution and the hidden layer."""


# kernel, expansion, output channels, attention, activation, stride, depth
LARGE: tuple[Row, ...] = (
    (3, 1, 16, None, RELU, 1, 1),
    (3, 4, 24, None, RELU, 2, 1),
    (3, 3, 24, None, RELU, 1, 1),
    (5, 3, 40, SQUEEZE, RELU, 2, 3),
    (3, 6, 80, None, SWISH, 2, 1),
    (3, 2.5, 80, None, SWISH, 1, 1),
    (3, 2.3, 80, None, SWISH, 1, 2),
    (3, 6, 112, SQUEEZE, SWISH, 1, 2),
    (5, 6, 160, SQUEEZE, SWISH, 2, 3),
)
SMALL: tuple[Row, ...] = (
    (3, 1, 16, SQUEEZE, RELU, 2, 1),
    (3, 4.5, 24, None, RELU, 2, 1),
    (3, 88 / 24, 24, None, RELU, 1, 1),
    (5, 4, 40, SQUEEZE, SWISH, 2, 1),
    (5, 6, 40, SQUEEZE, SWISH, 1, 2),
    (5, 3, 48, SQUEEZE, SWISH, 1, 2),
    (5, 6, 96, SQUEEZE, SWISH, 2, 3),
)


def _minimal(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The same with 3x3 kernels and ReLU, without attention (the authors' "minimalistic" form)."""
    return tuple((3, t, c, None, RELU, s, n) for _, t, c, _, _, s, n in rows)


TABLES: dict[Kind, Table] = {
    "large": Table(LARGE, 960, 1280, SWISH),
    "small": Table(SMALL, 576, 1024, SWISH),
    "large_minimal": Table(_minimal(LARGE), 960, 1280, RELU),
    "small_minimal": Table(_minimal(SMALL), 576, 1024, RELU),
}


def mobilenet_v3(
    kind: Kind = "large",
    width: float = 1.0,
    *,
    norm: Norm = AUTHORS,
    padding: Padding = "half",
    classes: int = 1000,
    resolution: int = 224,
    name: str = "mobilenet_v3",
) -> Architecture:
    """MobileNetV3 with any width multiplier.

    ``*_minimal`` has 3x3 kernels, ReLU and no attention.  The last 1x1 convolution is the last stage.  ``padding`` is
    that of strided convolutions.  Raises ArchitectureError for an unknown kind and for numbers out of range,
    TransformError for a multiplier that is.
    """
    table = chosen("kind", kind, TABLES, "mobilenet_v3")
    blocks = tuple(
        Stage(InvertedResidual(c, s, t, k, norm, act, attention, 8, padding), n)
        for k, t, c, attention, act, s, n in table.rows
    )
    base = Architecture(
        name=name,
        stem=ConvNormAct(16, 3, 2, norm=norm, act=table.act, padding=padding),
        stages=(*blocks, Stage(ConvNormAct(table.last, norm=norm, act=table.act))),
        head=seq(
            pool=GlobalPool(), hidden=Linear(table.hidden), act=table.act, dropout=Dropout(0.2), fc=Linear(classes)
        ),
        resolution=resolution,
        rounding=Rounding(head_floor=1.0),
        initialisation=Initialisation(linear="normal"),
    )
    scaled = base.scaled(width=width)
    return replace(scaled, name=name, stem=base.stem if width < _NARROW else scaled.stem)


# timm's stage and position of the first block of each stage of ours.
LARGE_PLACES = ((0, 0), (1, 0), (1, 1), (2, 0), (3, 0), (3, 1), (3, 2), (4, 0), (5, 0), (6, 0))
SMALL_PLACES = ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (4, 0), (5, 0))


def _timm_keys(places: tuple[tuple[int, int], ...]) -> KeyMap:
    last = len(places) - 1
    names = [TIMM_SEPARABLE, *[TIMM_INVERTED] * (last - 1), TIMM_CONV]
    rules = [
        rule
        for stage, ((theirs, first), inner) in enumerate(zip(places, names, strict=True))
        for rule in within(f"stages.{stage}.{{b}}", f"blocks.{theirs}.{{b+{first}}}", inner)
    ]
    return KeyMap((*TIMM_ENDS, *rules))


_KEYS = {"large": _timm_keys(LARGE_PLACES), "small": _timm_keys(SMALL_PLACES)}
_PAPER = "Howard et al. 2019, table 3"
_SLIM = "TensorFlow models, slim/nets/mobilenet README"
_TIMM = "timm, lamb_in1k weights"

# kind, top-1 in percent at 224 px
FIRST: tuple[tuple[Literal["large", "small"], float], ...] = (("large", 75.2), ("small", 67.4))

# name, kind, width multiplier, top-1 in percent at 224 px, source
ROWS: tuple[tuple[str, Literal["large", "small"], float, float, str], ...] = (
    ("mobilenetv3_large_075", "large", 0.75, 73.3, _PAPER),
    ("mobilenetv3_small_050", "small", 0.5, 57.918, _TIMM),
    ("mobilenetv3_small_075", "small", 0.75, 65.4, _PAPER),
)

# name, kind, width multiplier, top-1 in percent at 224 px, source
TENSORFLOW_ROWS: tuple[tuple[str, Kind, float, float, str], ...] = (
    ("tf_mobilenetv3_large_075", "large", 0.75, 73.3, _PAPER),
    ("tf_mobilenetv3_large_100", "large", 1.0, 75.2, _PAPER),
    ("tf_mobilenetv3_large_minimal_100", "large_minimal", 1.0, 72.3, _SLIM),
    ("tf_mobilenetv3_small_075", "small", 0.75, 65.4, _PAPER),
    ("tf_mobilenetv3_small_100", "small", 1.0, 67.4, _PAPER),
    ("tf_mobilenetv3_small_minimal_100", "small_minimal", 1.0, 61.9, _SLIM),
)


def _first(kind: Literal["large", "small"], top1: float) -> Entry:
    name = f"mobilenet_v3_{kind}"
    return Entry(
        name,
        partial(mobilenet_v3, kind, name=name),
        Accuracy(top1, 224, _PAPER),
        f"batch-norm epsilon 1e-3, as in torchvision and the authors' code; timm's is 1e-5; {EVENLY}",
        torchvision=Peer(name, TORCHVISION_MOBILENET_V3),
        timm=Peer(f"mobilenetv3_{kind}_100", _KEYS[kind], partial(mobilenet_v3, kind, norm=TORCH, name=name)),
    )


def _narrow(name: str, kind: Literal["large", "small"], width: float, top1: float, source: str) -> Entry:
    make = partial(mobilenet_v3, kind, width, norm=TORCH, name=name)
    note = f"batch-norm epsilon 1e-5, as in timm; the authors' is 1e-3; {EVENLY}"
    return Entry(name, make, Accuracy(top1, 224, source), note, timm=Peer(name, _KEYS[kind]))


def _tensorflow(name: str, kind: Kind, width: float, top1: float, source: str) -> Entry:
    keys = _KEYS["small" if kind.startswith("small") else "large"]
    return tensorflow_entry(name, partial(mobilenet_v3, kind, width), Accuracy(top1, 224, source), keys)


FAMILY = Family(
    name="mobilenet_v3",
    title="MobileNetV3",
    year=2019,
    paper="Howard et al. 2019, Searching for MobileNetV3, arXiv:1905.02244",
    idea="A search picks each block's width, kernel and attention; hard swish and a lighter head save the rest.",
    predecessor="mobilenet_v2",
    difference=(
        "Some blocks have attention, the deeper half has hard swish, a search chose kernels and expansions, and the "
        "last wide layer comes after the pooling."
    ),
    entries=(
        *(_first(*row) for row in FIRST),
        *(_narrow(*row) for row in ROWS),
        *(_tensorflow(*row) for row in TENSORFLOW_ROWS),
    ),
)

"""MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov and Chen, "Inverted Residuals and Linear Bottlenecks", CVPR 2018,
arXiv:1801.04381).

Stages: table 2.
"""

from __future__ import annotations

from functools import partial

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.inverted import InvertedResidual
from vertebra.arch.primitives import Act
from vertebra.arch.record import replace
from vertebra.arch.rounding import Rounding
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer
from vertebra.zoo.making import mean_head
from vertebra.zoo.mobile import EVENLY, scaled_between_ends
from vertebra.zoo.mobile_keys import TIMM, TORCHVISION_MOBILENET_V2

# expansion t, output channels c, repeats n, stride s
STAGES: tuple[tuple[int, int, int, int], ...] = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    width: float = 1.0, *, classes: int = 1000, resolution: int = 224, name: str = "mobilenet_v2"
) -> Architecture:
    """MobileNetV2 with any width multiplier; its last convolution keeps 1280 channels below 1 (section 6.1).

    Raises TransformError for a multiplier out of range, ArchitectureError for other numbers that are.
    """
    return replace(_base(classes, resolution, name).scaled(width=width), name=name)


def mobilenet_v2_deep(
    width: float, depth: float, *, classes: int = 1000, resolution: int = 224, name: str = "mobilenet_v2_deep"
) -> Architecture:
    """timm's wider and deeper MobileNetV2: stem, last convolution and the depths of the outer stages stay.

    Raises TransformError for multipliers out of range, ArchitectureError for other numbers that are.
    """
    return scaled_between_ends(_base(classes, resolution, name), width, depth)


def _base(classes: int, resolution: int, name: str) -> Architecture:
    relu6 = Act("relu6")
    return Architecture(
        name=name,
        stem=ConvNormAct(32, 3, 2, act=relu6),
        stages=tuple(Stage(InvertedResidual(c, s, t), n) for t, c, n, s in STAGES),
        head=mean_head(classes, ("conv", ConvNormAct(1280, act=relu6)), dropout=0.2),
        resolution=resolution,
        rounding=Rounding(head_floor=1.0),
        initialisation=Initialisation(linear="normal"),
    )


_PAPER = "Sandler et al. 2018, table 4"
_SLIM = "TensorFlow models, slim/nets/mobilenet README"
_TIMM = "timm, ra_in1k weights"

# name, width multiplier, top-1 in percent at 224 px, source
ROWS: tuple[tuple[str, float, float, str], ...] = (
    ("mobilenetv2_035", 0.35, 60.3, _SLIM),
    ("mobilenetv2_050", 0.5, 65.4, _SLIM),
    ("mobilenetv2_075", 0.75, 69.8, _SLIM),
    ("mobilenetv2_140", 1.4, 74.7, _PAPER),
)

# name, width multiplier, depth multiplier, top-1 in percent at 224 px
DEEP_ROWS: tuple[tuple[str, float, float, float], ...] = (
    ("mobilenetv2_110d", 1.1, 1.2, 75.056),
    ("mobilenetv2_120d", 1.2, 1.4, 77.300),
)

_FIRST = Entry(
    "mobilenet_v2",
    mobilenet_v2,
    Accuracy(72.0, 224, _PAPER),
    EVENLY,
    torchvision=Peer("mobilenet_v2", TORCHVISION_MOBILENET_V2),
    timm=Peer("mobilenetv2_100", TIMM),
)


def _wide(name: str, width: float, top1: float, source: str) -> Entry:
    make = partial(mobilenet_v2, width, name=name)
    return Entry(name, make, Accuracy(top1, 224, source), EVENLY, timm=Peer(name, TIMM))


def _deep(name: str, width: float, depth: float, top1: float) -> Entry:
    make = partial(mobilenet_v2_deep, width, depth, name=name)
    note = "wider and deeper than any of the paper's, its stem and its last convolution as they are"
    return Entry(name, make, Accuracy(top1, 224, _TIMM), note, timm=Peer(name, TIMM))


FAMILY = Family(
    name="mobilenet_v2",
    title="MobileNetV2",
    year=2018,
    paper="Sandler et al. 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381",
    idea="Shortcuts join the narrow ends, the work is done depthwise in the wide middle, and the narrow end is linear.",
    predecessor="mobilenet_v1",
    difference=(
        "A 1x1 convolution widens the map before the depthwise one, the narrow end has no activation, and shortcuts "
        "join the narrow ends."
    ),
    entries=(_FIRST, *(_wide(*row) for row in ROWS), *(_deep(*row) for row in DEEP_ROWS)),
)

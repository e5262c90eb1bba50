"""MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov and Chen, "Inverted Residuals and Linear Bottlenecks", CVPR 2018,
arXiv:1801.04381).

Rows: table 2.
"""

from __future__ import annotations

from functools import partial

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.inverted import InvertedResidual
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Act, Dropout, GlobalPool, Linear
from vertebra.arch.record import replace
from vertebra.arch.rounding import Rounding
from vertebra.zoo.entry import Accuracy, Entry, Family

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
    relu6 = Act("relu6")
    base = Architecture(
        name=name,
        stem=ConvNormAct(32, 3, 2, act=relu6),
        stages=tuple(Stage(InvertedResidual(c, s, t), n) for t, c, n, s in STAGES),
        head=seq(conv=ConvNormAct(1280, act=relu6), pool=GlobalPool(), dropout=Dropout(0.2), fc=Linear(classes)),
        resolution=resolution,
        rounding=Rounding(head_floor=1.0),
        initialisation=Initialisation(linear="normal"),
    )
    return replace(base.scaled(width=width), name=name)


_PAPER = "Sandler et al. 2018, table 4"
_SLIM = "TensorFlow models, slim/nets/mobilenet README"

# name, width multiplier, top-1 in percent at 224 px, source
ROWS: tuple[tuple[str, float, float, str], ...] = (
    ("mobilenet_v2", 1.0, 72.0, _PAPER),
    ("mobilenetv2_035", 0.35, 60.3, _SLIM),
    ("mobilenetv2_050", 0.5, 65.4, _SLIM),
    ("mobilenetv2_075", 0.75, 69.8, _SLIM),
    ("mobilenetv2_140", 1.4, 74.7, _PAPER),
)

FAMILY = Family(
    name="mobilenet_v2",
    title="MobileNetV2",
    year=2018,
    paper="Sandler et al. 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381",
    idea="Shortcuts join the narrow ends, the work is done depthwise in the wide middle, and the narrow end is linear.",
    entries=tuple(
        Entry(name, partial(mobilenet_v2, width, name=name), Accuracy(top1, 224, source))
        for name, width, top1, source in ROWS
    ),
)

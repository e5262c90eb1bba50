"""EfficientNetV2 (Tan and Le, "EfficientNetV2: Smaller Models and Faster Training", ICML 2021, arXiv:2104.00298).

Stages: table 4 for S; M and L are of the authors' code.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.inverted import FusedMBConv, MBConv
from vertebra.arch.primitives import Act, Norm
from vertebra.arch.record import replace
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer
from vertebra.zoo.making import chosen, mean_head
from vertebra.zoo.mobile import EVENLY, TENSORFLOW, TORCH
from vertebra.zoo.mobile_keys import TIMM_FUSED_FIRST, torchvision_efficientnet

Size = Literal["s", "m", "l"]
Row = tuple[Literal["fused", "mbconv"], int, int, int, int]

# block, expansion, stride, output channels, depth; kernels are 3x3
STAGES: dict[Size, tuple[Row, ...]] = {
    "s": (
        ("fused", 1, 1, 24, 2),
        ("fused", 4, 2, 48, 4),
        ("fused", 4, 2, 64, 4),
        ("mbconv", 4, 2, 128, 6),
        ("mbconv", 6, 1, 160, 9),
        ("mbconv", 6, 2, 256, 15),
    ),
    "m": (
        ("fused", 1, 1, 24, 3),
        ("fused", 4, 2, 48, 5),
        ("fused", 4, 2, 80, 5),
        ("mbconv", 4, 2, 160, 7),
        ("mbconv", 6, 1, 176, 14),
        ("mbconv", 6, 2, 304, 18),
        ("mbconv", 6, 1, 512, 5),
    ),
    "l": (
        ("fused", 1, 1, 32, 4),
        ("fused", 4, 2, 64, 7),
        ("fused", 4, 2, 96, 7),
        ("mbconv", 4, 2, 192, 10),
        ("mbconv", 6, 1, 224, 19),
        ("mbconv", 6, 2, 384, 25),
        ("mbconv", 6, 1, 640, 7),
    ),
}
BLOCKS: dict[str, type[FusedMBConv] | type[MBConv]] = {"fused": FusedMBConv, "mbconv": MBConv}


def efficientnet_v2(
    size: Size = "s",
    width: float = 1.0,
    depth: float = 1.0,
    *,
    norm: Norm = TENSORFLOW,
    dropout: float = 0.2,
    classes: int = 1000,
    resolution: int = 384,
    name: str = "efficientnet_v2",
) -> Architecture:
    """An EfficientNetV2 with any width and depth multiplier; the stem is as wide as the first stage.

    Raises ArchitectureError for an unknown size and for numbers out of range, TransformError for multipliers that are.
    """
    rows, silu = chosen("size", size, STAGES, "efficientnet_v2"), Act("silu")
    base = Architecture(
        name=name,
        stem=ConvNormAct(rows[0][3], 3, 2, norm=norm, act=silu),
        stages=tuple(Stage(BLOCKS[block](c, s, t, norm=norm), n) for block, t, s, c, n in rows),
        head=mean_head(classes, ("conv", ConvNormAct(1280, norm=norm, act=silu)), dropout=dropout),
        resolution=resolution,
        initialisation=Initialisation(linear="uniform_fan_out"),
    )
    return replace(base.scaled(width=width, depth=depth), name=name)


# size, resolution, dropout, top-1 in percent (table 7, trained on ImageNet-1k alone)
ROWS: tuple[tuple[Size, int, float, float], ...] = (
    ("s", 384, 0.2, 83.9),
    ("m", 480, 0.3, 85.1),
    ("l", 480, 0.4, 85.7),
)


def _entry(size: Size, resolution: int, dropout: float, top1: float) -> Entry:
    name = f"efficientnet_v2_{size}"
    make = partial(efficientnet_v2, size, resolution=resolution, dropout=dropout, name=name)
    return Entry(
        name,
        make,
        Accuracy(top1, resolution, "Tan and Le 2021, table 7"),
        f"batch-norm epsilon 1e-3, as in torchvision and the authors' code; timm's is 1e-5; {EVENLY}",
        torchvision=Peer(name, torchvision_efficientnet(len(STAGES[size]))),
        timm=Peer(f"efficientnetv2_{size}", TIMM_FUSED_FIRST, partial(make, norm=TORCH)),
    )


FAMILY = Family(
    name="efficientnet_v2",
    title="EfficientNetV2",
    year=2021,
    paper="Tan and Le 2021, EfficientNetV2: Smaller Models and Faster Training, arXiv:2104.00298",
    idea="Early stages fuse expansion and depthwise convolution into one plain convolution, which trains faster.",
    predecessor="efficientnet",
    difference=(
        "One 3x3 convolution does the work of expansion and depthwise convolution in the first three stages, "
        "kernels are 3x3 throughout, and depths were searched anew with training speed in mind."
    ),
    entries=tuple(_entry(*row) for row in ROWS),
)

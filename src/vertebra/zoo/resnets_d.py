"""ResNet-D (He, Zhang, Zhang, Zhang, Xie and Li, "Bag of Tricks for Image Classification with Convolutional Neural
Networks", CVPR 2019, arXiv:1812.01187).

Figure 2: the stem is three 3x3 convolutions instead of one of 7x7 (b), and a shortcut that halves its map averages
before it projects, so that no value is skipped (c).  The paper has the 50 layers; timm applies it to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vertebra.arch.architecture import Architecture
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.arch.combinators import seq
from vertebra.arch.node import Node
from vertebra.arch.primitives import Pool
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer
from vertebra.zoo.resnet_keys import RESNET_D
from vertebra.zoo.resnets import Kind, resnet


def deep_stem(width: int) -> Node:
    """Three 3x3 convolutions, the first strided and two of half the width, and a max pool (figure 2b)."""
    half = max(1, width // 2)
    return seq(
        conv1=ConvNormAct(half, 3, 2),
        conv2=ConvNormAct(half, 3),
        conv3=ConvNormAct(width, 3),
        pool=Pool("max", 3, 2, 1),
    )


def resnet_d(
    depths: Sequence[int],
    block: Kind = "bottleneck",
    *,
    widths: Sequence[int] = (64, 128, 256, 512),
    groups: int = 1,
    base_width: int = 64,
    attention: SqueezeExcite | None = None,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "resnet_d",
) -> Architecture:
    """A ResNet-D with any depths and widths; its parameters are those of ``resnet``, and so are its errors."""
    return resnet(
        depths,
        block,
        widths=widths,
        groups=groups,
        base_width=base_width,
        attention=attention,
        stem=deep_stem,
        shortcut="pooled_projection",
        classes=classes,
        resolution=resolution,
        name=name,
    )


# layers, block, depths, top-1 in percent, resolution, source
ROWS: tuple[tuple[int, Kind, tuple[int, int, int, int], float, int, str], ...] = (
    (18, "basic", (2, 2, 2, 2), 72.296, 224, "timm ra2_in1k weights"),
    (26, "bottleneck", (2, 2, 2, 2), 76.698, 224, "timm bt_in1k weights"),
    (34, "basic", (3, 4, 6, 3), 77.108, 224, "timm ra2_in1k weights"),
    (50, "bottleneck", (3, 4, 6, 3), 77.16, 224, "He et al. 2019, table 5"),
    (101, "bottleneck", (3, 4, 23, 3), 80.466, 224, "timm gluon_in1k weights"),
    (152, "bottleneck", (3, 8, 36, 3), 80.476, 224, "timm gluon_in1k weights"),
    (200, "bottleneck", (3, 24, 36, 3), 83.25, 256, "timm ra2_in1k weights"),
)


def _entry(layers: int, block: Kind, depths: tuple[int, ...], top1: float, resolution: int, source: str) -> Entry:
    name = f"resnet{layers}d"
    return Entry(
        name,
        partial(resnet_d, depths, block, resolution=resolution, name=name),
        Accuracy(top1, resolution, source),
        timm=Peer(name, RESNET_D),
    )


FAMILY = Family(
    name="resnet_d",
    title="ResNet-D",
    year=2018,
    paper="He et al. 2019, Bag of Tricks for Image Classification with CNNs, arXiv:1812.01187",
    idea="Three 3x3 convolutions see the image first, and shortcuts average before they project: no value is skipped.",
    predecessor="resnet",
    difference=(
        "Three 3x3 convolutions replace the 7x7 of the stem, and a strided shortcut averages 2x2 before its 1x1."
    ),
    entries=tuple(_entry(*row) for row in ROWS),
)

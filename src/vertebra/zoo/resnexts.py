"""ResNeXt (Xie, Girshick, Dollar, Tu and He, "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017,
arXiv:1611.05431).

A cardinality of C and a width of d, "Cxd": the 3x3 convolution of a bottleneck works in C groups of d channels (of the
first stage; twice as many in each further one).  1x64d is ResNet itself.  Rows: tables 3 and 4 of the paper, and those
that torchvision and timm added.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vertebra.arch.architecture import Architecture
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.zoo.entry import TORCHVISION_V1, Accuracy, Entry, Family, Published
from vertebra.zoo.resnet_keys import BOTH, NEITHER, RESNET, TIMM, peer
from vertebra.zoo.resnets import resnet


def resnext(
    depths: Sequence[int],
    cardinality: int = 32,
    width: int = 4,
    *,
    attention: SqueezeExcite | None = None,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "resnext",
) -> Architecture:
    """A ResNeXt with any depths, cardinality and width of a group in the first stage.

    Raises ArchitectureError for other than four depths and for numbers out of range.
    """
    return resnet(
        depths,
        groups=cardinality,
        base_width=width,
        attention=attention,
        classes=classes,
        resolution=resolution,
        name=name,
    )


DEPTHS: dict[int, tuple[int, int, int, int]] = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}

_TABLE3 = "Xie et al. 2017, table 3"
_TABLE4 = "Xie et al. 2017, table 4"
_MAHAJAN = "timm fb_wsl_ig1b_ft_in1k weights, pretrained on a billion Instagram pictures"

# layers, cardinality, width, top-1 in percent at 224 px, source, who has it
ROWS: tuple[tuple[int, int, int, float, str, tuple[str, ...]], ...] = (
    (50, 32, 4, 77.8, _TABLE3, BOTH),
    (50, 8, 14, 77.7, _TABLE3, NEITHER),
    (50, 4, 24, 77.4, _TABLE3, NEITHER),
    (50, 2, 40, 77.0, _TABLE3, NEITHER),
    (101, 32, 4, 78.8, _TABLE3, TIMM),
    (101, 8, 14, 78.7, _TABLE3, NEITHER),
    (101, 4, 24, 78.6, _TABLE3, NEITHER),
    (101, 2, 40, 78.3, _TABLE3, NEITHER),
    (101, 1, 100, 78.7, _TABLE4, NEITHER),
    (101, 2, 64, 79.3, _TABLE4, NEITHER),
    (101, 64, 4, 79.6, _TABLE4, BOTH),
    (101, 32, 8, 79.312, TORCHVISION_V1, BOTH),
    (101, 32, 16, 84.166, _MAHAJAN, TIMM),
    (101, 32, 32, 85.09, _MAHAJAN, TIMM),
)

# The paper keeps the complexity while it changes the cardinality, but only about: it prints what ResNet-50 and -101
# need (4.1 and 7.8 billion; table 1 has 4.2 for 32x4d), where its own rows differ by up to four in a hundred.  It says
# FLOPs and counts MACs.
_COMPLEXITY = {
    (50, _TABLE3): Published("Xie et al. 2017, table 3: about 4.1 billion", macs=4.1e9, within=0.045),
    (101, _TABLE3): Published("Xie et al. 2017, table 3: about 7.8 billion", macs=7.8e9, within=0.045),
    (101, _TABLE4): Published("Xie et al. 2017, table 4: twice ResNet-101's 7.8 billion", macs=15.6e9, within=0.045),
}


def _entry(layers: int, cardinality: int, width: int, top1: float, source: str, holders: tuple[str, ...]) -> Entry:
    name = f"resnext{layers}_{cardinality}x{width}d"
    return Entry(
        name,
        partial(resnext, DEPTHS[layers], cardinality, width, name=name),
        Accuracy(top1, 224, source),
        torchvision=peer(name, RESNET, "torchvision", holders),
        timm=peer(name, RESNET, "timm", holders),
        published=_COMPLEXITY.get((layers, source)),
    )


FAMILY = Family(
    name="resnext",
    title="ResNeXt",
    year=2016,
    paper="Xie et al. 2017, Aggregated Residual Transformations for Deep Neural Networks, arXiv:1611.05431",
    idea="Many narrow paths side by side, as a grouped convolution: cardinality pays more than depth or width.",
    predecessor="resnet",
    difference=(
        "The 3x3 convolution of a bottleneck is wider and split into groups, at about the same parameters and MACs."
    ),
    entries=tuple(_entry(*row) for row in ROWS),
)

"""Pre-activation ResNet, "v2" (He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016,
arXiv:1603.05027).

The ImageNet networks are timm's: the stem is a convolution and a pool without a norm, since the first block begins with
one, and the stride of a bottleneck is on its 3x3 convolution.  The CIFAR networks are those of the authors' code
(github.com/KaimingHe/resnet-1k-layers): three stages of n bottlenecks, 9n + 2 layers, the stride on the first 1x1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks.preactivation import PreactBottleneck
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Conv, Pool
from vertebra.arch.rounding import Rounding
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer, cifar_entry
from vertebra.zoo.making import preact_head, stage_pairs
from vertebra.zoo.resnet_keys import RESNET_V2

CIFAR_WIDTHS = (64, 128, 256)


def resnet_v2(
    depths: Sequence[int],
    *,
    widths: Sequence[int] = (64, 128, 256, 512),
    classes: int = 1000,
    resolution: int = 224,
    name: str = "resnet_v2",
) -> Architecture:
    """A pre-activation ResNet of bottlenecks with any depths and widths: a stage for each pair of them.

    ``widths`` are those before the expansion of 4.  Raises ArchitectureError for widths that are not as many as depths,
    and for numbers out of range.
    """
    stages = stage_pairs(depths, widths, "resnet_v2")
    return Architecture(
        name=name,
        stem=seq(conv=Conv(widths[0], 7, 2), pool=Pool("max", 3, 2, 1)),
        stages=tuple(
            Stage(PreactBottleneck(4 * width, 2 if index else 1), depth) for index, (depth, width) in enumerate(stages)
        ),
        head=preact_head(classes),
        resolution=resolution,
    )


def cifar_resnet_v2(n: int, *, classes: int = 10, resolution: int = 32, name: str | None = None) -> Architecture:
    """The pre-activation network of 9n + 2 layers for small images; any n from 1.  Raises ArchitectureError for numbers
    out of range.
    """
    stages = tuple(
        Stage(PreactBottleneck(width, 2 if index else 1, strided="reduce"), n)
        for index, width in enumerate(CIFAR_WIDTHS)
    )
    return Architecture(
        name=name or f"cifar_resnetv2_{9 * n + 2}",
        stem=seq(conv=Conv(16, 3)),
        stages=stages,
        head=preact_head(classes),
        resolution=resolution,
        rounding=Rounding(divisor=4),
    )


_NOTE = "as timm's: the stride is on the 3x3 convolution, the authors' code has it on the first 1x1"

# layers, depths, top-1 in percent, resolution, source
ROWS: tuple[tuple[int, tuple[int, int, int, int], float, int, str], ...] = (
    (50, (3, 4, 6, 3), 80.41, 224, "timm a1h_in1k weights"),
    (101, (3, 4, 23, 3), 82.042, 224, "timm a1h_in1k weights"),
    (152, (3, 8, 36, 3), 78.9, 320, "He et al. 2016, Identity Mappings, table 5, tested at 320 px"),
)

# layers, n, CIFAR-10 error in percent, millions of parameters and their digits (table 4, which prints 10.2 million for
# 1001 layers: without those of batch normalisation, which are 0.15 million)
CIFAR_ROWS: tuple[tuple[int, int, float, float, int], ...] = (
    (164, 18, 5.46, 1.7, 2),
    (1001, 111, 4.92, 10.2, 2),
)
_TABLE4 = "He et al. 2016, Identity Mappings, table 4 (CIFAR-10)"


def _entry(layers: int, depths: tuple[int, ...], top1: float, resolution: int, source: str) -> Entry:
    name = f"resnetv2_{layers}"
    return Entry(
        name,
        partial(resnet_v2, depths, name=name),
        Accuracy(top1, resolution, source),
        _NOTE,
        timm=Peer(name, RESNET_V2),
    )


def _cifar_entry(layers: int, n: int, error: float, millions: float, digits: int) -> Entry:
    name = f"cifar_resnetv2_{layers}"
    return cifar_entry(name, partial(cifar_resnet_v2, n), error, _TABLE4, millions, digits)


_PAPER = "He et al. 2016, Identity Mappings in Deep Residual Networks, arXiv:1603.05027"

FAMILY = Family(
    name="resnet_v2",
    title="Pre-activation ResNet",
    year=2016,
    paper=_PAPER,
    idea="Norm and activation come before each convolution, so a clean path of sums leads through the whole network.",
    predecessor="resnet",
    difference=(
        "Norm and activation move before each convolution, nothing stands on the path of the sums, and one norm and "
        "activation follow the last block."
    ),
    entries=tuple(_entry(*row) for row in ROWS),
)

CIFAR_FAMILY = Family(
    name="cifar_resnet_v2",
    title="CIFAR pre-activation ResNet",
    year=2016,
    paper=_PAPER,
    idea="With nothing on the path of the sums, a thousand layers still train, and do better than a hundred.",
    predecessor="cifar_resnet",
    difference=(
        "Norm and activation stand before the convolutions, and bottlenecks take the place of pairs of 3x3 "
        "convolutions."
    ),
    entries=tuple(_cifar_entry(*row) for row in CIFAR_ROWS),
)

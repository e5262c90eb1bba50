"""Wide residual networks (Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016, arXiv:1605.07146).

For ImageNet the bottleneck's 3x3 convolution is wider (table 8: WRN-50-2-bottleneck).  For CIFAR, WRN-d-k (table 1): a
3x3 convolution, three stages of n pre-activation pairs of 3x3 convolutions, d = 6n + 4, with 16k, 32k and 64k filters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks.preactivation import PreactBasic
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Conv
from vertebra.arch.rounding import Rounding
from vertebra.zoo.entry import TORCHVISION_V1, Accuracy, Entry, Family, Peer, cifar_entry
from vertebra.zoo.making import preact_head, sixth
from vertebra.zoo.resnet_keys import RESNET
from vertebra.zoo.resnets import resnet

WIDTHS = (16, 32, 64)


def wide_resnet(
    depths: Sequence[int],
    factor: int = 2,
    *,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "wide_resnet",
) -> Architecture:
    """A ResNet of bottlenecks whose 3x3 convolutions are ``factor`` times as wide, with any depths.

    Raises ArchitectureError for other than four depths and for numbers out of range.
    """
    return resnet(depths, base_width=64 * factor, classes=classes, resolution=resolution, name=name)


def cifar_wide_resnet(
    layers: int,
    factor: int,
    *,
    dropout: float = 0.0,
    classes: int = 10,
    resolution: int = 32,
    name: str | None = None,
) -> Architecture:
    """WRN-``layers``-``factor``; ``dropout`` is the rate between the convolutions of a block (figure 1d).

    Raises ArchitectureError for layers that are not 6n + 4 and for numbers out of range.
    """
    n = sixth(layers, "cifar_wide_resnet")
    return Architecture(
        name=name or f"cifar_wrn{layers}_{factor}",
        stem=seq(conv=Conv(16, 3)),
        stages=tuple(
            Stage(PreactBasic(width * factor, 2 if index else 1, dropout), n) for index, width in enumerate(WIDTHS)
        ),
        head=preact_head(classes),
        resolution=resolution,
        rounding=Rounding(divisor=4),
    )


# layers, depths, top-1 in percent at 224 px
ROWS: tuple[tuple[int, tuple[int, int, int, int], float], ...] = (
    (50, (3, 4, 6, 3), 78.468),
    (101, (3, 4, 23, 3), 78.848),
)

_TABLE4 = "Zagoruyko and Komodakis 2016, table 4 (CIFAR-10, whitened images)"
_TABLE5 = "Zagoruyko and Komodakis 2016, table 5 (CIFAR-10)"

# layers, factor, CIFAR-10 error in percent, source, millions of parameters and their digits
CIFAR_ROWS: tuple[tuple[int, int, float, str, float, int], ...] = (
    (16, 8, 4.27, _TABLE5, 11.0, 3),
    (16, 10, 4.56, _TABLE4, 17.1, 3),
    (22, 8, 4.38, _TABLE4, 17.2, 3),
    (22, 10, 4.44, _TABLE4, 26.8, 3),
    (28, 10, 4.00, _TABLE5, 36.5, 3),
    (28, 12, 4.33, _TABLE4, 52.5, 3),
    (40, 1, 6.85, _TABLE4, 0.6, 1),
    (40, 2, 5.33, _TABLE4, 2.2, 2),
    (40, 4, 4.53, _TABLE5, 8.9, 2),
    (40, 8, 4.66, _TABLE4, 35.7, 3),
)


def _entry(layers: int, depths: tuple[int, ...], top1: float) -> Entry:
    name = f"wide_resnet{layers}_2"
    return Entry(
        name,
        partial(wide_resnet, depths, name=name),
        Accuracy(top1, 224, TORCHVISION_V1),
        torchvision=Peer(name, RESNET),
        timm=Peer(name, RESNET),
    )


def _cifar_entry(layers: int, factor: int, error: float, source: str, millions: float, digits: int) -> Entry:
    name = f"cifar_wrn{layers}_{factor}"
    return cifar_entry(name, partial(cifar_wide_resnet, layers, factor), error, source, millions, digits)


_PAPER = "Zagoruyko and Komodakis 2016, Wide Residual Networks, arXiv:1605.07146"

FAMILY = Family(
    name="wide_resnet",
    title="Wide ResNet",
    year=2016,
    paper=_PAPER,
    idea="Twice the channels in the middle of each bottleneck do as well as three times the layers, and run faster.",
    predecessor="resnet",
    difference="The inner convolutions of the bottlenecks are twice as wide; all else stays.",
    entries=tuple(_entry(*row) for row in ROWS),
)

CIFAR_FAMILY = Family(
    name="cifar_wide_resnet",
    title="CIFAR Wide ResNet",
    year=2016,
    paper=_PAPER,
    idea="Sixteen wide layers beat a thousand thin ones: width, not depth alone, makes residual networks strong.",
    predecessor="cifar_resnet_v2",
    difference="Pairs of 3x3 convolutions again, up to twelve times as wide in a fraction of the layers.",
    entries=tuple(_cifar_entry(*row) for row in CIFAR_ROWS),
)

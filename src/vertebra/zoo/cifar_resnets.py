"""The CIFAR ResNets and their plain twins (He et al. 2016, section 4.2).

A 3x3 convolution, three stages of n pairs of 3x3 convolutions with 16, 32 and 64 filters, pooling and a classifier: 6n
+ 2 layers.  Shortcuts are option A, without parameters.
"""

from __future__ import annotations

from functools import partial

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.residual import BasicResidual, PlainPair
from vertebra.arch.rounding import Rounding
from vertebra.zoo.entry import Entry, Family, Published, cifar_entry
from vertebra.zoo.making import mean_head

WIDTHS = (16, 32, 64)


def cifar_resnet(n: int, *, classes: int = 10, resolution: int = 32, name: str | None = None) -> Architecture:
    """The residual network of 6n + 2 layers; any n from 1.  Raises ArchitectureError for numbers out of range."""
    stages = tuple(Stage(BasicResidual(width, 1 if width == 16 else 2, shortcut="padding"), n) for width in WIDTHS)
    return _cifar(name or f"cifar_resnet{6 * n + 2}", stages, classes, resolution)


def cifar_plain(n: int, *, classes: int = 10, resolution: int = 32, name: str | None = None) -> Architecture:
    """The same network without shortcuts.  Raises ArchitectureError for numbers out of range."""
    stages = tuple(Stage(PlainPair(width, 1 if width == 16 else 2), n) for width in WIDTHS)
    return _cifar(name or f"cifar_plain{6 * n + 2}", stages, classes, resolution)


def _cifar(name: str, stages: tuple[Stage, ...], classes: int, resolution: int) -> Architecture:
    return Architecture(
        name=name,
        stem=ConvNormAct(16, 3),
        stages=stages,
        head=mean_head(classes),
        resolution=resolution,
        rounding=Rounding(divisor=4),
    )


_TABLE6 = "He et al. 2016, table 6 (CIFAR-10)"

# layers, n, CIFAR-10 error in percent, millions of parameters and their digits; the error of 110 layers is the best of
# five runs (6.61 in the mean)
ROWS: tuple[tuple[int, int, float, float, int], ...] = (
    (20, 3, 8.75, 0.27, 2),
    (32, 5, 7.51, 0.46, 2),
    (44, 7, 7.17, 0.66, 2),
    (56, 9, 6.97, 0.85, 2),
    (110, 18, 6.43, 1.7, 2),
    (1202, 200, 7.93, 19.4, 3),
)

# The plain networks' errors are drawn (figure 6) but not printed.  Option A has no parameters, so they have as many as
# their residual twins.
PLAIN_ROWS: tuple[tuple[int, int, float], ...] = ((20, 3, 0.27), (32, 5, 0.46), (44, 7, 0.66), (56, 9, 0.85))


def _entry(layers: int, n: int, error: float, millions: float, digits: int) -> Entry:
    return cifar_entry(f"cifar_resnet{layers}", partial(cifar_resnet, n), error, _TABLE6, millions, digits)


def _plain_entry(layers: int, n: int, millions: float) -> Entry:
    return Entry(
        f"cifar_plain{layers}",
        partial(cifar_plain, n),
        None,
        "its error is drawn in figure 6, not printed",
        published=Published(f"{_TABLE6}, its residual twin's", params=millions * 1e6),
    )


FAMILY = Family(
    name="cifar_resnet",
    title="CIFAR ResNet",
    year=2015,
    paper="He et al. 2016, Deep Residual Learning for Image Recognition, section 4.2, arXiv:1512.03385",
    idea="The residual idea on 32-pixel images: three narrow stages, any depth, shortcuts without parameters.",
    predecessor="resnet",
    difference="A 3x3 stem without a pool, three stages of 16, 32 and 64 channels, and shortcuts that pad with zeros.",
    entries=tuple(_entry(*row) for row in ROWS),
)

PLAIN_FAMILY = Family(
    name="cifar_plain",
    title="CIFAR plain network",
    year=2015,
    paper=FAMILY.paper,
    idea="The twin without shortcuts, whose training error rises with depth: the reason for residual learning.",
    predecessor="cifar_resnet",
    difference="The same convolutions without the shortcuts.",
    entries=tuple(_plain_entry(*row) for row in PLAIN_ROWS),
)

"""DenseNet (Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", CVPR 2017,
arXiv:1608.06993).

Rows: table 1; all are DenseNet-BC with a compression of 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.dense import DenseLayer, DenseTransition
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Act, Conv, GlobalPool, Linear, Norm, Pool
from vertebra.zoo.entry import Accuracy, Entry, Family


def densenet(
    depths: Sequence[int],
    growth: int = 32,
    *,
    compression: float = 0.5,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "densenet",
) -> Architecture:
    """A DenseNet-BC with any depths and growth rate; the stem has twice the growth rate (section 3).

    Raises ArchitectureError for numbers out of range.
    """
    transition = DenseTransition(compression)
    return Architecture(
        name=name,
        stem=seq(conv=Conv(2 * growth, 7, 2), norm=Norm(), act=Act(), pool=Pool("max", 3, 2, 1)),
        stages=tuple(
            Stage(DenseLayer(growth), depth, transition if index else None) for index, depth in enumerate(depths)
        ),
        head=seq(norm=Norm(), act=Act(), pool=GlobalPool(), fc=Linear(classes)),
        resolution=resolution,
        initialisation=Initialisation(conv="he_fan_in"),
    )


_PAPER = "Huang et al. 2017, table 3 (single crop)"
_TORCHVISION = "torchvision IMAGENET1K_V1 weights"

# layers, growth rate, depths, top-1 in percent at 224 px, source
ROWS: tuple[tuple[int, int, tuple[int, int, int, int], float, str], ...] = (
    (121, 32, (6, 12, 24, 16), 74.98, _PAPER),
    (161, 48, (6, 12, 36, 24), 77.138, _TORCHVISION),
    (169, 32, (6, 12, 32, 32), 76.20, _PAPER),
    (201, 32, (6, 12, 48, 32), 77.42, _PAPER),
)


def _entry(layers: int, growth: int, depths: tuple[int, ...], top1: float, source: str) -> Entry:
    name = f"densenet{layers}"
    return Entry(name, partial(densenet, depths, growth, name=name), Accuracy(top1, 224, source))


FAMILY = Family(
    name="densenet",
    title="DenseNet",
    year=2016,
    paper="Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993",
    idea="Each layer sees all the maps before it and adds a few of its own, so features are used again, not relearned.",
    entries=tuple(_entry(*row) for row in ROWS),
)

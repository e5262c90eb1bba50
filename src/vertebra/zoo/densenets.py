"""DenseNet (Huang, Liu, van der Maaten and Weinberger, "Densely Connected Convolutional Networks", CVPR 2017,
arXiv:1608.06993).

Rows: tables 1 (ImageNet) and 2 (CIFAR); all are DenseNet-BC with a compression of 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.dense import DenseLayer, DenseTransition
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Act, Conv, Norm, Pool
from vertebra.zoo.entry import TORCHVISION_V1, Accuracy, Entry, Family, Peer, Published, cifar_entry
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.making import listed, preact_head, sixth


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
    return Architecture(
        name=name,
        stem=seq(conv=Conv(2 * growth, 7, 2), norm=Norm(), act=Act(), pool=Pool("max", 3, 2, 1)),
        stages=_stages(depths, growth, compression),
        head=preact_head(classes),
        resolution=resolution,
        initialisation=Initialisation(conv="he_fan_in"),
    )


def cifar_densenet(
    layers: int,
    growth: int = 12,
    *,
    compression: float = 0.5,
    classes: int = 10,
    resolution: int = 32,
    name: str | None = None,
) -> Architecture:
    """The DenseNet-BC of so many layers for small images: three stages of as many dense layers each (section 3,
    "Implementation Details").

    Raises ArchitectureError for layers that are not 6n + 4 and for numbers out of range.
    """
    n = sixth(layers, "cifar_densenet")
    return Architecture(
        name=name or f"cifar_densenet{layers}_{growth}",
        stem=seq(conv=Conv(2 * growth, 3)),
        stages=_stages((n, n, n), growth, compression),
        head=preact_head(classes),
        resolution=resolution,
        initialisation=Initialisation(conv="he_fan_in"),
    )


def _stages(depths: Sequence[int], growth: int, compression: float) -> tuple[Stage, ...]:
    transition = DenseTransition(compression)
    return tuple(
        Stage(DenseLayer(growth), depth, transition if index else None)
        for index, depth in enumerate(listed("depths", depths, "densenet"))
    )


_LAYER = "stages.{s}.{b}"
_THEIRS = "features.denseblock{s+1}.denselayer{b+1}"

KEYS = KeyMap(
    (
        ("stem.conv", "features.conv0"),
        ("stem.norm", "features.norm0"),
        ("stages.{s}.entry", "features.transition{s}"),
        (f"{_LAYER}.reduce.norm", f"{_THEIRS}.norm1"),
        (f"{_LAYER}.reduce.conv", f"{_THEIRS}.conv1"),
        (f"{_LAYER}.grow.norm", f"{_THEIRS}.norm2"),
        (f"{_LAYER}.grow.conv", f"{_THEIRS}.conv2"),
        ("norm", "features.norm5"),
        ("fc", "classifier"),
    )
)
"""The names of torchvision and timm, which are the same."""

_TABLE3 = "Huang et al. 2017, table 3 (single crop)"

# layers, growth rate, depths, top-1 in percent at 224 px, source
ROWS: tuple[tuple[int, int, tuple[int, int, int, int], float, str], ...] = (
    (121, 32, (6, 12, 24, 16), 74.98, _TABLE3),
    (161, 48, (6, 12, 36, 24), 77.138, TORCHVISION_V1),
    (169, 32, (6, 12, 32, 32), 76.20, _TABLE3),
    (201, 32, (6, 12, 48, 32), 77.42, _TABLE3),
)

_TABLE2 = "Huang et al. 2017, table 2 (CIFAR-10 with augmentation)"

# layers, growth rate, CIFAR-10 error in percent, millions of parameters and their digits
CIFAR_ROWS: tuple[tuple[int, int, float, float, int], ...] = (
    (100, 12, 4.51, 0.8, 1),
    (250, 24, 3.62, 15.3, 3),
    (190, 40, 3.46, 25.6, 3),
)


def _entry(layers: int, growth: int, depths: tuple[int, ...], top1: float, source: str) -> Entry:
    name = f"densenet{layers}"
    return Entry(
        name,
        partial(densenet, depths, growth, name=name),
        Accuracy(top1, 224, source),
        torchvision=Peer(name, KEYS),
        timm=Peer(name, KEYS),
    )


def _cifar_entry(layers: int, growth: int, error: float, millions: float, digits: int) -> Entry:
    name = f"cifar_densenet{layers}_{growth}"
    return cifar_entry(name, partial(cifar_densenet, layers, growth), error, _TABLE2, millions, digits)


# The paper's deepest, which neither torchvision nor timm has; its parameters are drawn, not printed.
_DENSENET264 = Entry(
    "densenet264",
    partial(densenet, (6, 12, 64, 48), 32, name="densenet264"),
    Accuracy(77.85, 224, _TABLE3),
    "its depths make 265 layers, counted as for the others; the paper says 264",
    published=Published("Huang et al. 2017, figure 3, read off its axis", params=3e7, digits=1),
)

_PAPER = "Huang et al. 2017, Densely Connected Convolutional Networks, arXiv:1608.06993"

FAMILY = Family(
    name="densenet",
    title="DenseNet",
    year=2016,
    paper=_PAPER,
    idea="Each layer sees all the maps before it and adds a few of its own, so features are used again, not relearned.",
    predecessor="resnet",
    difference=(
        "Outputs are put beside their inputs, not added to them: each layer sees every map before it in its block, "
        "and adds 32 or 48 channels of its own."
    ),
    entries=(*(_entry(*row) for row in ROWS), _DENSENET264),
)

CIFAR_FAMILY = Family(
    name="cifar_densenet",
    title="CIFAR DenseNet",
    year=2016,
    paper=_PAPER,
    idea="Narrow layers, each fed by all before it: as accurate as a residual network of ten times the parameters.",
    predecessor="densenet",
    difference="A 3x3 stem without a pool, three blocks, and growth rates of their own.",
    entries=tuple(_cifar_entry(*row) for row in CIFAR_ROWS),
)

"""MnasNet (Tan, Chen, Pang, Vasudevan, Sandler, Howard and Le, "MnasNet: Platform-Aware Neural Architecture Search for
Mobile", CVPR 2019, arXiv:1807.11626).

Stages: figure 7 for A1; B1, the search without attention, and the small network are of the authors' code.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.inverted import InvertedResidual, MBConv
from vertebra.arch.blocks.separable import DepthwiseSeparable
from vertebra.arch.node import Node
from vertebra.arch.primitives import Act, Norm
from vertebra.arch.record import replace
from vertebra.zoo.entry import TORCHVISION_V1, Accuracy, Entry, Family, Peer
from vertebra.zoo.making import chosen, mean_head
from vertebra.zoo.mobile import EVENLY, TORCH
from vertebra.zoo.mobile_keys import TIMM, TORCHVISION_MNASNET

Kind = Literal["b1", "a1", "small"]
Block = Literal["separable", "inverted", "squeezed"]
Row = tuple[Block, int, int, int, int, int]

# block, expansion, kernel, stride, output channels, depth
B1: tuple[Row, ...] = (
    ("separable", 1, 3, 1, 16, 1),
    ("inverted", 3, 3, 2, 24, 3),
    ("inverted", 3, 5, 2, 40, 3),
    ("inverted", 6, 5, 2, 80, 3),
    ("inverted", 6, 3, 1, 96, 2),
    ("inverted", 6, 5, 2, 192, 4),
    ("inverted", 6, 3, 1, 320, 1),
)
A1: tuple[Row, ...] = (
    ("separable", 1, 3, 1, 16, 1),
    ("inverted", 6, 3, 2, 24, 2),
    ("squeezed", 3, 5, 2, 40, 3),
    ("inverted", 6, 3, 2, 80, 4),
    ("squeezed", 6, 3, 1, 112, 2),
    ("squeezed", 6, 5, 2, 160, 3),
    ("inverted", 6, 3, 1, 320, 1),
)
SMALL: tuple[Row, ...] = (
    ("inverted", 1, 3, 1, 8, 1),
    ("inverted", 3, 3, 2, 16, 1),
    ("inverted", 6, 3, 2, 16, 2),
    ("squeezed", 6, 5, 2, 32, 4),
    ("squeezed", 6, 3, 1, 32, 3),
    ("squeezed", 6, 5, 2, 88, 3),
    ("inverted", 6, 3, 1, 144, 1),
)
TABLES: dict[Kind, tuple[int, tuple[Row, ...]]] = {"b1": (32, B1), "a1": (32, A1), "small": (8, SMALL)}
"""The stem's channels and the stages."""

RELU = Act("relu")


def mnasnet(
    kind: Kind = "b1",
    width: float = 1.0,
    *,
    norm: Norm | None = None,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "mnasnet",
) -> Architecture:
    """A MnasNet with any width multiplier; the last convolution keeps its 1280 channels.

    ``"b1"`` has no attention, ``"a1"`` is the paper's network.  Raises ArchitectureError for an unknown kind and for
    numbers out of range, TransformError for a multiplier that is.
    """
    norm = norm or TORCH
    stem, rows = chosen("kind", kind, TABLES, "mnasnet")
    base = Architecture(
        name=name,
        stem=ConvNormAct(stem, 3, 2, norm=norm, act=RELU),
        stages=tuple(Stage(_block(block, t, k, s, c, norm), n) for block, t, k, s, c, n in rows),
        head=mean_head(classes, ("conv", ConvNormAct(1280, norm=norm, act=RELU)), dropout=0.2),
        resolution=resolution,
        initialisation=Initialisation(linear="uniform_fan_out"),
    )
    return replace(base.scaled(width=width), name=name, head=base.head)


def _block(kind: Block, expansion: int, kernel: int, stride: int, out: int, norm: Norm) -> Node:
    if kind == "separable":
        return DepthwiseSeparable(out, stride, kernel, norm, RELU, end=None)
    if kind == "inverted":
        return InvertedResidual(out, stride, expansion, kernel, norm, RELU)
    return MBConv(out, stride, expansion, kernel, norm=norm, act=RELU)


_AUTHORS = "TensorFlow TPU models, mnasnet README"
_TORCHVISION_NORM = Norm(momentum=1 - 0.9997)

# torchvision's name, timm's, width multiplier, top-1 in percent at 224 px
TORCHVISION_ROWS: tuple[tuple[str, str | None, float, float], ...] = (
    ("mnasnet0_5", "mnasnet_050", 0.5, 67.734),
    ("mnasnet0_75", "mnasnet_075", 0.75, 71.180),
    ("mnasnet1_0", "mnasnet_100", 1.0, 73.456),
    ("mnasnet1_3", None, 1.3, 76.506),
)

# name, kind, width multiplier, published accuracy
TIMM_ROWS: tuple[tuple[str, Kind, float, Accuracy | None], ...] = (
    ("mnasnet_140", "b1", 1.4, None),
    ("mnasnet_small", "small", 1.0, Accuracy(66.204, 224, "timm, lamb_in1k weights")),
    ("semnasnet_050", "a1", 0.5, Accuracy(68.9, 224, _AUTHORS)),
    ("semnasnet_075", "a1", 0.75, Accuracy(73.3, 224, _AUTHORS)),
    ("semnasnet_100", "a1", 1.0, Accuracy(75.2, 224, "Tan et al. 2019, table 1")),
    ("semnasnet_140", "a1", 1.4, Accuracy(77.2, 224, _AUTHORS)),
)


def _in_torchvision(name: str, timm: str | None, width: float, top1: float) -> Entry:
    exact = partial(mnasnet, "b1", width, norm=_TORCHVISION_NORM, name=name)
    return Entry(
        name,
        partial(mnasnet, "b1", width, name=name),
        Accuracy(top1, 224, TORCHVISION_V1),
        "batch-norm momentum 0.1, as in timm; torchvision's is 3e-4, for the authors' long training",
        torchvision=Peer(name, TORCHVISION_MNASNET, exact),
        timm=None if timm is None else Peer(timm, TIMM),
    )


_UNKNOWN = "no accuracy is published"


def _in_timm(name: str, kind: Kind, width: float, accuracy: Accuracy | None) -> Entry:
    note = f"the network of the paper's figure 7; {EVENLY}" if kind == "a1" else "" if accuracy else _UNKNOWN
    return Entry(name, partial(mnasnet, kind, width, name=name), accuracy, note, timm=Peer(name, TIMM))


FAMILY = Family(
    name="mnasnet",
    title="MnasNet",
    year=2018,
    paper="Tan et al. 2019, MnasNet: Platform-Aware Neural Architecture Search for Mobile, arXiv:1807.11626",
    idea="A search that measures latency on a phone picks each stage's block, so that no two stages need be alike.",
    predecessor="mobilenet_v2",
    difference=(
        "Blocks differ from stage to stage, in kernel, expansion, depth and attention, as a search over measured "
        "latency chose them."
    ),
    entries=(*(_in_torchvision(*row) for row in TORCHVISION_ROWS), *(_in_timm(*row) for row in TIMM_ROWS)),
)

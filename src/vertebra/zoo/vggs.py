"""VGG (Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
arXiv:1409.1556).

Rows: table 1, columns A, B, D and E.  The accuracies are torchvision's, of one crop: the paper's (table 3, 25.6 percent
error for D) are of the network slid over images of up to 384 px.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.biased import BiasedConv
from vertebra.arch.combinators import Seq
from vertebra.arch.node import Node
from vertebra.arch.primitives import Act, AdaptivePool, Conv, Dropout, GlobalPool, Identity, Linear, Norm, Pool
from vertebra.errors import ArchitectureError
from vertebra.zoo.entry import TORCHVISION_V1, Accuracy, Entry, Family, Peer, Published
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.making import chosen, listed, stage_pairs

WIDTHS = (64, 128, 256, 512, 512)
WINDOW = 7
"""The side of the last map at 224 px, which the first fully connected layer covers."""

Classifier = Literal["flattened", "sliding"]


def vgg(
    depths: Sequence[int],
    *,
    widths: Sequence[int] = WIDTHS,
    norm: Norm | None = None,
    hidden: Sequence[int] = (4096, 4096),
    classifier: Classifier = "flattened",
    dropout: float = 0.5,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "vgg",
) -> Architecture:
    """A VGG with any depths and widths: a stage of 3x3 convolutions for each pair of them.

    Each pool stands at the start of the next stage, the last one in the head, so the last map of a stage is the one
    before its pool.  Convolutions keep their bias beside a ``norm``.  ``hidden`` are the widths of the fully connected
    layers.  Maps of other than 7x7 (224 px with five stages) are averaged to 7x7 before these by the ``"flattened"``
    classifier, torchvision's; the ``"sliding"`` one, timm's, averages smaller maps so, slides over larger ones as the
    paper does (section 3.2), and averages before the last layer.  Both have the same weights.
    Raises ArchitectureError for numbers out of range, widths that are not as many as depths, no width in ``hidden``,
    and an unknown classifier.
    """
    stages = stage_pairs(depths, widths, "vgg")
    head = chosen("classifier", classifier, HEADS, "vgg")
    hidden = listed("hidden widths", hidden, "vgg")
    if not hidden:
        raise ArchitectureError("no hidden widths", where="vgg", allowed="at least one")
    return Architecture(
        name=name,
        stem=Identity(),
        stages=tuple(
            Stage(BiasedConv(width, norm=norm), depth, Pool() if index else None)
            for index, (depth, width) in enumerate(stages)
        ),
        head=head(hidden, dropout, classes),
        resolution=resolution,
        initialisation=Initialisation(linear="normal"),
    )


def _flattened(hidden: Sequence[int], dropout: float, classes: int) -> Node:
    children: list[tuple[str, Node]] = [("pool", Pool()), ("average", AdaptivePool(WINDOW))]
    for number, width in enumerate(hidden, 1):
        children += _hidden(number, Linear(width), dropout)
    return Seq((*children, ("fc", Linear(classes))))


def _sliding(hidden: Sequence[int], dropout: float, classes: int) -> Node:
    children: list[tuple[str, Node]] = [("pool", Pool()), ("average", AdaptivePool(WINDOW, larger="keep"))]
    for number, width in enumerate(hidden, 1):
        window = WINDOW if number == 1 else 1
        children += _hidden(number, Conv(width, window, padding=0, bias=True), dropout)
    return Seq((*children, ("mean", GlobalPool()), ("fc", Linear(classes))))


def _hidden(number: int, layer: Node, dropout: float) -> list[tuple[str, Node]]:
    return [(f"fc{number}", layer), (f"act{number}", Act()), (f"dropout{number}", Dropout(dropout))]


HEADS = {"flattened": _flattened, "sliding": _sliding}

# Both number all the layers in one sequence: two for a convolution, three with its norm, and one for each pool.
_PLAIN = (("stages.{s}.{b}.conv", "features.{2*n+s}"),)
_NORMED = (("stages.{s}.{b}.conv", "features.{3*n+s}"), ("stages.{s}.{b}.norm", "features.{3*n+s+1}"))
_TORCHVISION_HEAD = (("fc1", "classifier.0"), ("fc2", "classifier.3"), ("fc", "classifier.6"))
_TIMM_HEAD = (("fc1", "pre_logits.fc1"), ("fc2", "pre_logits.fc2"), ("fc", "head.fc"))

# layers, depths, parameters in millions (table 2), top-1 in percent at 224 px without and with batch normalisation
ROWS: tuple[tuple[int, tuple[int, int, int, int, int], int, float, float], ...] = (
    (11, (1, 1, 2, 2, 2), 133, 69.020, 70.370),
    (13, (2, 2, 2, 2, 2), 133, 69.928, 71.586),
    (16, (2, 2, 3, 3, 3), 138, 71.592, 73.360),
    (19, (2, 2, 4, 4, 4), 144, 72.376, 74.218),
)


def _entry(layers: int, depths: tuple[int, ...], millions: int, norm: Norm | None, top1: float) -> Entry:
    name = f"vgg{layers}" if norm is None else f"vgg{layers}_bn"
    convs = _PLAIN if norm is None else _NORMED
    make = partial(vgg, depths, norm=norm, name=name)
    return Entry(
        name,
        make,
        Accuracy(top1, 224, TORCHVISION_V1),
        "" if norm is None else "batch normalisation is torchvision's addition; its convolutions keep their bias",
        torchvision=Peer(name, KeyMap((*convs, *_TORCHVISION_HEAD))),
        timm=Peer(name, KeyMap((*convs, *_TIMM_HEAD)), partial(make, classifier="sliding")),
        published=Published("Simonyan and Zisserman 2015, table 2", params=millions * 1e6, digits=3)
        if norm is None
        else None,
    )


FAMILY = Family(
    name="vgg",
    title="VGG",
    year=2014,
    paper=(
        "Simonyan and Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition, "
        "arXiv:1409.1556"
    ),
    idea="Nothing but 3x3 convolutions and pools: two see as far as a 5x5, with fewer weights and one more ReLU.",
    predecessor="alexnet",
    difference=(
        "Windows of 11x11 and 5x5 become stacks of 3x3, pools no longer overlap, response normalisation goes, and "
        "eight layers become eleven to nineteen."
    ),
    entries=tuple(
        _entry(layers, depths, millions, norm, top1)
        for layers, depths, millions, plain, normed in ROWS
        for norm, top1 in ((None, plain), (Norm(), normed))
    ),
)

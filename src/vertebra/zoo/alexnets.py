"""AlexNet (Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NIPS
2012), and its single tower (Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
arXiv:1404.5997).

Layers: section 3.5 and figure 2 of the first.  The five convolutions, the pools after the first, second and fifth, and
the three fully connected layers are the same in both; widths, groups and the local response normalisation are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.biased import BiasedConv
from vertebra.arch.combinators import Seq
from vertebra.arch.node import Node
from vertebra.arch.primitives import Act, AdaptivePool, Dropout, Linear, LocalResponseNorm, Pool
from vertebra.errors import ArchitectureError
from vertebra.zoo.entry import TORCHVISION_V1, Accuracy, Entry, Family, Peer, Published
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.making import listed

# kernel, stride, padding of each convolution; whether a response normalisation and a pool follow it
LAYERS: tuple[tuple[int, int, int, bool, bool], ...] = (
    (11, 4, 2, True, True),
    (5, 1, 2, True, True),
    (3, 1, 1, False, False),
    (3, 1, 1, False, False),
    (3, 1, 1, False, True),
)
_POOL = Pool("max", 3, 2)


def alexnet(
    widths: Sequence[int] = (64, 192, 384, 256, 256),
    *,
    groups: Sequence[int] = (1, 1, 1, 1, 1),
    response_norm: LocalResponseNorm | None = None,
    hidden: Sequence[int] = (4096, 4096),
    dropout: float = 0.5,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "alexnet",
) -> Architecture:
    """An AlexNet with any five widths; the defaults are those of the single tower.

    ``groups`` are those of each convolution, ``response_norm`` follows the first two, ``hidden`` are the widths of the
    fully connected layers.  The maps are averaged to 6x6 before these (at 224 px they are 6x6), so that any resolution
    from 63 px will do.  Each pool stands at the start of the next stage, the last one in the head.
    Raises ArchitectureError for numbers out of range and for other than five widths and groups.
    """
    widths, groups = listed("widths", widths, "alexnet"), listed("groups", groups, "alexnet")
    if len(widths) != len(LAYERS) or len(groups) != len(LAYERS):
        raise ArchitectureError(
            f"{len(widths)} widths and {len(groups)} groups", where="alexnet", allowed=f"{len(LAYERS)} of each"
        )
    convs = [
        BiasedConv(width, *layer[:3], groups=share, response_norm=response_norm if layer[3] else None)
        for width, layer, share in zip(widths, LAYERS, groups, strict=True)
    ]
    return Architecture(
        name=name,
        stem=convs[0],
        stages=tuple(
            Stage(conv, entry=_POOL if before[4] else None) for conv, before in zip(convs[1:], LAYERS, strict=False)
        ),
        head=_head(hidden, dropout, classes),
        resolution=resolution,
        initialisation=Initialisation(conv="he_fan_in", linear="normal"),
    )


def _head(hidden: Sequence[int], dropout: float, classes: int) -> Node:
    children: list[tuple[str, Node]] = [("pool", _POOL), ("average", AdaptivePool(6))]
    for number, width in enumerate(listed("hidden widths", hidden, "alexnet"), 1):
        children += [
            (f"dropout{number}", Dropout(dropout)),
            (f"fc{number}", Linear(width)),
            (f"act{number}", Act()),
        ]
    return Seq((*children, ("fc", Linear(classes))))


TORCHVISION_KEYS = KeyMap(
    (
        ("stem.conv", "features.0"),
        ("stages.0.0.conv", "features.3"),
        ("stages.1.0.conv", "features.6"),
        ("stages.2.0.conv", "features.8"),
        ("stages.3.0.conv", "features.10"),
        ("fc1", "classifier.1"),
        ("fc2", "classifier.4"),
        ("fc", "classifier.6"),
    )
)

_TWO_TOWERS = partial(
    alexnet,
    (96, 256, 384, 384, 256),
    groups=(1, 2, 1, 2, 2),
    response_norm=LocalResponseNorm(),
    name="alexnet_2012",
)

FAMILY = Family(
    name="alexnet",
    title="AlexNet",
    year=2012,
    paper=(
        "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012; "
        "its single tower: Krizhevsky 2014, arXiv:1404.5997"
    ),
    idea="A deep network of convolutions and ReLUs, with dropout, trained on GPUs, wins ImageNet by a wide margin.",
    difference=(
        "Before it, features were made by hand and a shallow classifier was trained on them; here all eight layers are "
        "trained together, with ReLUs in place of tanh, dropout, overlapping pools and response normalisation."
    ),
    entries=(
        Entry(
            "alexnet",
            alexnet,
            Accuracy(56.522, 224, TORCHVISION_V1),
            "the single tower of the author's later code; its paper has 384 filters in the fourth convolution",
            torchvision=Peer("alexnet", TORCHVISION_KEYS),
        ),
        Entry(
            "alexnet_2012",
            _TWO_TOWERS,
            Accuracy(59.3, 224, "Krizhevsky et al. 2012, table 2: one CNN, validation set, mean of ten crops"),
            "two towers as two groups; 224 px give the paper's 55x55 maps only with padding (2 here), 227 px without",
            published=Published("Krizhevsky et al. 2012, abstract: 60 million parameters", params=60e6, digits=1),
        ),
    ),
)

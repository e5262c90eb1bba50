"""GoogLeNet (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv:1409.4842) and Inception v3 (Szegedy,
Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
arXiv:1512.00567).

Rows: table 1 of each.  Auxiliary heads stand aside of the network, at the start of the stage that follows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import NamedTuple

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.inception import (
    NORM,
    AuxiliaryConv,
    AuxiliaryDense,
    Inception,
    InceptionA,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)
from vertebra.arch.combinators import Seq, Side, seq
from vertebra.arch.node import Node
from vertebra.arch.primitives import Norm, Pool, Tap
from vertebra.arch.record import brief, replace
from vertebra.errors import ArchitectureError
from vertebra.zoo.entry import TORCHVISION_V1, Accuracy, Entry, Family, Peer
from vertebra.zoo.inception_keys import GOOGLENET_KEYS, INCEPTION_V3_KEYS
from vertebra.zoo.making import listed, mean_head


class Module(NamedTuple):
    """A row of GoogLeNet's table: the widths of its columns, the pool before it, and the tap of an auxiliary head
    before it.
    """

    widths: tuple[int, int, int, int, int, int]
    """#1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj."""
    pool: Pool | None = None
    auxiliary: str = ""


_POOL = Pool("max", 3, 2, rounding="ceil")

# Szegedy et al. 2015, table 1: inception (3a) to (5b); the heads of section 5, after (4a) and (4d).
MODULES: tuple[Module, ...] = (
    Module((64, 96, 128, 16, 32, 32), _POOL),
    Module((128, 128, 192, 32, 96, 64)),
    Module((192, 96, 208, 16, 48, 64), _POOL),
    Module((160, 112, 224, 24, 64, 64), auxiliary="aux1"),
    Module((128, 128, 256, 24, 64, 64)),
    Module((112, 144, 288, 32, 64, 64)),
    Module((256, 160, 320, 32, 128, 128), auxiliary="aux2"),
    Module((256, 160, 320, 32, 128, 128), Pool("max", 2, 2, rounding="ceil")),
    Module((384, 192, 384, 48, 128, 128)),
)


def googlenet(
    modules: Sequence[Module] = MODULES,
    *,
    kernel: int = 3,
    norm: Norm | None = NORM,
    auxiliary: AuxiliaryDense | None = None,
    dropout: float = 0.2,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "googlenet",
) -> Architecture:
    """A GoogLeNet of any modules, each a stage; the defaults are torchvision's network.

    ``kernel`` is that of the third branch (the paper's is 5, and it has no norm).  ``auxiliary`` is the head that is
    tapped where the modules say so, as ``aux1`` and ``aux2``; None leaves both out.
    Raises ArchitectureError for numbers out of range.
    """
    modules = listed("modules", modules, "googlenet")
    for one in modules:
        if not isinstance(one, Module):
            raise ArchitectureError(
                f"a module {brief(one)}", where="googlenet", allowed="Module(widths, pool, auxiliary)"
            )
    conv = partial(ConvNormAct, norm=norm)
    head = None if auxiliary is None else replace(auxiliary, classes=classes)
    return Architecture(
        name=name,
        stem=seq(conv1=conv(64, 7, 2), pool=_POOL, conv2=conv(64), conv3=conv(192, 3)),
        stages=tuple(
            Stage(Inception(*one.widths, kernel=kernel, norm=norm), entry=_entry_of(one.pool, one.auxiliary, head))
            for one in modules
        ),
        head=mean_head(classes, dropout=dropout),
        resolution=resolution,
    )


def inception_v3(
    *,
    pooled: Sequence[int] = (32, 64, 64),
    factorised: Sequence[int] = (128, 160, 160, 192),
    expanded: int = 2,
    norm: Norm = NORM,
    auxiliary: AuxiliaryConv | None = None,
    dropout: float = 0.5,
    classes: int = 1000,
    resolution: int = 299,
    name: str = "inception_v3",
) -> Architecture:
    """An Inception v3 of any numbers of modules; needs images of 75 px or more.

    ``pooled`` are the widths of the pooling branches of the modules at stride 8, ``factorised`` the inner widths of
    those at stride 16, ``expanded`` the number of those at stride 32.  ``auxiliary`` is the head that is tapped as
    ``aux`` before the last reduction; None leaves it out.
    Raises ArchitectureError for numbers out of range, and where ``pooled`` or ``factorised`` is empty.
    """
    pooled = listed("pooled widths", pooled, "inception_v3")
    factorised = listed("factorised widths", factorised, "inception_v3")
    if not pooled or not factorised:
        raise ArchitectureError("no modules at a stride", where="inception_v3", allowed="at least one width in each")
    conv = partial(ConvNormAct, norm=norm)
    head = None if auxiliary is None else replace(auxiliary, classes=classes)
    return Architecture(
        name=name,
        stem=seq(
            conv1=conv(32, 3, 2, padding=0),
            conv2=conv(32, 3, padding=0),
            conv3=conv(64, 3),
            pool=Pool("max", 3, 2),
            conv4=conv(80),
            conv5=conv(192, 3, padding=0),
        ),
        stages=(
            *_stages([InceptionA(width, norm=norm) for width in pooled], Pool("max", 3, 2)),
            *_stages([InceptionC(width, norm=norm) for width in factorised], InceptionB(norm=norm)),
            Stage(InceptionE(norm=norm), expanded, _entry_of(InceptionD(norm=norm), "aux", head)),
        ),
        head=mean_head(classes, dropout=dropout),
        resolution=resolution,
    )


def _stages(blocks: Sequence[Node], entry: Node) -> list[Stage]:
    """A stage for each run of equal blocks; the entry stands before the first."""
    runs = [list(run) for _, run in groupby(blocks)]
    return [Stage(run[0], len(run), None if index else entry) for index, run in enumerate(runs)]


def _entry_of(reduction: Node | None, name: str, head: Node | None) -> Node | None:
    """What stands before a stage: its reduction, whose keys are the same with and without an auxiliary head."""
    if head is None or not name:
        return reduction
    aside = Side((("", Seq((("", head), ("tap", Tap(name))))),))
    return Seq(((name, aside),)) if reduction is None else Seq(((name, aside), ("", reduction)))


_INPUTS = (
    "torchvision's weights were trained on inputs normalised with mean and standard deviation 0.5; with them its "
    "network turns its usual inputs into such"
)

GOOGLENET = Family(
    name="googlenet",
    title="GoogLeNet",
    year=2014,
    paper="Szegedy et al. 2015, Going Deeper with Convolutions, arXiv:1409.4842",
    idea="Windows of several sizes side by side, narrowed by 1x1 convolutions first, and a mean for the dense layers.",
    predecessor="alexnet",
    difference=(
        "Each layer becomes a module of four branches, and the wide fully connected layers become a global average: "
        "22 layers with a ninth of the parameters."
    ),
    entries=(
        Entry(
            "googlenet",
            googlenet,
            Accuracy(69.778, 224, TORCHVISION_V1),
            "unlike the paper: batch normalisation, 3x3 for its 5x5 convolutions, no local response normalisation, a "
            f"2x2 pool before (5a); {_INPUTS}",
            torchvision=Peer("googlenet", GOOGLENET_KEYS),
        ),
    ),
)

INCEPTION = Family(
    name="inception",
    title="Inception v3",
    year=2015,
    paper="Szegedy et al. 2016, Rethinking the Inception Architecture for Computer Vision, arXiv:1512.00567",
    idea="Large windows are factorised into small ones: 5x5 into two 3x3, 7x7 into a row of 7 and a column of 7.",
    predecessor="googlenet",
    difference=(
        "Batch normalisation throughout, windows factorised within the branches, reductions that pool and convolve "
        "side by side, 299 px."
    ),
    entries=(
        Entry(
            "inception_v3",
            inception_v3,
            Accuracy(77.294, 299, TORCHVISION_V1),
            "as in the authors' code, whose stem and 35x35 modules are not quite those of table 1 and figure 5; "
            f"{_INPUTS}",
            torchvision=Peer("inception_v3", INCEPTION_V3_KEYS),
            timm=Peer("inception_v3", INCEPTION_V3_KEYS),
        ),
    ),
)

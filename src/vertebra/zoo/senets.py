"""SE-ResNet and SE-ResNeXt (Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018, arXiv:1709.01507).

The networks are timm's: the two layers of a gate are 1x1 convolutions with bias, as in those that the authors released
(github.com/hujie-frank/SENet), and the squeezed width is a multiple of eight.  In the paper's equation 3 they are fully
connected layers without bias, C / 16 wide: ``attention=SqueezeExcite()``.  The stride of a bottleneck is on its 3x3
convolution; the authors' SE-ResNets have it on the first 1x1, their SE-ResNeXts here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vertebra.arch.architecture import Architecture
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer, Published
from vertebra.zoo.resnet_keys import RESNET
from vertebra.zoo.resnets import Kind, resnet

GATE = SqueezeExcite(16, layer="conv", divisor=8)
"""timm's attention."""


def seresnet(
    depths: Sequence[int],
    block: Kind = "bottleneck",
    *,
    widths: Sequence[int] = (64, 128, 256, 512),
    groups: int = 1,
    base_width: int = 64,
    attention: SqueezeExcite = GATE,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "seresnet",
) -> Architecture:
    """An SE-ResNet with any depths and widths, and with ``groups`` and ``base_width`` an SE-ResNeXt.

    Its parameters are those of ``resnet``, and so are its errors.
    """
    return resnet(
        depths,
        block,
        widths=widths,
        groups=groups,
        base_width=base_width,
        attention=attention,
        classes=classes,
        resolution=resolution,
        name=name,
    )


_PAPER = "Hu et al. 2018, table 2"
_UNKNOWN = "no accuracy is published: timm has no weights for it, and the paper has no network of this depth"

# name, block, depths, groups, base width, top-1 in percent at 224 px, source (or why there is none)
ROWS: tuple[tuple[str, Kind, tuple[int, int, int, int], int, int, float | None, str], ...] = (
    ("seresnet18", "basic", (2, 2, 2, 2), 1, 64, None, _UNKNOWN),
    ("seresnet34", "basic", (3, 4, 6, 3), 1, 64, None, _UNKNOWN),
    ("seresnet50", "bottleneck", (3, 4, 6, 3), 1, 64, 76.71, _PAPER),
    ("seresnet101", "bottleneck", (3, 4, 23, 3), 1, 64, 77.62, _PAPER),
    ("seresnet152", "bottleneck", (3, 8, 36, 3), 1, 64, 78.43, _PAPER),
    ("seresnext50_32x4d", "bottleneck", (3, 4, 6, 3), 32, 4, 78.90, _PAPER),
    ("seresnext101_32x4d", "bottleneck", (3, 4, 23, 3), 32, 4, 79.30, _PAPER),
    ("seresnext101_32x8d", "bottleneck", (3, 4, 23, 3), 32, 8, 83.618, "timm ah_in1k weights"),
    ("seresnext101_64x4d", "bottleneck", (3, 4, 23, 3), 64, 4, 80.884, "timm gluon_in1k weights"),
)

_GATES = "gates with bias, as in timm and in the networks that the authors released; the paper's equation 3 has none"
_SIZE = Published("Hu et al. 2018, table 10 (arXiv v4): a reduction by 16", params=28.1e6, digits=3)
_STRIDE = "stride on the 3x3 convolution; the authors' is on the first 1x1"


def _entry(
    name: str,
    block: Kind,
    depths: tuple[int, ...],
    groups: int,
    base_width: int,
    top1: float | None,
    source: str,
) -> Entry:
    strided = block == "bottleneck" and groups == 1
    notes = (*([source] if top1 is None else []), _GATES, *([_STRIDE] if strided else []))
    return Entry(
        name,
        partial(seresnet, depths, block, groups=groups, base_width=base_width, name=name),
        None if top1 is None else Accuracy(top1, 224, source),
        "; ".join(notes),
        timm=Peer(name, RESNET),
        published=_SIZE if name == "seresnet50" else None,
    )


FAMILY = Family(
    name="senet",
    title="SE-ResNet and SE-ResNeXt",
    year=2017,
    paper="Hu et al. 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507",
    idea="Each block looks at the whole map in a few numbers, and turns each of its channels up or down by them.",
    predecessor="resnet",
    difference=(
        "A gate at the end of each block multiplies its channels, at a tenth more parameters and hardly any MACs."
    ),
    entries=tuple(_entry(*row) for row in ROWS),
)

"""ResNet (He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385).

Rows: table 1; the 200 layers are those of their next paper (Identity Mappings in Deep Residual Networks, table 5), with
the blocks of the first.  The stride of a bottleneck is on its 3x3 convolution (v1.5), as in torchvision and in
Gross and Wilber's fb.resnet.torch; the paper has it on the first 1x1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks.residual import BasicResidual, Bottleneck, Shortcut
from vertebra.arch.blocks.squeeze import SqueezeExcite
from vertebra.arch.combinators import seq
from vertebra.arch.node import Node
from vertebra.arch.primitives import Act, Conv, Norm, Pool
from vertebra.arch.record import brief
from vertebra.errors import ArchitectureError
from vertebra.zoo.entry import TORCHVISION_V1, Accuracy, Entry, Family
from vertebra.zoo.making import chosen, mean_head, stage_pairs
from vertebra.zoo.resnet_keys import BOTH, RESNET, TIMM, peer

Kind = Literal["basic", "bottleneck"]


def _basic(
    width: int, stride: int, groups: int, base_width: int, attention: SqueezeExcite | None, shortcut: Shortcut
) -> Node:
    return BasicResidual(width, stride, groups, attention, shortcut)


def _bottleneck(
    width: int, stride: int, groups: int, base_width: int, attention: SqueezeExcite | None, shortcut: Shortcut
) -> Node:
    return Bottleneck(4 * width, stride, groups, base_width, attention=attention, shortcut=shortcut)


KINDS: dict[Kind, Callable[[int, int, int, int, SqueezeExcite | None, Shortcut], Node]] = {
    "basic": _basic,
    "bottleneck": _bottleneck,
}


def plain_stem(width: int) -> Node:
    """A strided 7x7 convolution and a max pool (table 1)."""
    return seq(conv=Conv(width, 7, 2), norm=Norm(), act=Act(), pool=Pool("max", 3, 2, 1))


def resnet(
    depths: Sequence[int],
    block: Kind = "bottleneck",
    *,
    widths: Sequence[int] = (64, 128, 256, 512),
    groups: int = 1,
    base_width: int = 64,
    attention: SqueezeExcite | None = None,
    stem: Callable[[int], Node] = plain_stem,
    shortcut: Shortcut = "projection",
    classes: int = 1000,
    resolution: int = 224,
    name: str = "resnet",
) -> Architecture:
    """A ResNet with any depths and widths: a stage for each pair of them.

    ``widths`` are those of the paper's table before the bottleneck's expansion of 4.  ``groups`` and ``base_width``
    give ResNeXt, ``attention`` SENet; ``stem`` makes the stem of the first width.  Raises ArchitectureError, its
    line beginning with ``name``, for an unknown block, for widths that are not as many as depths, and for numbers out
    of range, a ``base_width`` of basic blocks among them.
    """
    make = chosen("block", block, KINDS, name)
    stages = stage_pairs(depths, widths, name)
    if block == "basic" and base_width != 64:
        what = f"a base width of {brief(base_width)} for basic blocks"
        raise ArchitectureError(what, where=name, allowed="64, or block='bottleneck'")
    return Architecture(
        name=name,
        stem=stem(widths[0]),
        stages=tuple(
            Stage(make(width, 2 if index else 1, groups, base_width, attention, shortcut), depth)
            for index, (depth, width) in enumerate(stages)
        ),
        head=mean_head(classes),
        resolution=resolution,
    )


_MAPPINGS = "He et al. 2016, Identity Mappings, table 5, tested at 320 px"

# layers, block, depths, top-1 in percent, resolution, source, who has it
ROWS: tuple[tuple[int, Kind, tuple[int, int, int, int], float, int, str, tuple[str, ...]], ...] = (
    (18, "basic", (2, 2, 2, 2), 69.758, 224, TORCHVISION_V1, BOTH),
    (34, "basic", (3, 4, 6, 3), 73.314, 224, TORCHVISION_V1, BOTH),
    (50, "bottleneck", (3, 4, 6, 3), 76.130, 224, TORCHVISION_V1, BOTH),
    (101, "bottleneck", (3, 4, 23, 3), 77.374, 224, TORCHVISION_V1, BOTH),
    (152, "bottleneck", (3, 8, 36, 3), 78.312, 224, TORCHVISION_V1, BOTH),
    (200, "bottleneck", (3, 24, 36, 3), 78.2, 320, _MAPPINGS, TIMM),
)


def _entry(
    layers: int,
    block: Kind,
    depths: tuple[int, ...],
    top1: float,
    resolution: int,
    source: str,
    holders: tuple[str, ...],
) -> Entry:
    name = f"resnet{layers}"
    return Entry(
        name,
        partial(resnet, depths, block, name=name),
        Accuracy(top1, resolution, source),
        "stride on the 3x3 convolution (v1.5)" if block == "bottleneck" else "",
        torchvision=peer(name, RESNET, "torchvision", holders),
        timm=peer(name, RESNET, "timm", holders),
    )


FAMILY = Family(
    name="resnet",
    title="ResNet",
    year=2015,
    paper="He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385",
    idea="Layers learn what to add to their input, so a hundred of them train as easily as ten.",
    predecessor="vgg",
    difference=(
        "Shortcuts add each block's input to its output, batch norm follows every convolution, strides take the "
        "place of most pools, and a mean over the map that of the hidden dense layers: up to eight times the depth, "
        "with fewer MACs."
    ),
    entries=tuple(_entry(*row) for row in ROWS),
)

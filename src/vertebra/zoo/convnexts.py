"""ConvNeXt (Liu et al., "A ConvNet for the 2020s", CVPR 2022, arXiv:2201.03545) and ConvNeXt V2 (Woo et al.,
"Co-designing and Scaling ConvNets with Masked Autoencoders", CVPR 2023, arXiv:2301.00808).

Rows: from tiny to xlarge those of section 3 of the first paper.  The smaller ones are timm's, which the second paper
took over; xxlarge, the overlapping stems and the other heads are timm's alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.convnext import ConvNeXtBlock
from vertebra.arch.combinators import seq
from vertebra.arch.node import Node
from vertebra.arch.primitives import Act, Conv, GlobalPool, GlobalResponseNorm, Linear, Norm
from vertebra.arch.record import brief, replace
from vertebra.errors import ArchitectureError
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.making import stage_pairs

FIRST = ConvNeXtBlock()
SECOND = ConvNeXtBlock(scale=None, response=GlobalResponseNorm())
"""The blocks of the two versions."""


Ends = Callable[[int, Norm], Node]
"""A stem of a width, or a head of a number of classes, with the network's norm."""


def patches(width: int, norm: Norm) -> Node:
    """One 4x4 convolution over patches that do not overlap (section 2.2)."""
    return seq(conv=Conv(width, 4, 4, padding=0, bias=True), norm=norm)


def overlapping(middle: int) -> Ends:
    """Two strided 3x3 convolutions in the place of the patches, the first of ``middle`` channels (timm's ``_ols``)."""
    return lambda width, norm: seq(conv1=Conv(middle, 3, 2, bias=True), conv2=Conv(width, 3, 2, bias=True), norm=norm)


def pooled(classes: int, norm: Norm) -> Node:
    """The mean over positions, a norm, the classifier."""
    return seq(pool=GlobalPool(), norm=norm, fc=Linear(classes))


def norm_first(classes: int, norm: Norm) -> Node:
    """The last norm before the pooling, not after it (timm's ``_hnf``)."""
    return seq(norm=norm, pool=GlobalPool(), fc=Linear(classes))


def with_hidden(hidden: int) -> Ends:
    """A hidden layer before the classifier (timm's ``_mlp``, of the CLIP networks)."""

    def head(classes: int, norm: Norm) -> Node:
        mlp = seq(hidden=Linear(hidden), act=Act("gelu"))
        return seq(pool=GlobalPool(), norm=norm, mlp=mlp, fc=Linear(classes))

    return head


def convnext(
    depths: Sequence[int],
    widths: Sequence[int],
    block: ConvNeXtBlock = FIRST,
    *,
    stem: Ends = patches,
    head: Ends = pooled,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "convnext",
) -> Architecture:
    """A ConvNeXt with any depths and widths: a stage for each pair of them; the block's norm stands everywhere.

    Raises ArchitectureError for widths that are not as many as depths, and for numbers out of range.
    """
    stages = stage_pairs(depths, widths, "convnext")
    if not isinstance(block, ConvNeXtBlock):
        raise ArchitectureError(f"a block {brief(block)}", where="convnext", allowed="a ConvNeXtBlock")
    norm = block.norm
    entries = [seq(norm=norm, conv=Conv(width, 2, 2, padding=0, bias=True)) for width in widths[1:]]
    return Architecture(
        name=name,
        stem=stem(widths[0], norm),
        stages=tuple(Stage(block, depth, entry) for (depth, _), entry in zip(stages, (None, *entries), strict=True)),
        head=head(classes, norm),
        resolution=resolution,
        initialisation=Initialisation(conv="truncated_normal", linear="truncated_normal"),
    )


_TIMM_BLOCK = "stages.{s}.blocks.{b}"
TIMM = KeyMap(
    (
        ("stem.conv", "stem.{i}"),
        ("stem.conv1", "stem.{i}"),
        ("stem.conv2", "stem.{i}"),
        ("stem.norm", "stem.{i}"),
        ("stages.{s}.entry.norm", "stages.{s}.downsample.0"),
        ("stages.{s}.entry.conv", "stages.{s}.downsample.1"),
        ("stages.{s}.{b}.depthwise", f"{_TIMM_BLOCK}.conv_dw"),
        ("stages.{s}.{b}.norm", f"{_TIMM_BLOCK}.norm"),
        ("stages.{s}.{b}.expand", f"{_TIMM_BLOCK}.mlp.fc1"),
        ("stages.{s}.{b}.response.gamma", f"{_TIMM_BLOCK}.mlp.grn.weight"),
        ("stages.{s}.{b}.response.beta", f"{_TIMM_BLOCK}.mlp.grn.bias"),
        ("stages.{s}.{b}.project", f"{_TIMM_BLOCK}.mlp.fc2"),
        ("stages.{s}.{b}.scale.gamma", f"{_TIMM_BLOCK}.gamma"),
        ("norm", "head.norm"),
        ("mlp.hidden", "head.pre_logits.fc"),
        ("fc", "head.fc"),
    )
)
TIMM_NORM_FIRST = KeyMap((("norm", "norm_pre"), *TIMM.rules))

_TORCHVISION_BLOCK = "features.{2*s+1}.{b}"
TORCHVISION = KeyMap(
    (
        ("stem.conv", "features.0.0"),
        ("stem.norm", "features.0.1"),
        ("stages.{s}.entry.norm", "features.{2*s}.0"),
        ("stages.{s}.entry.conv", "features.{2*s}.1"),
        ("stages.{s}.{b}.depthwise", f"{_TORCHVISION_BLOCK}.block.0"),
        ("stages.{s}.{b}.norm", f"{_TORCHVISION_BLOCK}.block.2"),
        ("stages.{s}.{b}.expand", f"{_TORCHVISION_BLOCK}.block.3"),
        ("stages.{s}.{b}.project", f"{_TORCHVISION_BLOCK}.block.5"),
        ("stages.{s}.{b}.scale.gamma", f"{_TORCHVISION_BLOCK}.layer_scale"),
        ("norm", "classifier.0"),
        ("fc", "classifier.2"),
    )
)

Size = tuple[tuple[int, ...], tuple[int, ...]]

# depths, widths
SIZES: dict[str, Size] = {
    "atto": ((2, 2, 6, 2), (40, 80, 160, 320)),
    "femto": ((2, 2, 6, 2), (48, 96, 192, 384)),
    "pico": ((2, 2, 6, 2), (64, 128, 256, 512)),
    "nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
    "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
    "xlarge": ((3, 3, 27, 3), (256, 512, 1024, 2048)),
    "xxlarge": ((3, 4, 30, 3), (384, 768, 1536, 3072)),
    "huge": ((3, 3, 27, 3), (352, 704, 1408, 2816)),
}

_PAPER = "Liu et al. 2022, table 1"
_PAPER_V2 = "Woo et al. 2023, authors' repository: FCMAE, then fine-tuned on ImageNet-1K"
_IN_TORCHVISION = ("tiny", "small", "base", "large")

# size, top-1 in percent at 224 px, source
ROWS: tuple[tuple[str, float, str], ...] = (
    ("atto", 75.672, "timm d2_in1k weights"),
    ("femto", 77.498, "timm d1_in1k weights"),
    ("pico", 79.516, "timm d1_in1k weights"),
    ("nano", 80.762, "timm d1h_in1k weights"),
    ("tiny", 82.1, _PAPER),
    ("small", 83.1, _PAPER),
    ("base", 83.8, _PAPER),
    ("large", 84.3, _PAPER),
    ("xlarge", 87.0, f"{_PAPER}, pretrained on ImageNet-22K"),
)

# The small network of the second version is timm's, and was never trained.
ROWS_V2: tuple[tuple[str, float | None], ...] = (
    ("atto", 76.7),
    ("femto", 78.5),
    ("pico", 80.3),
    ("nano", 81.9),
    ("tiny", 83.0),
    ("small", None),
    ("base", 84.9),
    ("large", 85.8),
    ("huge", 86.3),
)

# size, channels between the two convolutions of the stem, top-1 in percent at 224 px, timm's weights
OVERLAPPING: tuple[tuple[str, int, float, str], ...] = (
    ("atto", 24, 75.902, "a2_in1k"),
    ("femto", 24, 77.852, "d1_in1k"),
    ("pico", 32, 79.542, "d1_in1k"),
    ("nano", 80, 80.906, "d1h_in1k"),
)


def _entry(size: str, top1: float, source: str) -> Entry:
    name = f"convnext_{size}"
    torchvision = Peer(name, TORCHVISION) if size in _IN_TORCHVISION else None
    make = partial(convnext, *SIZES[size], name=name)
    return Entry(name, make, Accuracy(top1, 224, source), torchvision=torchvision, timm=Peer(name, TIMM))


def _overlapping_entry(size: str, middle: int, top1: float, weights: str) -> Entry:
    name = f"convnext_{size}_ols"
    make = partial(convnext, *SIZES[size], stem=overlapping(middle), name=name)
    accuracy = Accuracy(top1, 224, f"timm {weights} weights")
    return Entry(name, make, accuracy, "two overlapping convolutions as its stem", timm=Peer(name, TIMM))


_XXLARGE = partial(
    convnext,
    *SIZES["xxlarge"],
    replace(FIRST, norm=replace(FIRST.norm, eps=1e-5)),
    resolution=256,
    name="convnext_xxlarge",
)

_NORM_FIRST = partial(convnext, *SIZES["tiny"], head=norm_first, name="convnext_tiny_hnf")
_LARGE_MLP = partial(convnext, *SIZES["large"], head=with_hidden(1536), resolution=256, name="convnext_large_mlp")

# name, how it is made, keys, top-1 in percent, px, timm's weights, how it differs from the paper's
OTHERS: tuple[tuple[str, Callable[[], Architecture], KeyMap, float, int, str, str], ...] = (
    (
        "convnext_xxlarge", _XXLARGE, TIMM, 88.622, 256, "clip_laion2b_soup_ft_in1k weights, pretrained on LAION-2B",
        "norm epsilon 1e-5 throughout",
    ),
    (
        "convnext_tiny_hnf", _NORM_FIRST, TIMM_NORM_FIRST, 82.23, 224,
        "a2h_in1k weights", "the last norm stands before the pooling",
    ),
    (
        "convnext_large_mlp", _LARGE_MLP, TIMM, 87.344, 256,
        "clip_laion2b_augreg_ft_in1k weights, pretrained on LAION-2B", "a hidden layer before the classifier",
    ),
)  # fmt: skip


def _other_entry(
    name: str, make: Callable[[], Architecture], keys: KeyMap, top1: float, resolution: int, weights: str, note: str
) -> Entry:
    return Entry(name, make, Accuracy(top1, resolution, f"timm {weights}"), note, timm=Peer(name, keys))


def _second_entry(size: str, top1: float | None) -> Entry:
    name = f"convnextv2_{size}"
    accuracy = None if top1 is None else Accuracy(top1, 224, _PAPER_V2)
    note = "a size of timm's, for which no weights were published" if top1 is None else ""
    make = partial(convnext, *SIZES[size], SECOND, name=name)
    return Entry(name, make, accuracy, note, timm=Peer(name, TIMM))


FAMILY = Family(
    name="convnext",
    title="ConvNeXt",
    year=2022,
    paper="Liu et al. 2022, A ConvNet for the 2020s, arXiv:2201.03545",
    idea="A ResNet modernised step by step after vision transformers, until it is as good without attention.",
    entries=(
        *(_entry(*row) for row in ROWS),
        *(_other_entry(*row) for row in OTHERS),
        *(_overlapping_entry(*row) for row in OVERLAPPING),
    ),
    predecessor="resnet",
    difference=(
        "A 7x7 depthwise convolution and an inverted bottleneck with one norm over channels and one GELU replace "
        "the bottleneck of three convolutions with their norms, and stages shrink between blocks, not within them."
    ),
)

SECOND_FAMILY = Family(
    name="convnextv2",
    title="ConvNeXt V2",
    year=2023,
    paper="Woo et al. 2023, ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders, arXiv:2301.00808",
    idea="Channels compete through a global response norm, so that masked-autoencoder pretraining pays off.",
    entries=tuple(_second_entry(*row) for row in ROWS_V2),
    predecessor="convnext",
    difference="A global response norm in the wide part of the block replaces the gain at its end; widths, depths and "
    "everything else stay.",
)

"""How torchvision and timm name the tensors of ResNet and its kin."""

from __future__ import annotations

from vertebra.zoo.entry import Peer
from vertebra.zoo.keys import KeyMap, Rule

_BLOCK = "stages.{s}.{b}"
_THEIRS = "layer{s+1}.{b}"

# Both projects: a basic block, a bottleneck, and timm's attention.
_BLOCKS: tuple[Rule, ...] = (
    (f"{_BLOCK}.conv1.conv", f"{_THEIRS}.conv1"),
    (f"{_BLOCK}.conv1.norm", f"{_THEIRS}.bn1"),
    (f"{_BLOCK}.conv2.conv", f"{_THEIRS}.conv2"),
    (f"{_BLOCK}.conv2.norm", f"{_THEIRS}.bn2"),
    (f"{_BLOCK}.reduce.conv", f"{_THEIRS}.conv1"),
    (f"{_BLOCK}.reduce.norm", f"{_THEIRS}.bn1"),
    (f"{_BLOCK}.conv.conv", f"{_THEIRS}.conv2"),
    (f"{_BLOCK}.conv.norm", f"{_THEIRS}.bn2"),
    (f"{_BLOCK}.expand.conv", f"{_THEIRS}.conv3"),
    (f"{_BLOCK}.expand.norm", f"{_THEIRS}.bn3"),
    (f"{_BLOCK}.attention.reduce", f"{_THEIRS}.se.fc1"),
    (f"{_BLOCK}.attention.expand", f"{_THEIRS}.se.fc2"),
)

RESNET = KeyMap(
    (
        ("stem.conv", "conv1"),
        ("stem.norm", "bn1"),
        *_BLOCKS,
        (f"{_BLOCK}.shortcut.conv", f"{_THEIRS}.downsample.0"),
        (f"{_BLOCK}.shortcut.norm", f"{_THEIRS}.downsample.1"),
        ("fc", "fc"),
    )
)
"""The names of torchvision and timm for ResNet, Wide ResNet, ResNeXt and SENet: they are the same."""

RESNET_D = KeyMap(
    (
        ("stem.conv1.conv", "conv1.0"),
        ("stem.conv1.norm", "conv1.1"),
        ("stem.conv2.conv", "conv1.3"),
        ("stem.conv2.norm", "conv1.4"),
        ("stem.conv3.conv", "conv1.6"),
        ("stem.conv3.norm", "bn1"),
        *_BLOCKS,
        (f"{_BLOCK}.shortcut.conv", f"{_THEIRS}.downsample.1"),
        (f"{_BLOCK}.shortcut.norm", f"{_THEIRS}.downsample.2"),
        ("fc", "fc"),
    )
)
"""timm's names for ResNet-D: the pool is the first of the three steps of a shortcut."""

RESNET_V2 = KeyMap(
    (
        ("stem.conv", "stem.conv"),
        (f"{_BLOCK}.preact.norm", "stages.{s}.blocks.{b}.norm1"),
        (f"{_BLOCK}.reduce.conv", "stages.{s}.blocks.{b}.conv1"),
        (f"{_BLOCK}.reduce.norm", "stages.{s}.blocks.{b}.norm2"),
        (f"{_BLOCK}.conv.conv", "stages.{s}.blocks.{b}.conv2"),
        (f"{_BLOCK}.conv.norm", "stages.{s}.blocks.{b}.norm3"),
        (f"{_BLOCK}.expand", "stages.{s}.blocks.{b}.conv3"),
        (f"{_BLOCK}.shortcut", "stages.{s}.blocks.{b}.downsample.conv"),
        ("norm", "norm"),
        ("fc", "head.fc"),
    )
)
"""timm's names for the pre-activation ResNets; its classifier is a 1x1 convolution."""


def peer(name: str, keys: KeyMap, source: str, holders: tuple[str, ...]) -> Peer | None:
    """The peer of this name in ``source``, if that is among those which have it."""
    return Peer(name, keys) if source in holders else None


BOTH = ("torchvision", "timm")
TIMM = ("timm",)
NEITHER: tuple[str, ...] = ()

"""What the mobile families share: settings of batch normalisation, TensorFlow's form, a rule of multipliers."""

from __future__ import annotations

from functools import partial

from vertebra.arch.architecture import Architecture
from vertebra.arch.primitives import Norm
from vertebra.arch.record import replace
from vertebra.zoo.entry import Accuracy, Entry, Peer
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.mobile_keys import TIMM

TORCH = Norm()
"""torch's own settings; timm's too."""
AUTHORS = Norm(eps=1e-3, momentum=0.01)
"""Those of the authors' code for MobileNetV3 and EfficientNet, and torchvision's for some of them."""
TENSORFLOW = Norm(eps=1e-3)
"""timm's for the weights of TensorFlow; torchvision's for EfficientNetV2."""
EVENLY = "padded evenly, as its peers are; the authors' code pads as TensorFlow does"
"""How most networks here differ from those whose accuracies the papers print."""


def tensorflow_entry(name: str, make: partial[Architecture], accuracy: Accuracy, keys: KeyMap = TIMM) -> Entry:
    """The form that timm has for TensorFlow's weights: padded as TensorFlow pads, with its norm's settings."""
    exact = partial(make, norm=TENSORFLOW, padding="same", name=name)
    return Entry(name, exact, accuracy, "padded as TensorFlow pads", timm=Peer(name, keys))


def scaled_between_ends(base: Architecture, width: float, depth: float) -> Architecture:
    """Every stage's width times ``width``, and the depth of all but the first and the last times ``depth``.

    The stem and the head keep their widths: EfficientNet-Lite's rule, which timm's deeper MobileNetV2 follow too.
    Raises TransformError for multipliers out of range.
    """
    scaled = base.scaled(width=width, depth=depth)
    last = len(base.stages) - 1
    stages = tuple(
        replace(stage, depth=own.depth) if index in (0, last) else stage
        for index, (stage, own) in enumerate(zip(scaled.stages, base.stages, strict=True))
    )
    return replace(scaled, name=base.name, stem=base.stem, stages=stages, head=base.head)

"""EfficientNet-Lite (Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, 2020; code in the
TensorFlow TPU models): EfficientNet for phones and accelerators.

No attention, ReLU6 for SiLU, and a stem, a head and outer depths that do not scale.
"""

from __future__ import annotations

from functools import partial

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.inverted import InvertedResidual
from vertebra.arch.primitives import Act, Norm, Padding
from vertebra.zoo.efficientnets import STAGES
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer
from vertebra.zoo.making import mean_head
from vertebra.zoo.mobile import EVENLY, TORCH, scaled_between_ends, tensorflow_entry
from vertebra.zoo.mobile_keys import TIMM


def efficientnet_lite(
    width: float = 1.0,
    depth: float = 1.0,
    *,
    resolution: int = 224,
    dropout: float = 0.2,
    norm: Norm | None = None,
    padding: Padding = "half",
    classes: int = 1000,
    name: str = "efficientnet_lite",
) -> Architecture:
    """An EfficientNet-Lite with any width and depth multiplier, meant for ``resolution`` pixels.

    ``padding="same"`` pads as TensorFlow does.  Raises TransformError for multipliers out of range, ArchitectureError
    for other numbers that are.
    """
    norm, relu6 = norm or TORCH, Act("relu6")
    base = Architecture(
        name=name,
        stem=ConvNormAct(32, 3, 2, norm=norm, act=relu6, padding=padding),
        stages=tuple(Stage(InvertedResidual(c, s, t, k, norm, relu6, padding=padding), n) for t, k, s, c, n in STAGES),
        head=mean_head(classes, ("conv", ConvNormAct(1280, norm=norm, act=relu6)), dropout=dropout),
        resolution=resolution,
        initialisation=Initialisation(linear="uniform_fan_out"),
    )
    return scaled_between_ends(base, width, depth)


_README = "TensorFlow TPU models, efficientnet/lite README (float32)"

# member, width, depth, dropout, the authors' resolution and top-1 in percent, those of timm's in1k weights
ROWS: tuple[tuple[int, float, float, float, int, float, int, float], ...] = (
    (0, 1.0, 1.0, 0.2, 224, 75.1, 224, 74.846),
    (1, 1.0, 1.1, 0.2, 240, 76.7, 240, 76.674),
    (2, 1.1, 1.2, 0.3, 260, 77.6, 260, 77.470),
    (3, 1.2, 1.4, 0.3, 280, 79.8, 300, 79.808),
    (4, 1.4, 1.8, 0.3, 300, 81.5, 380, 81.540),
)


def _entry(member: int, width: float, depth: float, dropout: float, resolution: int, top1: float) -> Entry:
    name = f"efficientnet_lite{member}"
    make = partial(efficientnet_lite, width, depth, resolution=resolution, dropout=dropout, name=name)
    note = f"batch-norm epsilon 1e-5, as in timm; the authors' is 1e-3; {EVENLY}"
    return Entry(name, make, Accuracy(top1, resolution, _README), note, timm=Peer(name, TIMM))


def _tensorflow(member: int, width: float, depth: float, dropout: float, resolution: int, top1: float) -> Entry:
    make = partial(efficientnet_lite, width, depth, resolution=resolution, dropout=dropout)
    accuracy = Accuracy(top1, resolution, "timm, in1k weights, trained by the authors")
    return tensorflow_entry(f"tf_efficientnet_lite{member}", make, accuracy)


FAMILY = Family(
    name="efficientnet_lite",
    title="EfficientNet-Lite",
    year=2020,
    paper="Tan and Le 2019, EfficientNet, arXiv:1905.11946; Liu 2020, Higher accuracy on vision models (blog post)",
    idea="EfficientNet without what phone accelerators dislike: no attention, ReLU6, a stem and head of fixed size.",
    predecessor="efficientnet",
    difference="No attention, ReLU6 for SiLU, and a stem and head that keep their size when the rest is scaled.",
    entries=(
        *(_entry(*row[:4], row[4], row[5]) for row in ROWS),
        *(_tensorflow(*row[:4], row[6], row[7]) for row in ROWS),
    ),
)

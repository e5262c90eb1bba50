"""EfficientNet (Tan and Le, "Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, arXiv:1905.11946).

Stages: table 1.  Members are B0 scaled by the coefficients that the authors published with their code, rounded as
theirs.
"""

from __future__ import annotations

from functools import partial

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.inverted import MBConv
from vertebra.arch.primitives import Act, Norm, Padding
from vertebra.arch.record import replace
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer
from vertebra.zoo.making import mean_head
from vertebra.zoo.mobile import AUTHORS, EVENLY, TORCH, tensorflow_entry
from vertebra.zoo.mobile_keys import TIMM, torchvision_efficientnet

# expansion, kernel, stride, output channels, depth
STAGES: tuple[tuple[int, int, int, int, int], ...] = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def efficientnet(
    width: float = 1.0,
    depth: float = 1.0,
    *,
    resolution: int = 224,
    dropout: float = 0.2,
    norm: Norm | None = None,
    padding: Padding = "half",
    classes: int = 1000,
    name: str = "efficientnet",
) -> Architecture:
    """An EfficientNet with any width and depth multiplier, meant for ``resolution`` pixels.

    ``padding="same"`` pads as TensorFlow does.  Raises TransformError for multipliers out of range, ArchitectureError
    for other numbers that are.
    """
    norm, silu = norm or TORCH, Act("silu")
    base = Architecture(
        name=name,
        stem=ConvNormAct(32, 3, 2, norm=norm, act=silu, padding=padding),
        stages=tuple(Stage(MBConv(c, s, t, k, norm=norm, padding=padding), n) for t, k, s, c, n in STAGES),
        head=mean_head(classes, ("conv", ConvNormAct(1280, norm=norm, act=silu)), dropout=dropout),
        resolution=resolution,
        initialisation=Initialisation(linear="uniform_fan_out"),
    )
    return replace(base.scaled(width=width, depth=depth), name=name)


# member, width, depth, resolution, dropout, norm, top-1 in percent (table 2); torchvision keeps torch's batch-norm
# settings up to B4, the authors' are theirs throughout
ROWS: tuple[tuple[int, float, float, int, float, Norm, float], ...] = (
    (0, 1.0, 1.0, 224, 0.2, TORCH, 77.1),
    (1, 1.0, 1.1, 240, 0.2, TORCH, 79.1),
    (2, 1.1, 1.2, 260, 0.3, TORCH, 80.1),
    (3, 1.2, 1.4, 300, 0.3, TORCH, 81.6),
    (4, 1.4, 1.8, 380, 0.4, TORCH, 82.9),
    (5, 1.6, 2.2, 456, 0.4, AUTHORS, 83.6),
    (6, 1.8, 2.6, 528, 0.5, AUTHORS, 84.0),
    (7, 2.0, 3.1, 600, 0.5, AUTHORS, 84.3),
)
B8 = (2.2, 3.6, 672, 0.5)
"""The multipliers of Xie et al. 2020 (Adversarial Examples Improve Image Recognition, arXiv:1911.09665)."""

# top-1 in percent of timm's aa_in1k weights (AutoAugment, as in the paper), which the authors trained, for B0 to B7
TENSORFLOW_TOP1 = (76.882, 78.840, 80.074, 81.648, 83.040, 83.696, 84.124, 84.424)

_TORCHVISION_KEYS = torchvision_efficientnet(len(STAGES))


def _make(name: str, width: float, depth: float, resolution: int, dropout: float) -> partial[Architecture]:
    return partial(efficientnet, width, depth, resolution=resolution, dropout=dropout, name=name)


def _entry(member: int, width: float, depth: float, resolution: int, dropout: float, norm: Norm, top1: float) -> Entry:
    name = f"efficientnet_b{member}"
    make = _make(name, width, depth, resolution, dropout)
    torch = norm == TORCH
    note = (
        "batch-norm epsilon 1e-5, as in torchvision; the authors' is 1e-3"
        if torch
        else "batch-norm epsilon 1e-3, as in torchvision and the authors' code; timm's is 1e-5"
    )
    return Entry(
        name,
        partial(make, norm=norm),
        Accuracy(top1, resolution, "Tan and Le 2019, table 2"),
        f"{note}; {EVENLY}",
        torchvision=Peer(name, _TORCHVISION_KEYS),
        timm=Peer(name, TIMM, None if torch else partial(make, norm=TORCH)),
    )


def _b8() -> Entry:
    name = "efficientnet_b8"
    note = "its weights are published as TensorFlow pads alone: tf_efficientnet_b8; multipliers of Xie et al. 2020"
    return Entry(name, _make(name, *B8), None, note, timm=Peer(name, TIMM))


def _tensorflow(
    member: int, width: float, depth: float, resolution: int, dropout: float, top1: float, weights: str
) -> Entry:
    name = f"tf_efficientnet_b{member}"
    accuracy = Accuracy(top1, resolution, f"timm, {weights} weights, trained by the authors")
    return tensorflow_entry(name, _make(name, width, depth, resolution, dropout), accuracy)


FAMILY = Family(
    name="efficientnet",
    title="EfficientNet",
    year=2019,
    paper="Tan and Le 2019, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv:1905.11946",
    idea="Scale width, depth and resolution together, in fixed proportion, from a base network that was searched for.",
    predecessor="mnasnet",
    difference=(
        "The same search aimed at MACs instead of latency, every block has attention, SiLU replaces ReLU, and "
        "larger members scale width, depth and resolution at once."
    ),
    entries=(
        *(_entry(*row) for row in ROWS),
        _b8(),
        *(_tensorflow(*row[:5], top1, "aa_in1k") for row, top1 in zip(ROWS, TENSORFLOW_TOP1, strict=True)),
        _tensorflow(8, *B8, 85.358, "ap_in1k"),
    ),
)

"""MobileNetV1 (Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto and Adam, "MobileNets: Efficient Convolutional
Neural Networks for Mobile Vision Applications", 2017, arXiv:1704.04861).

Stages: table 1, whose stride of 2 in the last block is a slip: the map stays at 7x7.  Rows: tables 6 and 7.
"""

from __future__ import annotations

from functools import partial

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.blocks.separable import DepthwiseSeparable
from vertebra.arch.primitives import Act, Function
from vertebra.arch.record import replace
from vertebra.arch.rounding import Rounding
from vertebra.zoo.entry import Accuracy, Entry, Family, Peer, Published
from vertebra.zoo.making import mean_head
from vertebra.zoo.mobile import EVENLY
from vertebra.zoo.mobile_keys import TIMM_V1

# output channels, stride, depth
STAGES: tuple[tuple[int, int, int], ...] = ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 2, 6), (1024, 2, 2))


def mobilenet_v1(
    width: float = 1.0,
    *,
    activation: Function = "relu6",
    last: int | None = None,
    classes: int = 1000,
    resolution: int = 224,
    name: str = "mobilenet_v1",
) -> Architecture:
    """MobileNetV1 with any width multiplier (the paper's alpha); its rho is ``resolution`` / 224.

    ``last`` is the width of one more 1x1 convolution before the pooling, which the paper has not; the multiplier does
    not narrow it.  The activation is that of the authors' code; the paper has ``"relu"``.  Raises TransformError for a
    multiplier out of range, ArchitectureError for other numbers that are.
    """
    act = Act(activation)
    before = () if last is None else (("conv", ConvNormAct(last, act=act)),)
    base = Architecture(
        name=name,
        stem=ConvNormAct(32, 3, 2, act=act),
        stages=tuple(Stage(DepthwiseSeparable(c, s, act=act, end=act), n) for c, s, n in STAGES),
        head=mean_head(classes, *before),
        resolution=resolution,
        rounding=Rounding(head_floor=1.0),
    )
    return replace(base.scaled(width=width), name=name)


_RELU6 = f"ReLU6, as in timm and in the authors' code; the paper says ReLU; {EVENLY}"
_TIMM = "timm, ra4_e3600_r224_in1k weights"
_WIDTHS = "Howard et al. 2017, table 6"
_RESOLUTIONS = "Howard et al. 2017, table 7"

# name, width, the last convolution, top-1 in percent at 224 px, source
TIMM_ROWS: tuple[tuple[str, float, int | None, float, str], ...] = (
    ("mobilenetv1_100", 1.0, None, 70.6, _WIDTHS),
    ("mobilenetv1_100h", 1.0, 1024, 75.664, _TIMM),
    ("mobilenetv1_125", 1.25, None, 76.920, _TIMM),
)

# name, width, resolution, top-1 in percent, millions of MACs and of parameters as printed, how far ours round to them
ROWS: tuple[tuple[str, float, int, float, float, float | None, int, str], ...] = (
    ("mobilenetv1_075", 0.75, 224, 68.4, 325, None, 3, _WIDTHS),
    ("mobilenetv1_050", 0.5, 224, 63.7, 149, 1.3, 2, _WIDTHS),
    ("mobilenetv1_025", 0.25, 224, 50.6, 41, None, 2, _WIDTHS),
    ("mobilenetv1_100_192", 1.0, 192, 69.1, 418, 4.2, 2, _RESOLUTIONS),
    ("mobilenetv1_100_160", 1.0, 160, 67.2, 290, 4.2, 2, _RESOLUTIONS),
    ("mobilenetv1_100_128", 1.0, 128, 64.4, 186, 4.2, 2, _RESOLUTIONS),
)


def _in_timm(name: str, width: float, last: int | None, top1: float, source: str) -> Entry:
    note = f"a 1x1 convolution before the pooling, which the paper has not; {_RELU6}" if last else _RELU6
    make = partial(mobilenet_v1, width, last=last, name=name)
    return Entry(name, make, Accuracy(top1, 224, source), note, timm=Peer(name, TIMM_V1))


def _of_the_paper(
    name: str, width: float, resolution: int, top1: float, macs: float, params: float | None, digits: int, source: str
) -> Entry:
    millions = None if params is None else params * 1e6
    return Entry(
        name,
        partial(mobilenet_v1, width, resolution=resolution, name=name),
        Accuracy(top1, resolution, source),
        _RELU6,
        published=Published(source, millions, macs * 1e6, digits),
    )


FAMILY = Family(
    name="mobilenet_v1",
    title="MobileNetV1",
    year=2017,
    paper="Howard et al. 2017, MobileNets: Efficient CNNs for Mobile Vision Applications, arXiv:1704.04861",
    idea="One filter for each channel and then a 1x1 mixing do a convolution's work at an eighth of its cost.",
    predecessor="vgg",
    difference=(
        "Each 3x3 convolution becomes a depthwise one and a 1x1, with batch norm after both, and strides take the "
        "place of pools: about VGG-16's accuracy at a 27th of its MACs."
    ),
    entries=(*(_in_timm(*row) for row in TIMM_ROWS), *(_of_the_paper(*row) for row in ROWS)),
)

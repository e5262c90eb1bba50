"""How far maps move when strides become dilations: the table of docs/features.md.

Made-up weights (tests/nn/helpers.py), one image of 128 px, float64: the last map of the network with an output stride,
at the kept positions, against its own; the norm of the difference over the norm.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.nn.helpers import images, randomised
from vertebra.nn import build, features
from vertebra.zoo import architecture

NAMES = [
    "alexnet",
    "vgg11",
    "googlenet",
    "inception_v3",
    "resnet18",
    "resnet50",
    "resnet50d",
    "resnetv2_50",
    "densenet121",
    "mobilenetv1_100",
    "mobilenet_v2",
    "mnasnet1_0",
    "efficientnet_lite0",
    "tf_efficientnet_lite0",
    "tf_mobilenetv3_small_minimal_100",
    "convnext_atto",
    "seresnet18",
    "seresnet50",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "tf_efficientnet_b0",
    "efficientnet_v2_s",
    "convnextv2_atto",
]


def difference(name: str, output_stride: int) -> float:
    """The relative error of the last map."""
    arch = architecture(name).without_head()
    last = arch.feature_info()[-1]
    net = randomised(build(arch)).eval().double()
    fine = build(arch.with_output_stride(output_stride)).eval().double()
    fine.load_state_dict(net.state_dict())
    x = images(1, 3, 128, 128).double()
    step = max(1, last.stride // output_stride)
    with torch.inference_mode():
        (coarse,) = features(net, nodes=(last.path,))(x)
        (spread,) = features(fine, nodes=(last.path,))(x)
    kept = spread[:, :, ::step, ::step]
    return float((kept - coarse).norm() / coarse.norm())


if __name__ == "__main__":
    print("| network | output stride 16 | output stride 8 |\n|---|---|---|")
    for each in NAMES:
        print(f"| {each} | {difference(each, 16):.1e} | {difference(each, 8):.1e} |", flush=True)

"""Whole networks against torchvision's, the same tensors matched by order."""

from __future__ import annotations

import pytest
import torch

from tests.nn.helpers import images, randomised, transplanted
from tests.peers import torchvision
from vertebra.nn import build
from vertebra.zoo import architecture


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2", "densenet121", "efficientnet_b0"])
def test_same_as_torchvision(name):
    net = randomised(build(architecture(name)).eval())
    with torch.device("meta"):
        peer = getattr(torchvision().models, name)()
    x = images(1, 3, 64, 64)
    with torch.inference_mode():
        y, w = net(x), transplanted(net, peer).eval()(x)
    torch.testing.assert_close(y, w, rtol=1e-3, atol=1e-3 * w.abs().max().item())

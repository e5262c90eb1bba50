"""The examples, whole, at toy size: each does what it says, and draws a picture."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch):
    """Import an example as a run of it would: its own folder comes first."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    torch.set_num_threads(threads)
    for name in ("shapes", "feature_pyramid", "grad_cam", "nearest_neighbours"):
        sys.modules.pop(name, None)


def check_picture(path: Path) -> None:
    with Image.open(path) as picture:
        assert min(picture.size) > 200 and len(picture.convert("RGB").getcolors(1 << 24)) > 100


def test_a_feature_pyramid_segments(example, tmp_path: Path) -> None:
    """A constant answer has an overlap of 0 with every shape."""
    share = example("feature_pyramid").main(["--steps", "160", "--out", str(tmp_path)])
    assert share > 0.3
    check_picture(tmp_path / "pyramid.png")


def test_grad_cam_looks_at_the_shape(example, tmp_path: Path) -> None:
    """Heat without regard to the picture would lie on the shapes as their area does: a ratio of 1."""
    accuracy, ratio = example("grad_cam").main(["--steps", "130", "--side", "32", "--out", str(tmp_path)])
    assert accuracy > 0.6  # three classes
    assert ratio > 1.5
    check_picture(tmp_path / "grad_cam.png")


def test_embeddings_find_classes_never_seen(example, tmp_path: Path) -> None:
    """Four classes of nearly equal size: a quarter by chance."""
    share = example("nearest_neighbours").main(["--epochs", "3", "--out", str(tmp_path)])
    assert share > 0.7
    check_picture(tmp_path / "neighbours.png")


def test_grad_cam_of_a_linear_head_is_its_class_activation_map(example) -> None:
    """For a global pool and a linear layer, Grad-CAM is CAM up to a factor (Selvaraju et al. 2017, section 3.1)."""
    from vertebra.nn import build
    from vertebra.zoo import cifar_resnet

    net = build(cifar_resnet(1, classes=3, resolution=16), seed=3).eval()
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 2])
    maps: list[torch.Tensor] = []
    with net.get_submodule("stages").register_forward_hook(lambda module, given, value: maps.append(value)):
        net(images)
    cam = torch.einsum("nk,nkhw->nhw", net.get_submodule("fc").weight[labels], maps[0]).relu().detach()
    cam = torch.nn.functional.interpolate(cam[:, None], size=(16, 16), mode="bilinear")[:, 0]
    cam = cam / cam.amax((1, 2), keepdim=True).clamp(min=1e-9)
    torch.testing.assert_close(example("grad_cam").grad_cam(net, images, labels), cam, rtol=1e-4, atol=1e-5)

"""A feature pyramid with a segmentation head, on any backbone.

The maps of four strides are brought to one width, each is added to the coarser one above it (Lin et al. 2017, Feature
Pyramid Networks, figure 3), and all are summed at stride 4 to say the class of each pixel (after Kirillov et al. 2019,
Panoptic Feature Pyramid Networks, section 3.1).

    python examples/feature_pyramid.py --backbone mobilenet_v2 --out runs/pyramid
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from shapes import KINDS, Picture, pictures
from torch import Tensor, nn
from torch.nn import functional

import vertebra as vb

STRIDES = (4, 8, 16, 32)


class Pyramid(nn.Module):
    """Images float32[N, 3, S, S] to a score for each class and pixel, float32[N, classes, S, S]."""

    def __init__(self, backbone: nn.Module, classes: int, width: int = 48) -> None:
        super().__init__()
        self.maps = vb.features(backbone, strides=STRIDES)
        self.lateral = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in self.maps.channels)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in STRIDES)
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = [lateral(x) for lateral, x in zip(self.lateral, self.maps(images), strict=True)]
        for fine in reversed(range(len(maps) - 1)):
            maps[fine] = maps[fine] + functional.interpolate(maps[fine + 1], size=maps[fine].shape[-2:])
        whole = sum(
            functional.interpolate(smooth(x).relu(), size=maps[0].shape[-2:], mode="bilinear")
            for smooth, x in zip(self.smooth, maps, strict=True)
        )
        return functional.interpolate(self.classify(whole), size=images.shape[-2:], mode="bilinear")


def tensors(found: Sequence[Picture]) -> tuple[Tensor, Tensor]:
    """Images float32[N, 3, S, S] about zero, and masks int64[N, S, S]."""
    images = torch.from_numpy(np.stack([one.image for one in found])).permute(0, 3, 1, 2).float()
    return images / 127.5 - 1, torch.from_numpy(np.stack([one.mask for one in found]))


def trained(model: nn.Module, images: Tensor, masks: Tensor, steps: int, batch: int = 16) -> nn.Module:
    """The model after so many steps of Adam, its learning rate falling to zero."""
    optimiser = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    draw = torch.Generator().manual_seed(0)
    model.train()
    for step in range(steps):
        chosen = torch.randint(len(images), (batch,), generator=draw)
        loss = functional.cross_entropy(model(images[chosen]), masks[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 49 or step == steps - 1:
            print(f"step {step + 1}: loss {loss.item():.3f}")
    return model.eval()


def overlap(predicted: Tensor, truth: Tensor, classes: int) -> list[float]:
    """Intersection over union of each class, over all pixels."""
    pairs = [((predicted == label), (truth == label)) for label in range(classes)]
    return [float((a & b).sum() / (a | b).sum().clamp(min=1)) for a, b in pairs]


def draw(found: Sequence[Picture], predicted: Tensor, path: Path) -> None:
    """The pictures, the truth below them, the prediction below that."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    colours = ListedColormap(["#f2f2f2", "#0072b2", "#e69f00", "#009e73"])
    figure = Figure(figsize=(1.5 * len(found), 4.9), layout="constrained")
    axes = figure.subplots(3, len(found), squeeze=False)
    for column, one in enumerate(found):
        axes[0, column].imshow(one.image)
        axes[1, column].imshow(one.mask, cmap=colours, vmin=0, vmax=len(KINDS))
        axes[2, column].imshow(predicted[column].numpy(), cmap=colours, vmin=0, vmax=len(KINDS))
    for row, name in enumerate(("picture", "truth", "predicted")):
        axes[row, 0].set_ylabel(name)
    for one in axes.flat:
        one.set(xticks=[], yticks=[])
    names = [f"{kind}" for kind in ("ground", *KINDS)]
    patches = [figure.axes[0].scatter([], [], marker="s", s=80, color=colours(i)) for i in range(len(names))]
    figure.legend(patches, names, loc="outside lower center", ncol=len(names), frameon=False)
    figure.savefig(path, dpi=100)


def main(arguments: Sequence[str] | None = None) -> float:
    """Train, print the overlap of each class, write the picture; returns the mean overlap of the shapes."""
    parser = argparse.ArgumentParser(description="A feature pyramid with a segmentation head on generated pictures.")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--width", type=float, default=0.25, help="width multiplier of the backbone")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--side", type=int, default=64, help="of the pictures, px")
    parser.add_argument("--out", type=Path, default=Path("runs/pyramid"))
    chosen = parser.parse_args(arguments)

    classes = 1 + len(KINDS)
    arch = vb.architecture(chosen.backbone).scaled(width=chosen.width)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Pyramid(vb.build(arch), classes)
    images, masks = tensors(pictures(1000, side=chosen.side, seed=0))
    trained(model, images, masks, chosen.steps)

    held_out = pictures(64, side=chosen.side, seed=1)
    images, masks = tensors(held_out)
    with torch.inference_mode():
        predicted = model(images).argmax(1)
    shares = overlap(predicted, masks, classes)
    for name, share in zip(("ground", *KINDS), shares, strict=True):
        print(f"{name:9} intersection over union {100 * share:5.1f}%")
    chosen.out.mkdir(parents=True, exist_ok=True)
    draw(held_out[:6], predicted[:6], chosen.out / "pyramid.png")
    print(f"picture: {chosen.out / 'pyramid.png'}")
    return sum(shares[1:]) / len(KINDS)


if __name__ == "__main__":
    main()

"""Grad-CAM: where a network looks for the class that it names (Selvaraju et al. 2017, equations 1 and 2).

The gradient of a class's score at the last map, averaged over the positions, weighs the map's channels; the positive
part of their sum is the heat.  A network from vertebra is an ordinary torch module, so a forward hook is all it takes.

    python examples/grad_cam.py --out runs/grad_cam
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


def grad_cam(net: nn.Module, images: Tensor, labels: Tensor, layer: str = "stages") -> Tensor:
    """Heat of ``labels`` int64[N] for images float32[N, 3, S, S]: float32[N, S, S], each scaled to 0..1."""
    kept: list[Tensor] = []
    hook = net.get_submodule(layer).register_forward_hook(lambda module, given, value: kept.append(value))
    try:
        scores = net(images).gather(1, labels[:, None]).sum()
    finally:
        hook.remove()
    (slopes,) = torch.autograd.grad(scores, kept)
    heat = (slopes.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True).relu().detach()
    heat = functional.interpolate(heat, size=images.shape[-2:], mode="bilinear")[:, 0]
    return heat / heat.amax((1, 2), keepdim=True).clamp(min=1e-9)


def tensors(found: Sequence[Picture]) -> tuple[Tensor, Tensor]:
    """Images float32[N, 3, S, S] about zero, and labels int64[N]."""
    images = torch.from_numpy(np.stack([one.image for one in found])).permute(0, 3, 1, 2).float()
    return images / 127.5 - 1, torch.tensor([one.label for one in found])


def trained(net: nn.Module, images: Tensor, labels: Tensor, steps: int, batch: int = 32) -> nn.Module:
    """The network after so many steps of SGD, its learning rate falling to zero."""
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.1, total_steps=steps)
    draw = torch.Generator().manual_seed(0)
    net.train()
    for step in range(steps):
        chosen = torch.randint(len(images), (batch,), generator=draw)
        loss = functional.cross_entropy(net(images[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 49 or step == steps - 1:
            print(f"step {step + 1}: loss {loss.item():.3f}")
    return net.eval()


def draw(found: Sequence[Picture], heat: Tensor, predicted: Sequence[int], path: Path) -> None:
    """Each picture under what it was taken for, in red where that is wrong, and its heat over it below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.5 * len(found), 3.6), layout="constrained")
    axes = figure.subplots(2, len(found), squeeze=False)
    for column, one in enumerate(found):
        axes[0, column].imshow(one.image)
        colour = "black" if predicted[column] == one.label else "#d55e00"
        axes[0, column].set_title(KINDS[predicted[column]], fontsize=10, color=colour)
        axes[1, column].imshow(one.image.mean(axis=2), cmap="gray")
        shown = axes[1, column].imshow(heat[column].numpy(), cmap="inferno", alpha=0.6, vmin=0, vmax=1)
    for one in axes.flat:
        one.set(xticks=[], yticks=[])
    figure.colorbar(shown, ax=axes[1, :], label="heat", shrink=0.9)
    figure.savefig(path, dpi=100)


def main(arguments: Sequence[str] | None = None) -> tuple[float, float]:
    """Train, print, write the picture; returns the accuracy and the share of the heat that lies on the shapes."""
    parser = argparse.ArgumentParser(description="Grad-CAM of a small network on generated pictures.")
    parser.add_argument("--network", default="cifar_resnet20")
    parser.add_argument("--depth", type=float, default=0.34, help="depth multiplier of the network")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--side", type=int, default=48, help="of the pictures, px")
    parser.add_argument("--out", type=Path, default=Path("runs/grad_cam"))
    chosen = parser.parse_args(arguments)

    # Its total stride of 4 leaves a map of 12 x 12 for pictures of 48 px: heat needs positions.
    arch = vb.architecture(chosen.network).scaled(depth=chosen.depth).with_classes(len(KINDS))
    net = vb.build(arch)
    trained(net, *tensors(pictures(1000, side=chosen.side, seed=0, most=1)), chosen.steps)

    held_out = pictures(64, side=chosen.side, seed=1, most=1)
    images, labels = tensors(held_out)
    with torch.no_grad():
        predicted = net(images).argmax(1)
    heat = grad_cam(net, images, predicted)
    right = float((predicted == labels).float().mean())
    inside = torch.from_numpy(np.stack([one.mask > 0 for one in held_out]))
    on_shapes = float((heat * inside).sum() / heat.sum().clamp(min=1e-9))
    area = float(inside.float().mean())
    print(f"accuracy {100 * right:.1f}%; the shape, {100 * area:.0f}% of the area, {100 * on_shapes:.0f}% of the heat")
    chosen.out.mkdir(parents=True, exist_ok=True)
    draw(held_out[:7], heat[:7], predicted[:7].tolist(), chosen.out / "grad_cam.png")
    print(f"picture: {chosen.out / 'grad_cam.png'}")
    return right, on_shapes / area


if __name__ == "__main__":
    main()

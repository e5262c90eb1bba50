"""What a step lowers: the cross-entropy of a batch, labels smoothed and pictures mixed as the recipe says."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vertebra.train.draws import generator
from vertebra.train.recipe import Recipe
from vertebra.train.tuning import Setting


def loss_of(net: nn.Module, recipe: Recipe, setting: Setting, step: int, images: Tensor, labels: Tensor) -> Tensor:
    """The loss of a step on pictures float32[B, C, S, S] with labels int64[B], a float32 scalar to differentiate."""
    # Dropout and its like draw from the global generator: seeded for each step, it needs no place in a checkpoint.
    torch.manual_seed(generator(recipe.seed, step, 2).initial_seed())
    share = _share(recipe, step)
    if share is not None:
        images = images.lerp(images.roll(1, 0), 1 - share)
    with setting.autocast(images.device):
        output = net(images.contiguous(memory_format=setting.memory_format))
    output = output.float()
    loss = functional.cross_entropy(output, labels, label_smoothing=recipe.label_smoothing)
    if share is None:
        return loss
    other = functional.cross_entropy(output, labels.roll(1), label_smoothing=recipe.label_smoothing)
    return share * loss + (1 - share) * other


def _share(recipe: Recipe, step: int) -> float | None:
    """The part of each picture that stays its own under mixup (Zhang et al. 2018); None without."""
    if not recipe.mixup:
        return None
    return float(np.random.default_rng((recipe.seed, step)).beta(recipe.mixup, recipe.mixup))

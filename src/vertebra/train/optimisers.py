"""From a recipe's optimiser to torch's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from vertebra.train.freezing import classifier
from vertebra.train.recipe import AdamW, Recipe, Sgd

SHARE = "share"
"""The key of a group that says which part of the learning rate is its own."""


def optimiser_for(net: nn.Module, recipe: Recipe) -> Optimizer:
    """torch's optimiser over groups: kernels with the weight decay, norm gains and biases (vectors) without.

    Where the recipe has the backbone learn more slowly, the classifier has groups of its own, which come first.
    """
    choice = recipe.optimiser
    groups = list(_groups(net, recipe))
    if isinstance(choice, Sgd):
        nesterov = choice.momentum > 0
        return torch.optim.SGD(
            groups, lr=choice.learning_rate, momentum=choice.momentum, nesterov=nesterov, foreach=True
        )
    betas = (choice.momentum, choice.variance)
    return torch.optim.AdamW(groups, lr=choice.learning_rate, betas=betas, foreach=True)


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """Each group learns at its share of this rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get(SHARE, 1.0)


def _groups(net: nn.Module, recipe: Recipe) -> Iterator[dict[str, Any]]:
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if recipe.backbone_rate == 1:
        yield from _decayed(parameters, recipe.optimiser, 1.0)
        return
    head = {id(parameter) for parameter in classifier(net).parameters()}
    yield from _decayed([one for one in parameters if id(one) in head], recipe.optimiser, 1.0)
    yield from _decayed([one for one in parameters if id(one) not in head], recipe.optimiser, recipe.backbone_rate)


def _decayed(parameters: list[nn.Parameter], choice: Sgd | AdamW, share: float) -> Iterator[dict[str, Any]]:
    kernels = [parameter for parameter in parameters if _is_kernel(parameter)]
    vectors = [parameter for parameter in parameters if not _is_kernel(parameter)]
    for members, decay in ((kernels, choice.weight_decay), (vectors, 0.0)):
        if members:
            yield {"params": members, "weight_decay": decay, SHARE: share}


def _is_kernel(parameter: nn.Parameter) -> bool:
    # A LayerScale of shape [C, 1, 1] is a vector too.
    return parameter.ndim > 1 and parameter.numel() > parameter.shape[0]

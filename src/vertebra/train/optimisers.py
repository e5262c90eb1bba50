"""From a recipe's optimiser to torch's."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Optimizer

from vertebra.train.recipe import AdamW, Sgd


def optimiser_for(net: nn.Module, choice: Sgd | AdamW) -> Optimizer:
    """torch's optimiser over two groups: kernels with the weight decay, norm gains and biases (vectors) without."""
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    kernels = [parameter for parameter in parameters if _is_kernel(parameter)]
    vectors = [parameter for parameter in parameters if not _is_kernel(parameter)]
    groups = [{"params": kernels, "weight_decay": choice.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if isinstance(choice, Sgd):
        nesterov = choice.momentum > 0
        return torch.optim.SGD(
            groups, lr=choice.learning_rate, momentum=choice.momentum, nesterov=nesterov, foreach=True
        )
    betas = (choice.momentum, choice.variance)
    return torch.optim.AdamW(groups, lr=choice.learning_rate, betas=betas, foreach=True)


def _is_kernel(parameter: nn.Parameter) -> bool:
    # A LayerScale of shape [C, 1, 1] is a vector too.
    return parameter.ndim > 1 and parameter.numel() > parameter.shape[0]

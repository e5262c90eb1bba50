"""Which part of a network a cycle trains: all of it, or the classifier alone."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from vertebra.errors import RecipeError
from vertebra.train.schedule import Part


def classifier(net: nn.Module) -> nn.Linear:
    """The last linear layer, which new classes replace; raises RecipeError for a network without one."""
    found = [module for module in net.modules() if isinstance(module, nn.Linear)]
    if not found:
        raise RecipeError("the network has no classifier to train alone", remedy="train all of it")
    return found[-1]


def trainable(net: nn.Module) -> tuple[nn.Parameter, ...]:
    """The parameters that whoever made the network left to be trained."""
    return tuple(parameter for parameter in net.parameters() if parameter.requires_grad)


def prepare(net: nn.Module, parameters: Collection[nn.Parameter], part: Part) -> None:
    """Put the network into training, and let gradients reach ``part`` of these parameters.

    Under ``"head"`` all but the classifier is as in evaluation: its running statistics stay and nothing is dropped, and
    no gradient is computed for it, which takes a third of the time.
    """
    head = classifier(net) if part == "head" else net
    net.train(head is net)
    head.train()
    mine = {id(parameter) for parameter in head.parameters()}
    for parameter in parameters:
        parameter.requires_grad_(id(parameter) in mine)

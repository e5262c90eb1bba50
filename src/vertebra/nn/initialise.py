"""Starting values, apart from construction: by the role of each tensor and the family's rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Generator, Tensor, nn

from vertebra.arch.architecture import Initialisation
from vertebra.arch.expansion import Layer, joined
from vertebra.arch.node import Weight
from vertebra.arch.primitives import Linear

Fill = Callable[[Tensor, Generator], object]


def tensors_of(net: nn.Module) -> dict[str, Tensor]:
    """The network's own parameters and buffers by name, not copies."""
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}


@torch.no_grad()
def initialise(net: nn.Module, layers: Iterable[Layer], rules: Initialisation, seed: int) -> None:
    """Fill the tensors of these layers of ``net`` in place.

    Kernels by ``rules``, gains 1 (or where their node says: LayerScale), biases and running means 0, running variances
    1.  The same seed gives the same values on every device; torch's global generator is neither used nor moved.
    """
    generator = Generator("cpu").manual_seed(seed)
    tensors: Mapping[str, Tensor] = tensors_of(net)
    for layer in layers:
        for weight in layer.node.weights(layer.enters):
            _fill(tensors[joined(layer.path, weight.name)], layer, weight, rules, generator)


def _fill(tensor: Tensor, layer: Layer, weight: Weight, rules: Initialisation, generator: Generator) -> None:
    if weight.role != "kernel":
        tensor.fill_(_constant(weight))
        return
    rule = KERNELS[rules.linear if isinstance(layer.node, Linear) else rules.conv]
    fill = rule(*fans(weight.shape, getattr(layer.node, "groups", 1)))
    if tensor.device.type == "cpu":
        fill(tensor, generator)
        return
    values = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
    fill(values, generator)
    tensor.copy_(values)


def _constant(weight: Weight) -> float:
    if weight.start is not None:
        return weight.start
    is_variance = weight.role == "statistic" and weight.name.endswith("var")
    return 1.0 if weight.role == "gain" or is_variance else 0.0


def fans(shape: tuple[int, ...], groups: int = 1) -> tuple[int, int]:
    """Inputs that one output sums and outputs that one input reaches, both within one group."""
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] // groups * window


def _normal(deviation: float) -> Fill:
    return lambda tensor, generator: tensor.normal_(0, deviation, generator=generator)


def _uniform(bound: float) -> Fill:
    return lambda tensor, generator: tensor.uniform_(-bound, bound, generator=generator)


def _truncated_normal(tensor: Tensor, generator: Generator) -> object:
    return nn.init.trunc_normal_(tensor, std=0.02, a=-2, b=2, generator=generator)


KERNELS: dict[str, Callable[[int, int], Fill]] = {
    "he_fan_out": lambda fan_in, fan_out: _normal(math.sqrt(2 / fan_out)),
    "he_fan_in": lambda fan_in, fan_out: _normal(math.sqrt(2 / fan_in)),
    "uniform_fan_in": lambda fan_in, fan_out: _uniform(1 / math.sqrt(fan_in)),
    "uniform_fan_out": lambda fan_in, fan_out: _uniform(1 / math.sqrt(fan_out)),
    "normal": lambda fan_in, fan_out: _normal(0.01),
    "truncated_normal": lambda fan_in, fan_out: _truncated_normal,
}
"""Rules of ``Initialisation``, given fan-in and fan-out."""

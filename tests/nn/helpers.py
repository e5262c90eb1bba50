"""Small helpers of the tests of ``nn``."""

from __future__ import annotations

import torch
from torch import nn

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks import BasicResidual, ConvNormAct
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import GlobalPool, Linear


def randomised(net: nn.Module, seed: int = 0) -> nn.Module:
    """Every tensor at random: gains and variances near 1, so that no layer is the identity by its starting values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if not tensor.is_floating_point():
                continue
            if tensor.ndim > 1:
                tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
            elif name.endswith(("bias", "mean")):
                tensor.normal_(0, 0.1, generator=generator)
            else:
                tensor.uniform_(0.8, 1.2, generator=generator)
    return net


def transplanted(source: nn.Module, target: nn.Module) -> nn.Module:
    """``target`` with the tensors of ``source``, matched by order; shapes must agree one by one."""
    values, names = source.state_dict(), target.state_dict()
    assert [tensor.shape for tensor in values.values()] == [tensor.shape for tensor in names.values()]
    target.load_state_dict(
        {name: value.clone() for name, value in zip(names, values.values(), strict=True)}, assign=True
    )
    return target


def images(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def tiny(resolution: int = 32, **fields) -> Architecture:
    """Three stages at strides 2, 4 and 8, quick enough for anything."""
    block = BasicResidual
    parts = {
        "stem": ConvNormAct(8, 3, 2),
        "stages": (Stage(block(8), 2), Stage(block(16, 2), 2), Stage(block(24, 2), 1)),
        "head": seq(pool=GlobalPool(), fc=Linear(5)),
        "resolution": resolution,
    }
    return Architecture("tiny", **{**parts, **fields})

"""The modules that primitives become.

Each is torch's own class or a thin subclass of it, so that tools which look for ``nn.Conv2d`` or ``nn.BatchNorm2d``
find them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vertebra.arch.shapes import pair, same_pads

M = TypeVar("M", bound=nn.Module)


def unfilled(cls: type[M], *args: Any, **options: Any) -> M:
    """``cls(*args, **options)`` with its tensors unfilled, for ``initialise`` or a file to fill.

    The module is of ``cls`` itself, so whatever looks for torch's classes, even by their exact type, finds them.
    """
    module: M = _quiet(cast(Any, cls))(*args, **options)
    module.__class__ = cls
    return module


@cache
def _quiet(cls: Any) -> Any:
    """A subclass whose constructor fills nothing: ``reset_parameters`` is torch's hook for that."""
    return type(cls.__name__, (cls,), {"reset_parameters": lambda self: None})


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's ``SAME``: how much depends on the input's size; an odd rest goes after."""

    def forward(self, x: Tensor) -> Tensor:
        (kh, kw), (dh, dw) = self.kernel_size, self.dilation
        # No branch on the size, and torch's maximum: an exported graph takes any.
        top, bottom = same_pads(x.shape[-2], dh * (kh - 1) + 1, self.stride[0], torch.sym_max)
        left, right = same_pads(x.shape[-1], dw * (kw - 1) + 1, self.stride[1], torch.sym_max)
        x = F.pad(x, (left, right, top, bottom))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, padding='same'"


class WidePaddedMaxPool2d(nn.MaxPool2d):
    """A maximum over dilated windows with more padding than half the kernel; the padding takes no part."""

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = pair(self.padding)
        x = F.pad(x, (columns, columns, rows, rows), value=float("-inf"))
        return F.max_pool2d(x, self.kernel_size, self.stride, 0, self.dilation)


class Linear(nn.Linear):
    """A fully connected layer over the flattened input: (N, C) or (N, C, H, W) -> (N, out)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.flatten(1), self.weight, self.bias)


class LayerNorm2d(nn.LayerNorm):
    """Normalisation over the channels at each position: (N, C, H, W) or (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class LayerScale(nn.Module):
    """A learned gain for each channel of values with so many ``extents`` after the channels."""

    def __init__(self, channels: int, start: float, extents: int = 2) -> None:
        super().__init__()
        self.start = start
        self.extents = extents
        self.gamma = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.gamma, self.start)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma[(..., *((None,) * self.extents))]

    def extra_repr(self) -> str:
        return f"{self.gamma.shape[0]}, start={self.start:g}"


class PadChannels(nn.Module):
    """Zeros after the last channel: (N, C, ...) -> (N, out, ...)."""

    def __init__(self, out: int, extents: int = 2) -> None:
        super().__init__()
        self.out = out
        self.extents = extents

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 0) * self.extents + (0, self.out - x.shape[1]))

    def extra_repr(self) -> str:
        return str(self.out)


class Subsample(nn.Module):
    """Every ``stride``-th row and column: a pooling with a window of 1."""

    def __init__(self, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.stride[0], :: self.stride[1]]

    def extra_repr(self) -> str:
        return f"stride={self.stride}"


class Tap(nn.Identity):
    """A point whose value ``features`` can return by name; the value passes unchanged."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def extra_repr(self) -> str:
        return repr(self.name)


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016): while training, each image's branch is dropped with probability ``rate``.

    Branches that stay are divided by the probability of staying, so that inference needs no change.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        stay = 1 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(stay)
        return x * mask.div_(stay)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.4g}"

"""The modules that primitives become.

Each is torch's own class or a thin subclass of it, so that tools which look for ``nn.Conv2d`` or ``nn.BatchNorm2d``
find them.
"""

from __future__ import annotations

from functools import cache, reduce
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vertebra.arch.shapes import pair, same_pads, spread_pads

M = TypeVar("M", bound=nn.Module)
Pair = tuple[int, int]
"""Rows and columns."""


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


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution with a bias: on channels_last maps a matrix product, which on CPUs is quicker than torch's
    convolution: without it ConvNeXt-T ran at 0.7 of torchvision's speed (batch 8, 64 px, one busy machine).
    """

    def forward(self, x: Tensor) -> Tensor:
        return pointwise(x, self.weight, self.bias)


class SubsamplingConv2d(nn.Conv2d):
    """A strided 1x1 convolution, as a convolution of the rows and columns that it keeps.

    torch's own, on channels_last maps of few channels in float32, writes where it must not: its kernel's gradient
    (oneDNN's ``jit_avx512_common_1x1_convolution_bwd_weights`` in torch 2.13) ends the process.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x[:, :, :: self.stride[0], :: self.stride[1]], self.weight, self.bias)


@torch.fx.wrap  # a tracer cannot follow a branch on the layout
def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The 1x1 convolution by the way that suits the layout of ``x``."""
    if not x.is_contiguous(memory_format=torch.channels_last):
        return F.conv2d(x, weight, bias)
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


class SamePad(nn.Module):
    """Zeros for a window whose stride under ``SAME`` was taken away: how they lie depends on the input's size."""

    def __init__(self, kernel: tuple[int, int], taken: tuple[int, int], spacing: tuple[int, int]) -> None:
        super().__init__()
        self.kernel, self.taken, self.spacing = kernel, taken, spacing

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = zip(self.kernel, self.taken, self.spacing, strict=True)
        top, bottom = spread_pads(x.shape[-2], *rows, torch.sym_max)
        left, right = spread_pads(x.shape[-1], *columns, torch.sym_max)
        return F.pad(x, (left, right, top, bottom))

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}, taken={self.taken}, spacing={self.spacing}"


class WidePaddedMaxPool2d(nn.MaxPool2d):
    """A maximum over dilated windows with more padding than half the kernel, and an overhang at the end; neither takes
    part.
    """

    def __init__(
        self, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1), overhang: Pair = (0, 0)
    ) -> None:
        super().__init__(kernel, stride, padding, dilation)
        self.overhang = overhang

    def forward(self, x: Tensor) -> Tensor:
        (rows, columns), (below, beside) = pair(self.padding), self.overhang
        x = F.pad(x, (columns, columns + beside, rows, rows + below), value=float("-inf"))
        return F.max_pool2d(x, self.kernel_size, self.stride, 0, self.dilation)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, overhang={self.overhang}"


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


class GlobalResponseNorm(nn.Module):
    """Each channel of maps (N, C, H, W) by its share of the map's energy (Woo et al. 2023, algorithm 1)."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.empty(channels))
        self.beta = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.gamma)
        nn.init.zeros_(self.beta)

    def forward(self, x: Tensor) -> Tensor:
        energy = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
        share = energy / (energy.mean(1, keepdim=True) + self.eps)
        # gamma * (x * share) + beta + x with one product over the map instead of three.
        return torch.addcmul(self.beta[:, None, None], x, self.gamma[:, None, None] * share + 1)

    def extra_repr(self) -> str:
        return f"{self.gamma.shape[0]}, eps={self.eps:g}"


class DilatedAvgPool2d(nn.Module):
    """An average over dilated windows, as sums of shifted maps: torch has none.

    ``padded`` counts the zeros of the padding; those of the overhang never count.
    """

    def __init__(
        self, kernel: Pair, stride: Pair, padding: Pair, padded: bool, dilation: Pair, overhang: Pair = (0, 0)
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding, self.dilation = kernel, stride, padding, dilation
        self.padded = padded
        self.overhang = overhang

    def forward(self, x: Tensor) -> Tensor:
        if any(self.overhang) or (any(self.padding) and not self.padded):
            return self._sums(x, 0.0) / self._sums(torch.ones_like(x[:1, :1]), 1.0 if self.padded else 0.0)
        return self._sums(x, 0.0) / (self.kernel[0] * self.kernel[1])

    def _sums(self, x: Tensor, padding: float) -> Tensor:
        """The sum over each window, with this value in the padding and zeros in the overhang."""
        (rows, columns), (below, beside) = self.padding, self.overhang
        x = F.pad(x, (columns, columns, rows, rows), value=padding) if rows or columns else x
        x = F.pad(x, (0, beside, 0, below)) if below or beside else x
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.stride, self.dilation
        reach = x.shape[2] - dh * (kh - 1)
        x = reduce(torch.add, [x[:, :, start : start + reach : sh] for start in range(0, dh * kh, dh)])
        reach = x.shape[3] - dw * (kw - 1)
        return reduce(torch.add, [x[..., start : start + reach : sw] for start in range(0, dw * kw, dw)])

    def extra_repr(self) -> str:
        return (
            f"kernel={self.kernel}, stride={self.stride}, padding={self.padding}, padded={self.padded}, "
            f"dilation={self.dilation}, overhang={self.overhang}"
        )


class EnlargingAvgPool2d(nn.Module):
    """An average to so many rows and columns, where a map has fewer; larger extents stay as they are."""

    def __init__(self, extent: Pair) -> None:
        super().__init__()
        self.extent = extent

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (torch.sym_max(size, least) for size, least in zip(x.shape[2:], self.extent, strict=True))
        return F.adaptive_avg_pool2d(x, (rows, columns))

    def extra_repr(self) -> str:
        return f"{self.extent}"


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

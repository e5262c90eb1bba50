"""The blocks written by hand in plain torch, from the papers' figures; nothing of vertebra in here.

Modules stand in the order of execution, so that tensors match the tree's by order.
"""

from __future__ import annotations

import torch
from torch import nn


def conv_norm(channels, out, kernel=1, stride=1, groups=1):
    return [nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)); the shortcut a strided 1x1 convolution where shapes differ (option B)."""

    def __init__(self, body, channels, out, stride):
        super().__init__()
        self.body = body
        same = stride == 1 and channels == out
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv_norm(channels, out, 1, stride))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


class OptionA(nn.Module):
    """The shortcut of section 4.2 of He et al. 2016: every stride-th value, zeros for the new channels."""

    def __init__(self, body, channels, out, stride):
        super().__init__()
        self.body, self.channels, self.out, self.stride = body, channels, out, stride

    def forward(self, x):
        y = self.body(x)
        shortcut = torch.zeros_like(y)
        shortcut[:, : self.channels] = x[:, :, :: self.stride, :: self.stride]
        return torch.relu(y + shortcut)


class LinearSqueeze(nn.Module):
    """Squeeze-and-excitation of Hu et al. 2018: fully connected layers without bias, reduction 16."""

    def __init__(self, channels, reduction=16):
        super().__init__()
        self.reduce = nn.Linear(channels, max(1, channels // reduction), bias=False)
        self.expand = nn.Linear(max(1, channels // reduction), channels, bias=False)

    def forward(self, x):
        gate = torch.sigmoid(self.expand(torch.relu(self.reduce(x.mean((2, 3))))))
        return x * gate.reshape(*gate.shape, 1, 1)


class ConvSqueeze(nn.Module):
    """The same with 1x1 convolutions, biases and SiLU, as in EfficientNet."""

    def __init__(self, channels, narrow):
        super().__init__()
        self.reduce = nn.Conv2d(channels, narrow, 1)
        self.expand = nn.Conv2d(narrow, channels, 1)

    def forward(self, x):
        squeezed = nn.functional.silu(self.reduce(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.expand(squeezed))


class Inverted(nn.Module):
    """body(x), plus x where shapes agree."""

    def __init__(self, body, residual):
        super().__init__()
        self.body, self.residual = body, residual

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


class Dense(nn.Module):
    """DenseNet-B's layer: the input first, the new channels after it."""

    def __init__(self, channels, growth):
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x):
        return torch.cat((x, self.body(x)), 1)


def basic(channels, out, stride, *, squeeze=False):
    body = [*conv_norm(channels, out, 3, stride), nn.ReLU(), *conv_norm(out, out, 3)]
    return Residual(nn.Sequential(*body, *([LinearSqueeze(out)] if squeeze else [])), channels, out, stride)


def basic_option_a(channels, out, stride):
    return OptionA(
        nn.Sequential(*conv_norm(channels, out, 3, stride), nn.ReLU(), *conv_norm(out, out, 3)), channels, out, stride
    )


def bottleneck(channels, out, stride, *, cardinality=1, base_width=64, squeeze=False):
    """ResNeXt's width is int(planes * base_width / 64) * cardinality, its planes being a quarter of the output."""
    width = int(out // 4 * base_width / 64) * cardinality
    body = [
        *conv_norm(channels, width),
        nn.ReLU(),
        *conv_norm(width, width, 3, stride, cardinality),
        nn.ReLU(),
        *conv_norm(width, out),
    ]
    return Residual(nn.Sequential(*body, *([LinearSqueeze(out)] if squeeze else [])), channels, out, stride)


def inverted(channels, out, stride, *, expansion=6, kernel=3):
    hidden = channels * expansion
    wide = [] if expansion == 1 else [*conv_norm(channels, hidden), nn.ReLU6()]
    body = nn.Sequential(*wide, *conv_norm(hidden, hidden, kernel, stride, hidden), nn.ReLU6(), *conv_norm(hidden, out))
    return Inverted(body, stride == 1 and channels == out)


def mbconv(channels, out, stride, *, expansion=6, kernel=3):
    hidden = channels * expansion
    wide = [] if expansion == 1 else [*conv_norm(channels, hidden), nn.SiLU()]
    body = nn.Sequential(
        *wide,
        *conv_norm(hidden, hidden, kernel, stride, hidden),
        nn.SiLU(),
        ConvSqueeze(hidden, max(1, int(channels * 0.25))),
        *conv_norm(hidden, out),
    )
    return Inverted(body, stride == 1 and channels == out)


def transition(channels):
    out = channels // 2
    return nn.Sequential(
        nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, out, 1, bias=False), nn.AvgPool2d(2, 2)
    )

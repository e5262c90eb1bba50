"""Small data and networks of the training tests."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from vertebra.data.preprocess import Preprocess
from vertebra.train.pixels import Pixels
from vertebra.train.recipe import Augmentation, Recipe, Sgd

GREY8 = Preprocess(size=8, resize=8, colour="grey", mean=(0.3,), std=(0.35,))
RGB = Preprocess(size=8, resize=8)
CLASSES = tuple(str(digit) for digit in range(10))
FIXED = {"precision": "float32", "layout": "contiguous"}


def digits() -> tuple[Pixels, Pixels]:
    """scikit-learn's digits: 1,437 to train with, every fifth to judge by."""
    data = load_digits()
    images = np.repeat(np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None], 3, axis=3)
    held_out = np.arange(len(images)) % 5 == 0
    return tuple(Pixels(images[part], data.target[part].astype(np.int64), GREY8) for part in (~held_out, held_out))


def noise(count: int, *, seed: int = 0, classes: int = 3, preprocess: Preprocess = RGB) -> Pixels:
    """Random pictures with random labels."""
    source = np.random.default_rng(seed)
    images = source.integers(0, 256, (count, preprocess.size, preprocess.size, 3), dtype=np.uint8)
    return Pixels(images, source.integers(0, classes, count), preprocess)


def tiny(channels: int = 3, classes: int = 3, *, width: int = 16, dropout: float = 0.0) -> nn.Module:
    """Two convolutions with batch normalisation, and a classifier."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, classes),
        )


def recipe(**changes: object) -> Recipe:
    """A small recipe of which nothing is left to measurement."""
    fields = {"batch": 16, "optimiser": Sgd(learning_rate=0.05), "augmentation": Augmentation(crop=1), **FIXED}
    return Recipe(**{**fields, **changes})

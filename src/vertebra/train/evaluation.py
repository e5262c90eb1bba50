"""How good a network is on a part of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vertebra.data.tally import Tally
from vertebra.train.pixels import Pixels
from vertebra.train.tuning import Setting

PIXELS_AT_ONCE = 1 << 22
"""Of a batch's pictures, so that large ones do not fill the memory; at most 256 pictures."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Fractions are in 0..1.  ``loss`` is the mean cross-entropy (natural logarithm, no smoothing).

    ``per_class``: the accuracy of each class by name, None for a class without a picture here.  ``confusion[t][p]``
    counts pictures of class t taken for p.  ``probabilities``: float32[N, classes], in the order of the pictures.
    """

    top1: float
    loss: float
    per_class: dict[str, float | None]
    confusion: tuple[tuple[int, ...], ...]
    probabilities: NDArray[np.float32]


def outputs(
    net: nn.Module, pixels: Pixels, setting: Setting, between: Callable[[], None] | None = None
) -> NDArray[np.float32]:
    """The network's outputs before the softmax, float32[N, classes]; ``between`` is called after every batch."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    size = max(1, min(256, PIXELS_AT_ONCE // pixels.preprocess.size**2))
    parts = []
    try:
        with torch.inference_mode(), setting.autocast(pixels.device):
            for images, _ in pixels.batches(size):
                parts.append(net(images.contiguous(memory_format=setting.memory_format)).float().cpu())
                if between is not None:
                    between()
    finally:
        for module, training in modes:  # not net.train(): parts of it may be frozen
            module.training = training
    return torch.cat(parts).numpy()


def judged(logits: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str]) -> Evaluation:
    """The evaluation of outputs float32[N, classes] against labels int64[N]; N is at least 1."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    total = np.exp(wide).sum(axis=1)
    tally = Tally.of(labels, logits.argmax(axis=1), classes)
    return Evaluation(
        top1=tally.top1,
        loss=float(np.mean(np.log(total) - wide[np.arange(len(labels)), labels])),
        per_class=tally.per_class,
        confusion=tally.confusion,
        probabilities=(np.exp(wide) / total[:, None]).astype(np.float32),
    )

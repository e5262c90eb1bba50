"""Peers that tests compare with: torchvision and timm, importable beside a CPU build of torch."""

from __future__ import annotations

from functools import cache
from types import ModuleType

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def declare_missing_operators() -> None:
    """torchvision's wheel implements operators that only its CUDA library declares; their schemas are enough."""
    for name in ("torchvision::nms", "torchvision::qnms"):
        try:
            torch.library.define(name, _SCHEMA)
        except RuntimeError:  # a torchvision built for this torch has declared it
            continue


def torchvision() -> ModuleType:
    """torchvision, with ``torchvision.models`` imported."""
    declare_missing_operators()
    import torchvision.models

    return torchvision


def timm() -> ModuleType:
    """timm, which imports torchvision."""
    declare_missing_operators()
    import timm

    return timm

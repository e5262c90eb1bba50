"""A rule of width and depth multipliers that leaves a network's ends as they are."""

from __future__ import annotations

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import replace


def scaled_between_ends(base: Architecture, width: float, depth: float) -> Architecture:
    """Every stage's width times ``width``, and the depth of all but the first and the last times ``depth``.

    The stem and the head keep their widths: EfficientNet-Lite's rule, which timm's deeper MobileNetV2 follow too.
    Raises TransformError for multipliers out of range.
    """
    scaled = base.scaled(width=width, depth=depth)
    last = len(base.stages) - 1
    stages = tuple(
        replace(stage, depth=own.depth) if index in (0, last) else stage
        for index, (stage, own) in enumerate(zip(scaled.stages, base.stages, strict=True))
    )
    return replace(scaled, name=base.name, stem=base.stem, stages=stages, head=base.head)

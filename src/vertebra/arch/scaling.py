"""Width and depth multipliers of nodes and stages."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from vertebra.arch.node import Node
from vertebra.arch.rewriting import widths, with_widths
from vertebra.arch.rounding import Rounding
from vertebra.arch.stage import Stage
from vertebra.errors import TransformError

MAX_NAME = 200
_MULTIPLIER = re.compile(r"-([wdr])([0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?)")
_MULTIPLIERS = re.compile(rf"({_MULTIPLIER.pattern})+\Z")
MAX_MULTIPLIER = 16
Multiplier = Annotated[float, Meta(gt=0, le=MAX_MULTIPLIER)]


def multiplier(name: str, value: float) -> float:
    """A multiplier as a float; raises TransformError where it is none."""
    try:
        return msgspec.convert(value, Multiplier)
    except msgspec.ValidationError:
        raise TransformError(
            f"a {name} multiplier of {value!r}",
            allowed=f"a number above 0, at most {MAX_MULTIPLIER}",
            remedy="for pixels use with_resolution(240)" if name == "resolution" else None,
        ) from None


def suffixed(name: str, width: float, depth: float, resolution: float) -> str:
    """The name of a scaled network: ``resnet50-w0.5-d2``; the multipliers of one scaled before are multiplied."""
    base = _MULTIPLIERS.sub("", name)
    products = {letter: float(value) for letter, value in _MULTIPLIER.findall(name[len(base) :])}
    for letter, value in (("w", width), ("d", depth), ("r", resolution)):
        if value != 1:
            products[letter] = products.get(letter, 1.0) * value
    suffix = "".join(f"-{letter}{_told(products[letter])}" for letter in "wdr" if letter in products)
    return base[: MAX_NAME - len(suffix)] + suffix


def _told(value: float) -> str:
    """Three digits, and more where they would read 1 for what is not."""
    return next((said for digits in (3, 4, 6, 9) if float(said := f"{value:.{digits}g}") != 1), "1")


def deepened(depth: int, multiplier: float) -> int:
    """Copies of a block times a depth multiplier, rounded up; what a float adds to a whole product does not count."""
    return math.ceil(round(depth * multiplier, 6))


def enlarged(resolution: int, multiplier: float) -> int:
    """Pixels times a resolution multiplier, to the nearest."""
    return max(1, math.floor(resolution * multiplier + 0.5))


def stage_scaled(stage: Stage, rounding: Rounding, width: float, depth: float) -> Stage:
    """A stage with its widths rounded by the family's rule and its depth rounded up."""
    entry = stage.entry and widened(stage.entry, rounding, width)
    return _stage(widened(stage.block, rounding, width), deepened(stage.depth, depth), entry)


@lru_cache(maxsize=1 << 14)
def _stage(block: Node, depth: int, entry: Node | None) -> Stage:
    """The stage; scaled networks share theirs, so that folds meet them again."""
    return Stage(block, depth, entry)


def widened(node: Node, rounding: Rounding, width: float) -> Node:
    """A node with every channel count within it times ``width``."""
    if width == 1:
        return node
    return with_widths(node, tuple(rounding.scaled(channels, width) for channels in widths(node)))

"""Networks that run in a blink."""

from __future__ import annotations

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks import BasicResidual, MBConv
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Act, Conv, GlobalPool, Linear, Norm


def small(name: str = "small", width: int = 8) -> Architecture:
    """A stem, a squeeze-and-excitation block, residual blocks and a classifier, at 24 px."""
    stem = seq(conv=Conv(width, 3, 2, bias=False), norm=Norm(), act=Act("relu"))
    stages = (Stage(MBConv(2 * width, stride=2)), Stage(BasicResidual(2 * width), depth=2))
    return Architecture(name, stem, stages, seq(pool=GlobalPool(), fc=Linear(5)), 24)

"""Blocks: what the families are made of.  Each says which tree it stands for; none needs a rule in any fold."""

from vertebra.arch.blocks.basic import ConvNormAct, NormActConv
from vertebra.arch.blocks.dense import DenseLayer, DenseTransition
from vertebra.arch.blocks.inverted import InvertedResidual, MBConv
from vertebra.arch.blocks.residual import BasicResidual, Bottleneck, PlainPair
from vertebra.arch.blocks.squeeze import SqueezeExcite

__all__ = [
    "BasicResidual",
    "Bottleneck",
    "ConvNormAct",
    "DenseLayer",
    "DenseTransition",
    "InvertedResidual",
    "MBConv",
    "NormActConv",
    "PlainPair",
    "SqueezeExcite",
]

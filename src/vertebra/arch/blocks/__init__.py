"""Blocks: what the families are made of.  Each says which tree it stands for; none needs a rule in any fold."""

from vertebra.arch.blocks.basic import ConvNormAct, NormActConv
from vertebra.arch.blocks.biased import BiasedConv
from vertebra.arch.blocks.convnext import ConvNeXtBlock
from vertebra.arch.blocks.dense import DenseLayer, DenseTransition
from vertebra.arch.blocks.inception import (
    AuxiliaryConv,
    AuxiliaryDense,
    Inception,
    InceptionA,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)
from vertebra.arch.blocks.inverted import FusedMBConv, InvertedResidual, MBConv
from vertebra.arch.blocks.preactivation import PreactBasic, PreactBottleneck
from vertebra.arch.blocks.residual import BasicResidual, Bottleneck, PlainPair
from vertebra.arch.blocks.separable import DepthwiseSeparable
from vertebra.arch.blocks.squeeze import SqueezeExcite

__all__ = [
    "AuxiliaryConv",
    "AuxiliaryDense",
    "BasicResidual",
    "BiasedConv",
    "Bottleneck",
    "ConvNeXtBlock",
    "ConvNormAct",
    "DenseLayer",
    "DenseTransition",
    "DepthwiseSeparable",
    "FusedMBConv",
    "Inception",
    "InceptionA",
    "InceptionB",
    "InceptionC",
    "InceptionD",
    "InceptionE",
    "InvertedResidual",
    "MBConv",
    "NormActConv",
    "PlainPair",
    "PreactBasic",
    "PreactBottleneck",
    "SqueezeExcite",
]

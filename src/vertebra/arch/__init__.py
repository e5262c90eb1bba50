"""Architectures as data: nodes, blocks, stages, their text forms, shapes and rounding.

What a user writes blocks and networks with; inside the package, the files below are imported one by one.
"""

from vertebra.arch.architecture import Architecture, Initialisation, Stage
from vertebra.arch.blocks import (
    BasicResidual,
    Bottleneck,
    ConvNormAct,
    DenseLayer,
    DenseTransition,
    InvertedResidual,
    MBConv,
    NormActConv,
    PlainPair,
    SqueezeExcite,
)
from vertebra.arch.codec import from_json, from_yaml, node_from_json, read, to_json, to_yaml
from vertebra.arch.combinators import Concat, Gate, Seq, Sum, add, concat, gate, seq
from vertebra.arch.expansion import Layer, expanded, layers
from vertebra.arch.fold import Fold
from vertebra.arch.node import Block, Combinator, Node, Primitive, Weight
from vertebra.arch.primitives import (
    Act,
    Conv,
    Dropout,
    GlobalPool,
    Identity,
    LayerScale,
    Linear,
    Norm,
    PadChannels,
    Pool,
    Tap,
)
from vertebra.arch.record import Channels, Depth, Fraction, Kernel, Natural, Positive, Ratio, replace
from vertebra.arch.rounding import Rounding, round_channels

__all__ = [
    "Act",
    "Architecture",
    "BasicResidual",
    "Block",
    "Bottleneck",
    "Channels",
    "Combinator",
    "Concat",
    "Conv",
    "ConvNormAct",
    "DenseLayer",
    "DenseTransition",
    "Depth",
    "Dropout",
    "Fold",
    "Fraction",
    "Gate",
    "GlobalPool",
    "Identity",
    "Initialisation",
    "InvertedResidual",
    "Kernel",
    "Layer",
    "LayerScale",
    "Linear",
    "MBConv",
    "Natural",
    "Node",
    "Norm",
    "NormActConv",
    "PadChannels",
    "PlainPair",
    "Pool",
    "Positive",
    "Primitive",
    "Ratio",
    "Rounding",
    "Seq",
    "SqueezeExcite",
    "Stage",
    "Sum",
    "Tap",
    "Weight",
    "add",
    "concat",
    "expanded",
    "from_json",
    "from_yaml",
    "gate",
    "layers",
    "node_from_json",
    "read",
    "replace",
    "round_channels",
    "seq",
    "to_json",
    "to_yaml",
]

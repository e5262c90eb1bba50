"""Random valid trees emit, pass the checker, and run to the shape that the tree says."""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.onnx.support import ENGINES, close, in_torch, lively
from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks import BasicResidual, Bottleneck, DenseLayer, InvertedResidual, MBConv, SqueezeExcite
from vertebra.arch.combinators import Concat, Seq, Sum, gate, side
from vertebra.arch.node import Node
from vertebra.arch.primitives import (
    Act,
    AdaptivePool,
    Conv,
    Dropout,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    LocalResponseNorm,
    Norm,
    PadChannels,
    Pool,
)
from vertebra.arch.primitives import Linear as Dense
from vertebra.errors import ShapeError
from vertebra.onnx import emit_body
from vertebra.onnx.rules import ACTIVATIONS

WIDTHS = st.sampled_from((2, 4, 6, 8))
SMALL = st.integers(1, 3)
CONVS = st.builds(
    Conv,
    out=WIDTHS,
    kernel=st.one_of(SMALL, st.tuples(SMALL, SMALL)),
    stride=st.one_of(st.integers(1, 2), st.tuples(SMALL, SMALL)),
    padding=st.one_of(st.sampled_from(("half", "same")), st.integers(0, 2)),
    dilation=st.integers(1, 2),
    groups=st.sampled_from((1, 1, 2)),
    bias=st.booleans(),
)
MAX_POOLS = st.builds(
    Pool, kernel=st.integers(2, 3), stride=SMALL, padding=st.integers(0, 1), rounding=st.sampled_from(("floor", "ceil"))
)
AVERAGE_POOLS = st.builds(
    Pool,
    method=st.sampled_from(("average", "padded_average")),
    kernel=st.integers(2, 3),
    stride=SMALL,
    padding=st.integers(0, 1),
    rounding=st.sampled_from(("floor", "ceil")),
)
NORMS = st.builds(Norm, method=st.sampled_from(("batch", "group", "layer2d")), groups=st.integers(1, 4))
ACTS = st.sampled_from([Act(function) for function in ACTIVATIONS])
BLOCKS = st.one_of(
    st.builds(BasicResidual, WIDTHS, st.integers(1, 2), shortcut=st.sampled_from(("projection",))),
    st.builds(Bottleneck, st.sampled_from((64, 128)), st.integers(1, 2)),
    st.builds(DenseLayer, WIDTHS),
    st.builds(InvertedResidual, WIDTHS, st.integers(1, 2)),
    st.builds(MBConv, WIDTHS, st.integers(1, 2)),
    st.just(SqueezeExcite(2)),
)
PLAIN = (Identity(), Dropout(), LayerScale(0.5), LocalResponseNorm(3, 0.2), GlobalResponseNorm(), side(fc=Dense(2)))
KEEPING = st.one_of(NORMS, ACTS, st.sampled_from(PLAIN))
ADAPTIVE = st.builds(AdaptivePool, st.tuples(st.integers(1, 9), st.integers(1, 9)))
LEAVES = st.one_of(CONVS, MAX_POOLS, AVERAGE_POOLS, ADAPTIVE, KEEPING, BLOCKS, st.just(PadChannels(8)))


def together(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    pairs = st.lists(children, min_size=1, max_size=3).map(
        lambda nodes: tuple((str(i), n) for i, n in enumerate(nodes))
    )
    return st.one_of(
        pairs.map(Seq),
        pairs.map(Concat),
        st.lists(KEEPING, min_size=1, max_size=3).map(
            lambda nodes: Sum(tuple((f"b{i}", n) for i, n in enumerate(nodes)))
        ),
        KEEPING.map(lambda node: gate(node)),
    )


TREES = st.recursive(LEAVES, together, max_leaves=6)


@settings(max_examples=60, deadline=None)
@given(node=TREES, extent=st.integers(5, 12), vector=st.booleans(), seed=st.integers(0, 9))
def test_random_trees(node: Node, extent: int, vector: bool, seed: int) -> None:
    head = Seq((("pool", GlobalPool()), ("fc", Dense(3)))) if vector else Identity()
    arch = Architecture("random", Conv(4, 3), (Stage(node),), head, extent)
    try:
        shape = arch.tree().output(arch.input_shape)
        arrays = lively(arch, seed)
    except ShapeError:
        assume(False)
    model = emit_body(arch, arrays)
    onnx.checker.check_model(model, full_check=True)
    images = np.random.default_rng(seed).standard_normal((2, 3, extent, extent)).astype(np.float32)
    found = ENGINES["onnxruntime"](model.SerializeToString())(images)
    assert found.shape == (2, *shape)
    expected = in_torch(arch, arrays, images)
    if np.ptp(expected) > 1e-3:
        close(found, expected)

"""Every primitive and combinator: the graph gives what the torch network gives, on both engines."""

from __future__ import annotations

from typing import get_args

import numpy as np
import onnx
import pytest

from tests.onnx.support import ENGINES, close, in_torch, lively, net
from vertebra.arch.architecture import Architecture
from vertebra.arch.combinators import Concat, add, concat, gate, seq, side
from vertebra.arch.expansion import layers
from vertebra.arch.node import Node
from vertebra.arch.primitives import (
    Act,
    AdaptivePool,
    Conv,
    Dropout,
    Function,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    Linear,
    LocalResponseNorm,
    Norm,
    PadChannels,
    Pool,
    Tap,
)
from vertebra.arch.record import replace
from vertebra.arch.spread import SamePad, SpreadPool
from vertebra.onnx import emit_body
from vertebra.onnx.graph import OPSET
from vertebra.onnx.rules import ACTIVATIONS, PRIMITIVES

NODES: dict[str, Node] = {
    **{f"act {function}": Act(function) for function in ACTIVATIONS},
    "conv plain": Conv(7),
    "conv grouped with bias": Conv(8, 3, groups=2, bias=True),
    "conv depthwise, stride 2": Conv(6, 3, 2, groups=6),
    "conv 1x7": Conv(4, (1, 7)),
    "conv of uneven strides": Conv(4, (3, 5), (2, 1), padding=(0, 1)),
    "conv dilated": Conv(4, 3, dilation=2),
    "conv of uneven dilation": Conv(4, 3, dilation=(1, 3)),
    "conv without padding": Conv(4, 3, padding=0),
    "conv of an even kernel": Conv(4, 2, 2),
    "conv same, stride 2": Conv(4, 3, 2, padding="same"),
    "conv same, 5x5, stride 2": Conv(4, 5, 2, padding="same"),
    "conv same, 4x4, stride 3": Conv(4, 4, 3, padding="same"),
    "conv same, dilated": Conv(4, 3, 1, padding="same", dilation=2),
    "norm batch": Norm(eps=1e-3),
    "norm group": Norm("group", groups=3),
    "norm group of one": Norm("group", groups=1),
    "norm group, largest divisor": Norm("group", groups=4),
    "norm layer2d": Norm("layer2d", eps=1e-6),
    "max pool": Pool("max", 3, 2, 1),
    "max pool, ceil": Pool("max", 2, 2, rounding="ceil"),
    "max pool, ceil, padded": Pool("max", 3, 2, 1, rounding="ceil"),
    "max pool, ceil, dilated": Pool("max", 3, 2, 1, dilation=2, rounding="ceil"),
    "max pool, dilated": Pool("max", 3, 1, 1, dilation=2),
    "max pool, dilated, padded wide": Pool("max", 3, 1, 3, dilation=3),
    "max pool, dilated, padded wide, stride 2": Pool("max", 3, 2, (2, 4), dilation=(2, 4)),
    "max pool, kernel 2, dilated, padded wide": Pool("max", 2, 1, 2, dilation=4),
    "max pool, uneven": Pool("max", (2, 3), (3, 2), (1, 0)),
    "subsample": Pool("max", 1, 2),
    "average pool": Pool("average", 2, 2),
    "average pool, padded": Pool("average", 3, 2, 1),
    "average pool, ceil": Pool("average", 2, 2, rounding="ceil"),
    "average pool, ceil, padded": Pool("average", 3, 2, 1, rounding="ceil"),
    "average pool, ceil, wide stride": Pool("average", 2, 5, 1, rounding="ceil"),
    "average pool, dilated": Pool("average", 2, 1, dilation=3),
    "average pool, dilated, stride 2": Pool("average", (3, 2), (2, 1), dilation=(2, 4)),
    "average pool, dilated, padded": Pool("average", 3, 1, (2, 1), dilation=2),
    "max pool, overhang": SpreadPool("max", 3, 2, 1, overhang=(1, 0)),
    "max pool, wide overhang": SpreadPool("max", 2, 1, dilation=3, overhang=(3, 2)),
    "average pool, overhang": SpreadPool("average", 2, 2, overhang=1),
    "average pool, dilated, overhang": SpreadPool("average", 3, 1, 1, dilation=2, overhang=(2, 1)),
    "padded average, overhang": SpreadPool("padded_average", 3, 2, 1, overhang=1),
    "padded average, dilated, overhang": SpreadPool("padded_average", 3, 1, 1, dilation=2, overhang=2),
    "padded average": Pool("padded_average", 3, 1, 1),
    "padded average, stride 2": Pool("padded_average", 3, 2, 1),
    "padded average without padding": Pool("padded_average", 3, 2),
    "padded average, ceil": Pool("padded_average", 3, 2, 1, rounding="ceil"),
    "padded average, ceil, 4x2": Pool("padded_average", (4, 2), 3, (1, 0), rounding="ceil"),
    "padded average, ceil, 2x2": Pool("padded_average", 2, 2, 1, rounding="ceil"),
    "padded average, dilated": Pool("padded_average", 3, 1, 2, dilation=2),
    "adaptive pool, the same size": AdaptivePool(13),
    "adaptive pool that divides": seq(crop=Conv(6, 2, padding=0), pool=AdaptivePool((4, 6))),
    "adaptive pool to one": AdaptivePool(1),
    "adaptive pool with overlaps": AdaptivePool((5, 7)),
    "adaptive pool to more": AdaptivePool((17, 6)),
    "local response norm": LocalResponseNorm(5, 0.5, 0.75, 2.0),
    "local response norm, as many channels": LocalResponseNorm(11, 0.3, 0.5, 1.0),
    "global response norm": GlobalResponseNorm(),
    "same padding, spread": seq(SamePad(3, 2, 2), conv=Conv(4, 3, padding=0, dilation=2)),
    "same padding, spread unevenly": seq(SamePad((5, 4), (2, 1), (4, 3)), conv=Conv(4, 3)),
    "side": seq(side(aux=seq(conv=Conv(4, 3), pool=GlobalPool(), fc=Linear(2), tap=Tap("aux"))), conv=Conv(4)),
    "side, too small a map": side(aux=seq(conv=Conv(4, 20, padding=0), norm=Norm())),
    "global max": seq(GlobalPool("max")),
    "linear on a map": Linear(9),
    "linear without bias": Linear(9, bias=False),
    "vectors": seq(Linear(8), norm=Norm(), act=Act(), group=Norm("group", groups=2), scale=LayerScale()),
    "layer2d of vectors": seq(Linear(8), norm=Norm("layer2d")),
    "more channels": PadChannels(10),
    "as many channels": PadChannels(6),
    "more values": seq(Linear(8), pad=PadChannels(10)),
    "dropout": Dropout(0.5),
    "layer scale": LayerScale(0.5),
    "identity and tap": seq(Identity(), tap=Tap("here")),
    "sum": add(seq(conv=Conv(6, 3)), shortcut=Identity()),
    "sum of three": add(a=Conv(6), b=Conv(6, 3), c=Identity()),
    "sum of nameless": add(Conv(6), b=Conv(6)),
    "sum of one": add(a=Conv(6)),
    "concat": concat(a=Conv(2), b=Identity(), c=Conv(3, 3)),
    "concat with itself": Concat((("a", Identity()), ("b", Identity()))),
    "concat of vectors": seq(Linear(8), both=concat(a=Linear(2), b=Identity())),
    "gate of a map": gate(Conv(6, 3)),
    "gate of a pooled map": gate(seq(pool=GlobalPool(), conv=Conv(6, bias=True), act=Act("sigmoid"))),
    "gate of a vector": gate(seq(pool=GlobalPool(), fc=Linear(6), act=Act("sigmoid"))),
    "gate on a vector": seq(Linear(8), gate=gate(Linear(8))),
}
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 13, 13)).astype(np.float32)


def headed(node: Node) -> Architecture:
    """The node in a small network, with a classifier that suits it."""
    arch = net(node)
    is_map = len(arch.without_head().tree().output(arch.input_shape)) == 3
    return arch if is_map else replace(arch, head=seq(fc=Linear(5)))


@pytest.mark.parametrize("name", NODES)
def test_equal_to_torch(name: str) -> None:
    arch = headed(NODES[name])
    arrays = lively(arch)
    model = emit_body(arch, arrays)
    onnx.checker.check_model(model, full_check=True)
    expected = in_torch(arch, arrays, IMAGES)
    for engine in ENGINES.values():
        close(engine(model.SerializeToString())(IMAGES), expected)


def test_no_activation_is_missing() -> None:
    assert set(ACTIVATIONS) == set(get_args(Function))


def test_every_kind_of_primitive_is_tested() -> None:
    """A new primitive without a row above would pass unseen."""
    seen = {type(layer.node) for node in NODES.values() for layer in layers(node, (6, 13, 13))}
    assert seen == set(PRIMITIVES.rules)


def test_opset_is_stated() -> None:
    model = emit_body(net(Identity()), None)
    assert [(one.domain, one.version) for one in model.opset_import] == [("", OPSET)]
    assert model.producer_name == "vertebra"

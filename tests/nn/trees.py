"""Random valid trees: a strategy that follows the shapes as it draws."""

from __future__ import annotations

from hypothesis import strategies as st

from vertebra.arch.blocks import (
    BasicResidual,
    Bottleneck,
    DenseLayer,
    InvertedResidual,
    MBConv,
    PreactBasic,
    PreactBottleneck,
    SqueezeExcite,
)
from vertebra.arch.combinators import Concat, Gate, Seq, Side, Sum
from vertebra.arch.node import Node
from vertebra.arch.primitives import (
    Act,
    Conv,
    Dropout,
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

FUNCTIONS = st.sampled_from(["relu", "relu6", "silu", "hard_swish", "sigmoid", "gelu", "identity"])
CHANNELS = st.sampled_from([1, 2, 3, 4, 6])
NAMES = ("first", "second", "0", "conv", "forward", "_x", *(f"name{index}" for index in range(30)))


@st.composite
def nodes(draw, shape: tuple[int, int, int], depth: int = 3) -> Node:
    """A node that takes maps of ``shape`` (C, H, W), H and W at least 1, and gives maps."""
    kinds = ["primitive", "block"] if depth == 0 else ["seq", "sum", "concat", "gate", "side", "primitive", "block"]
    kind = draw(st.sampled_from(kinds))
    return draw({"primitive": primitives, "block": blocks, **COMBINED}[kind](shape, depth - 1))


@st.composite
def primitives(draw, shape, depth) -> Node:
    channels, least = shape[0], min(shape[1:])
    if draw(st.booleans()):
        return draw(keepers(shape))
    kernel = draw(st.sampled_from([1, 2, 3, (1, 3)]))
    stride = draw(st.integers(1, 2))
    if draw(st.booleans()) or least < 3:
        groups = draw(st.sampled_from([1, channels]))
        padding = draw(st.sampled_from(["half", "same"]))
        return Conv(
            channels * draw(st.integers(1, 2)), kernel, stride, padding, groups=groups, bias=draw(st.booleans())
        )
    return Pool(
        draw(st.sampled_from(["max", "average", "padded_average"])),
        kernel,
        stride,
        rounding=draw(st.sampled_from(["floor", "ceil"])),
    )


@st.composite
def keepers(draw, shape) -> Node:
    """Primitives that keep the extents."""
    channels = shape[0]
    norm = Norm(draw(st.sampled_from(["batch", "group", "layer2d"])), groups=draw(st.integers(1, 4)))
    kinds = [norm, Act(draw(FUNCTIONS)), Conv(draw(CHANNELS), 3), LayerScale(0.5), PadChannels(channels + 1)]
    kinds += [LocalResponseNorm(3), GlobalResponseNorm(), Pool("average", 3, 1, 1)]
    return draw(st.sampled_from([*kinds, Dropout(0.1), Identity(), Tap("tap"), Pool("max", 1, 1)]))


@st.composite
def blocks(draw, shape, depth) -> Node:
    out, stride = draw(CHANNELS), draw(st.integers(1, 2))
    return draw(
        st.sampled_from(
            [
                BasicResidual(out, stride),
                BasicResidual(shape[0] + 1, stride, shortcut="padding", attention=SqueezeExcite()),
                BasicResidual(out, stride, shortcut="pooled_projection"),
                Bottleneck(4 * out, stride),
                PreactBasic(out, stride),
                PreactBottleneck(4 * out, stride),
                InvertedResidual(out, stride, expansion=2),
                MBConv(out, stride, expansion=2),
                DenseLayer(out),
                SqueezeExcite(2, layer="conv"),
            ]
        )
    )


@st.composite
def chains(draw, shape, depth) -> Node:
    children = []
    for name in draw(names(draw(st.integers(1, 3)))):
        child = draw(nodes(shape, depth))
        children.append((name, child))
        shape = child.output(shape)
    return Seq(tuple(children))


def names(count: int):
    """Different names; the first child may be nameless."""
    chosen = st.permutations(NAMES).map(lambda order: list(order[:count]))
    return st.tuples(chosen, st.booleans()).map(lambda pair: ["", *pair[0][1:]] if pair[1] else pair[0])


@st.composite
def branches(draw, shape, depth) -> tuple[Node, ...]:
    """Up to three nodes that keep the extents."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        child = draw(nodes(shape, depth))
        found.append(child if child.output(shape)[1:] == shape[1:] else draw(keepers(shape)))
    return tuple(found)


def _fitted(node: Node, shape, out: int) -> Node:
    """The node with as many channels as the others."""
    if node.output(shape)[0] == out:
        return node
    return Seq((("body", node), ("fit", Conv(out))))


@st.composite
def sums(draw, shape, depth) -> Node:
    found = draw(branches(shape, depth))
    return Sum(tuple(zip(draw(names(len(found))), (_fitted(node, shape, shape[0]) for node in found), strict=True)))


@st.composite
def concats(draw, shape, depth) -> Node:
    found = draw(branches(shape, depth))
    return Concat(tuple(zip(draw(names(len(found))), found, strict=True)))


@st.composite
def gates(draw, shape, depth) -> Node:
    body = draw(branches(shape, depth))[0]
    ending = draw(st.sampled_from([Conv(shape[0]), Linear(shape[0], bias=False)]))
    factor = draw(
        st.sampled_from(
            [_fitted(body, shape, shape[0]), Seq((("pool", GlobalPool()), ("fc", ending), ("act", Act("sigmoid"))))]
        )
    )
    return Gate(((draw(st.sampled_from(["", "gate"])), factor),))


@st.composite
def sides(draw, shape, depth) -> Node:
    """A body of any kind beside the way; the map may even be too small for it."""
    large = Seq((("large", Conv(2, 9, padding=0)), ("norm", Norm())))
    return Side(((draw(st.sampled_from(["", "beside"])), draw(st.one_of(st.just(large), nodes(shape, depth)))),))


COMBINED = {"seq": chains, "sum": sums, "concat": concats, "gate": gates, "side": sides}

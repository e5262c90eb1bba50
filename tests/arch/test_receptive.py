"""The receptive field: published values, and the closed form against gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from vertebra.arch import (
    Act,
    Bottleneck,
    Conv,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    InvertedResidual,
    Node,
    Norm,
    Pool,
    Seq,
    SqueezeExcite,
    add,
    concat,
    gate,
    layers,
    seq,
    side,
)
from vertebra.arch.receptive import Window, reach
from vertebra.arch.shapes import pair
from vertebra.nn import build
from vertebra.zoo import architecture

# Araujo, Norris and Sim 2019 (Distill), table of "receptive fields for popular models", whose networks agree with these
# in every window; its ResNets have their strides elsewhere (483 for 50 layers).
PUBLISHED = {"alexnet": 195, "vgg16": 212, "mobilenetv1_100": 315, "inception_v3": 1311}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_fields(name):
    assert architecture(name).feature_info()[-1].receptive_field == (PUBLISHED[name],) * 2


def test_resnet50_by_hand():
    """7 + 2 * 2 after the stem, then twice the stride for each 3x3: three at 4 px, one and three at 4 and 8, ..."""
    fields = [one.receptive_field[0] for one in architecture("resnet50").feature_info()]
    assert fields[:2] == [7, 11 + 3 * 8]
    assert fields[2:] == [35 + 8 + 3 * 16, 91 + 16 + 5 * 32, 267 + 32 + 2 * 64]


def test_what_takes_the_whole_map():
    assert reach(seq(a=Conv(4, 3), b=SqueezeExcite()), 4) == (Window(3, 1, 1), Window(3, 1, 1), False, True)
    assert reach(Norm("group", groups=2), 4).context and reach(GlobalResponseNorm(), 4).context
    assert not reach(Norm(), 4).context
    assert reach(seq(a=Conv(4, 3), b=GlobalPool(), c=Conv(4, 1)), 4) == (Window(3, 1, 1), Window(3, 1, 1), True, False)
    assert reach(seq(side(Conv(4, 9)), b=Conv(4, (1, 3))), 4)[:2] == (Window(1, 1, 0), Window(3, 1, 1))


KERNELS = st.sampled_from((1, 2, 3, 5, (1, 7), (3, 2)))
LEAVES = st.one_of(
    st.builds(Conv, st.just(2), KERNELS, st.integers(1, 2), st.sampled_from(("half", "same", 1)), st.integers(1, 2)),
    st.builds(Pool, st.sampled_from(("average", "padded_average")), st.integers(2, 3), st.integers(1, 2), st.just(1)),
    st.sampled_from((Act(), Norm(), Identity(), InvertedResidual(2, 2, 2, act=Act()), Bottleneck(4), gate(Conv(2, 3)))),
)
BRANCHES = st.lists(st.sampled_from((1, 3, 5, (1, 3))), min_size=1, max_size=3)


@st.composite
def bodies(draw) -> Node:
    """Nodes one after the other, branches of like extents between them."""
    children: list[Node] = []
    for _ in range(draw(st.integers(1, 4))):
        kernels = draw(BRANCHES)
        branches = {f"b{index}": Conv(2, kernel) for index, kernel in enumerate(kernels)}
        children.append(draw(st.one_of(LEAVES, st.just(add(**branches)), st.just(concat(**branches)))))
        children.append(Conv(2))
    return Seq(tuple((f"c{index}", child) for index, child in enumerate(children)))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(bodies())
def test_closed_form_against_gradients(node):
    """Positive kernels and inputs, so that nothing cancels: what one position sees is where its gradient is not 0."""
    size = 128  # a multiple of every stride, and larger than any field drawn
    # Where a stride does not divide an extent, SAME puts its zeros elsewhere: the closed form is for those it divides.
    for layer in layers(node, (2, size, size)):
        if isinstance(layer.node, Conv) and layer.node.padding == "same":
            rows, columns = pair(layer.node.stride)
            assume(layer.enters[1] % rows == layer.enters[2] % columns == 0)
    net = build(node, channels=2).eval().double()
    with torch.no_grad():
        for tensor in net.parameters():
            tensor.abs_().add_(0.1)
    x = torch.ones(1, 2, size, size, dtype=torch.float64, requires_grad=True)
    y = net(x)
    row, column = y.shape[2] // 2, y.shape[3] // 2
    (gradient,) = torch.autograd.grad(y[0, :, row, column].sum(), x)
    seen = reach(node, 2)
    for axis, place, window in ((0, row, seen.rows), (1, column, seen.columns)):
        touched = gradient[0].sum(0).sum(1 - axis).nonzero().flatten()
        first = place * window.stride - window.before
        assert (touched[0].item(), touched[-1].item()) == (first, first + window.span - 1)

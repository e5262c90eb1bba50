"""The operations that torch runs for each primitive, and what each does with memory.

The sizes are those of torch 2.13 on a CPU, eager, for channels_last maps: which tensors an operation allocates, which
of them autograd saves (its ``derivatives.yaml``), and which gradients are new.  ``vertebra.nn.layers`` says which
operations a primitive of ours is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vertebra.arch.fold import Fold
from vertebra.arch.node import Primitive
from vertebra.arch.primitives import (
    Act,
    AdaptivePool,
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
from vertebra.arch.shapes import Shape, elements, pads, pair, spread_pads
from vertebra.arch.spread import SamePad
from vertebra.costs.operation import Operation, Sizes, view
from vertebra.costs.workspace import workspace

INDEX = 8
"""Bytes of the place that a maximum was found at (int64)."""
STATISTIC = 4
"""Bytes of a mean or a deviation (float32 in every precision)."""

Rule = Callable[[Any, Shape, Shape, Sizes], tuple[Operation, ...]]

OPERATIONS: Fold[Rule] = Fold("memory", Primitive)
"""(node, shape that enters, shape that leaves, sizes) -> its operations in order; none where the value passes."""


# -- operations that several primitives share --------------------------------------------------------------------------


def _padded(enters: Shape, below: int, beside: int, sizes: Sizes) -> tuple[Shape, Operation]:
    """Zeros around a map, as a copy; the gradient is cut out, as a copy too."""
    shape = (enters[0], enters[1] + below, enters[2] + beside)
    return shape, Operation(out=sizes.of(shape), gradients=(sizes.of(enters),))


def _subsampled(enters: Shape, stride: tuple[int, int], sizes: Sizes) -> tuple[Shape, Operation]:
    """Every stride-th row and column as a view; the gradient of each of the two slices is a map of zeros written to."""
    rows = (enters[0], -(-enters[1] // stride[0]), enters[2])
    shape = (*rows[:2], -(-enters[2] // stride[1]))
    return shape, view(sizes.of(enters), sizes.of(rows))


# -- layers with weights -----------------------------------------------------------------------------------------------


@OPERATIONS.rule(Conv)
def _conv(node: Conv, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    """oneDNN's convolution, torch's own where that takes it for small inputs, or a matrix product."""
    before: tuple[Operation, ...] = ()
    copied = 0
    if node.even_padding() is None:
        below, beside = (sum(one) for one in _pads(node, enters))
        enters, pad = _padded(enters, below, beside, sizes)
        before = (pad,)
    elif node.subsamples():
        enters, cut = _subsampled(enters, pair(node.stride), sizes)
        before, copied = (cut,), sizes.of(enters)
    work, back = workspace(node, enters, leaves, sizes)
    run = Operation(
        out=sizes.of(leaves),
        saves=(0,),
        gradients=(sizes.of(enters),),
        work=work + copied,
        back=back + copied,
        learns=True,
        dense=sizes.of(leaves),
    )
    return (*before, run)


def _pads(node: Conv, enters: Shape) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows above and below, columns before and after."""
    paddings = node.padding if isinstance(node.padding, tuple) else (node.padding, node.padding)
    axes = zip(enters[1:], pair(node.kernel), pair(node.stride), paddings, pair(node.dilation), strict=True)
    rows, columns = (pads(*axis) for axis in axes)
    return rows, columns


@OPERATIONS.rule(Linear)
def _linear(node: Linear, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    """A map of more than one position is flattened by a copy: its channels lie last."""
    run = Operation(out=sizes.of(leaves), saves=(0,), gradients=(sizes.of(enters),), learns=True)
    if elements(enters[1:]) == 1:
        return (run,)
    return Operation(out=sizes.of(enters), gradients=(0,)), run


@OPERATIONS.rule(Norm)
def _norm(node: Norm, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    """It saves its input, a mean and a deviation: of each channel, of each group and image, or of each position.

    Going back, torch's batch normalisation needs a second map.
    """
    statistics = {
        "batch": enters[0],
        "group": sizes.batch * node.groups_of(enters[0]),
        "layer2d": sizes.batch * elements(enters[1:]),
    }[node.method]
    size = sizes.of(enters)
    run = Operation(
        out=size,
        saves=(0,),
        gradients=(size,),
        notes=2 * STATISTIC * statistics,
        back=size if node.method == "batch" else 0,
        learns=True,
        dense=size,
    )
    return (run,)


@OPERATIONS.rule(LayerScale)
def _layer_scale(node: LayerScale, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    """The gradient of the gain is a whole map before it is summed."""
    size = sizes.of(enters)
    return (Operation(out=size, saves=(0,), gradients=(size,), back=size, learns=True),)


@OPERATIONS.rule(GlobalResponseNorm)
def _response(node: GlobalResponseNorm, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    """The norms of the channels; then a product with the map, whose factor's gradient is a whole map before it is
    summed.
    """
    size, vector = sizes.of(enters), sizes.of(enters[:1])
    norms = Operation(out=vector, saves=(0,), saves_output=True, gradients=(size,), back=size)
    share = Operation(out=3 * vector, saves=(0,), saves_output=True, gradients=(vector,), learns=True)
    scaled = Operation(out=size, reads=(0, 2), saves=(0, 1), gradients=(size, vector), back=2 * size, learns=True)
    return norms, share, scaled


# -- activations -------------------------------------------------------------------------------------------------------

FROM_OUTPUT = ("relu", "sigmoid", "tanh")
"""Functions whose gradient takes their output; the others' takes their input."""


@OPERATIONS.rule(Act)
def _act(node: Act, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    if node.function == "identity":
        return ()
    size = sizes.of(enters)
    if node.function in FROM_OUTPUT:
        return (Operation(out=size, saves_output=True, gradients=(size,)),)
    return (Operation(out=size, saves=(0,), gradients=(size,)),)


@OPERATIONS.rule(Dropout)
def _dropout(node: Dropout, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    if not sizes.training or node.rate == 0:
        return ()
    size = sizes.of(enters)
    return (Operation(out=size, notes=size, gradients=(size,)),)


@OPERATIONS.rule(Identity, Tap)
def _passing(node: Primitive, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    return ()


# -- poolings and paddings ---------------------------------------------------------------------------------------------


@OPERATIONS.rule(Pool)
def _pool(node: Pool, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    if pair(node.kernel) == (1, 1):
        return (_subsampled(enters, pair(node.stride), sizes)[1],)
    (rows, columns), (below, beside) = pair(node.padding), node.over
    wide = any(2 * padding > kernel for padding, kernel in zip(pair(node.padding), pair(node.kernel), strict=True))
    if node.method != "max":
        spread = pair(node.dilation) != (1, 1) or any(node.over)
        return _spread_average(node, enters, leaves, sizes) if spread else (_averaged(enters, leaves, sizes),)
    if not wide and not any(node.over):
        return (_largest(enters, leaves, sizes),)
    enters, pad = _padded(enters, 2 * rows + below, 2 * columns + beside, sizes)
    return pad, _largest(enters, leaves, sizes)


def _largest(enters: Shape, leaves: Shape, sizes: Sizes) -> Operation:
    """The places are found at inference too."""
    places = sizes.batch * elements(leaves) * INDEX
    return Operation(out=sizes.of(leaves), saves=(0,), gradients=(sizes.of(enters),), notes=places)


def _averaged(enters: Shape, leaves: Shape, sizes: Sizes) -> Operation:
    return Operation(out=sizes.of(leaves), saves=(0,), gradients=(sizes.of(enters),))


def _spread_average(node: Pool, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    """Sums of shifted maps along rows, then along columns, and a division; two sums stand at once, and each shift's
    gradient is a map of zeros written to.
    """
    (rows, columns), (below, beside) = pair(node.padding), node.over
    chain: list[Operation] = []
    if rows or columns or below or beside:
        enters, pad = _padded(enters, 2 * rows + below, 2 * columns + beside, sizes)
        chain.append(pad)
    for shape in ((enters[0], leaves[1], enters[2]), leaves):
        size, whole = sizes.of(shape), sizes.of(enters)
        chain.append(Operation(out=size, work=size, gradients=(whole,), back=whole))
        enters = shape
    return *chain, Operation(out=sizes.of(leaves), gradients=(sizes.of(leaves),))


@OPERATIONS.rule(GlobalPool)
def _global_pool(node: GlobalPool, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    """torch takes the mean, which saves nothing; a maximum saves its input and the places."""
    if node.method == "max":
        return (_largest(enters, leaves, sizes),)
    return (Operation(out=sizes.of(leaves), gradients=(sizes.of(enters),)),)


@OPERATIONS.rule(AdaptivePool)
def _adaptive_pool(node: AdaptivePool, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    return (_averaged(enters, leaves, sizes),)


@OPERATIONS.rule(PadChannels)
def _pad_channels(node: PadChannels, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    return (Operation(out=sizes.of(leaves), gradients=(sizes.of(enters),)),)


@OPERATIONS.rule(SamePad)
def _same_pad(node: SamePad, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    axes = zip(enters[1:], pair(node.kernel), pair(node.taken), pair(node.spacing), strict=True)
    below, beside = (sum(spread_pads(*axis)) for axis in axes)
    return (_padded(enters, below, beside, sizes)[1],)


@OPERATIONS.rule(LocalResponseNorm)
def _local(node: LocalResponseNorm, enters: Shape, leaves: Shape, sizes: Sizes) -> tuple[Operation, ...]:
    """``x / (k + alpha * mean(pad(x * x))) ** beta`` as torch writes it: seven operations on whole maps."""
    size, padded = sizes.of(enters), sizes.of((enters[0] + node.size - 1, *enters[1:]))
    return (
        Operation(out=size, reads=(0, 0), saves=(0, 1), gradients=(size, size)),
        Operation(out=padded, gradients=(size,)),
        Operation(out=size, saves=(0,), gradients=(padded,)),
        Operation(out=size, gradients=(size,)),
        Operation(out=size, gradients=(0,), work=size),
        Operation(out=size, saves=(0,), gradients=(size,), work=size, back=2 * size),
        Operation(out=size, reads=(0, 6), saves=(0, 1), gradients=(size, size), back=2 * size),
    )

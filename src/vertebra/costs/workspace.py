"""What a convolution takes beside its tensors: seen in torch 2.13 with oneDNN on a processor with AVX-512."""

from __future__ import annotations

from typing import Final, NamedTuple

from vertebra.arch.primitives import Conv
from vertebra.arch.shapes import Shape, elements, pair
from vertebra.costs.operation import Sizes
from vertebra.costs.precision import BYTES

OWN_WAY: Final = 20_480
"""Values of one image up to which torch does not hand a convolution to oneDNN (``ConvParams::use_mkldnn``)."""
BLOCK: Final = 16
"""Channels of a block in oneDNN's order: those of a 512-bit register."""
FEW: Final = 4
"""Channels up to which a kernel is not filled up to a block: those of images."""
PLAIN: Final = 3
"""Rows and columns up to which the gradient of a depthwise kernel has a way without blocks."""
WHOLE: Final = BYTES["fp32"]
"""In half precision the gradient of a kernel is gathered in float32 beside its own."""


class Workspace(NamedTuple):
    """Bytes, forward and backward."""

    forward: int
    backward: int


def workspace(node: Conv, enters: Shape, leaves: Shape, sizes: Sizes) -> Workspace:
    """What a convolution allocates while it runs; its padding and striding are done with.

    A matrix product takes nothing.  One small image goes by torch's own way, with a column
    for each window.  Else oneDNN puts the kernel into an order of its own, and its gradient into blocks of 16 x 16
    channels in every group: 256 times a depthwise kernel of 5 x 5.  With a single thread and fewer than 16 images,
    1x1 convolutions go by torch's own way too, and need nothing.
    """
    rows, columns = pair(node.kernel)
    window = rows * columns
    if node.is_product():
        return Workspace(0, 0)
    if _small(node, enters, sizes):
        columns_of = 0 if window == 1 else window * enters[0] * elements(leaves[1:]) * sizes.value
        return Workspace(columns_of, columns_of)
    each, out = enters[0] // node.groups, node.out // node.groups
    kernel = node.out * each * window
    blocks = node.groups * _in_blocks(each) * _in_blocks(out) * window
    if each == out == 1:
        plain = max(rows, columns) <= PLAIN and pair(node.dilation) == (1, 1)
        forward, gradient = kernel, kernel if plain else blocks
    elif each == 1:
        forward, gradient = blocks, blocks
    else:
        forward, gradient = kernel, kernel if enters[0] <= FEW else blocks
    beside = kernel if sizes.value == WHOLE else gradient
    return Workspace(forward * sizes.value, beside * sizes.value + gradient * WHOLE)


def _small(node: Conv, enters: Shape, sizes: Sizes) -> bool:
    one = sizes.batch == 1 and node.groups == 1 and sizes.value == WHOLE
    return one and min(pair(node.kernel)) <= 3 and elements(enters) <= OWN_WAY


def _in_blocks(channels: int) -> int:
    return -(-channels // BLOCK) * BLOCK

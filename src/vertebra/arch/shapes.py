"""Shapes, and the one home of padding and stride arithmetic.

A shape is a tuple without the batch: ``(C, H, W)`` for a map, ``(C,)`` for a vector.  An extent that is not known
(a block built from its channels alone) is ``UNKNOWN``; weights never depend on it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal

from vertebra.errors import ShapeError

Shape = tuple[int, ...]
Padding = Literal["half", "same"] | int | tuple[int, int]

UNKNOWN: Final = 0


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """``3`` as ``(3, 3)``; a pair as it is (rows, columns)."""
    return (value, value) if isinstance(value, int) else value


def is_map(shape: Shape) -> bool:
    """Whether the shape is of a map (C, H, W)."""
    return len(shape) == 3


def elements(shape: Shape) -> int:
    """The number of values in one image's tensor of this shape."""
    count = 1
    for extent in shape:
        count *= extent
    return count


@lru_cache(maxsize=1 << 14)
def pads(size: int, kernel: int, stride: int, padding: Literal["half", "same"] | int, dilation: int) -> tuple[int, int]:
    """Zeros put before and after one dimension.

    ``"half"`` is half the dilated kernel, so that stride 1 keeps the size of odd kernels.  ``"same"`` is TensorFlow's rule: the
    output is ceil(size / stride), and an odd rest goes after.
    """
    span = dilation * (kernel - 1) + 1
    if padding == "half":
        return (span // 2, span // 2)
    if padding == "same":
        if size == UNKNOWN:
            return (UNKNOWN, UNKNOWN)
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        return (total // 2, total - total // 2)
    return (padding, padding)


@lru_cache(maxsize=1 << 16)
def extent(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: Literal["half", "same"] | int = 0,
    dilation: int = 1,
    rounding: Literal["floor", "ceil"] = "floor",
) -> int:
    """The extent after a window slides over ``size`` values; raises ShapeError where the window does not fit.

    ``rounding="ceil"`` keeps a last window that starts inside the input or its left padding, as torch's ``ceil_mode``.
    """
    if size == UNKNOWN:
        return UNKNOWN
    before, after = pads(size, kernel, stride, padding, dilation)
    span = dilation * (kernel - 1) + 1
    room = size + before + after - span
    if room < 0:
        raise ShapeError(
            f"a window of {span} does not fit an input of {size} with padding {before + after}",
            remedy="use a larger resolution, a smaller kernel or less stride before this layer",
        )
    if rounding == "floor":
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + before else count


def windowed(
    shape: Shape,
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int],
    padding: Padding,
    dilation: int | tuple[int, int] = 1,
    rounding: Literal["floor", "ceil"] = "floor",
) -> tuple[int, int]:
    """Rows and columns after a two-dimensional window; raises ShapeError for a vector or a window that does not fit."""
    if len(shape) != 3:
        raise ShapeError(f"expected a map (C, H, W), got {shape}", remedy="place this layer before the pooling or Linear")
    (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
    ph, pw = (padding, padding) if not isinstance(padding, tuple) else padding
    return extent(shape[1], kh, sh, ph, dh, rounding), extent(shape[2], kw, sw, pw, dw, rounding)

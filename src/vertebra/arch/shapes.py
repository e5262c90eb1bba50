"""Shapes, and the one home of padding and stride arithmetic.

A shape is a tuple without the batch: ``(C, H, W)`` for a map, ``(C,)`` for a vector.  An extent that is not known
(a block built from its channels alone) is ``UNKNOWN``; weights never depend on it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal, NamedTuple

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

    ``"half"`` is half the dilated kernel, so that stride 1 keeps the size of odd kernels.  ``"same"`` is TensorFlow's
    rule: the output is ceil(size / stride), and an odd rest goes after.
    """
    span = dilation * (kernel - 1) + 1
    if padding == "half":
        return (span // 2, span // 2)
    if padding == "same":
        if size == UNKNOWN:
            return (UNKNOWN, UNKNOWN)
        return same_pads(size, span, stride)
    return (padding, padding)


def same_pads(size: int, span: int, stride: int, most: Callable[[int, int], int] = max) -> tuple[int, int]:
    """TensorFlow's ``SAME`` for a window over ``span`` values.

    ``most`` is the maximum of two: sizes may be torch's symbols.
    """
    total = most((-(-size // stride) - 1) * stride + span - size, 0)
    return (total // 2, total - total // 2)


def spread_pads(
    size: int, kernel: int, taken: int, spacing: int, most: Callable[[int, int], int] = max
) -> tuple[int, int]:
    """``SAME`` for a window with stride ``taken`` on every ``spacing``-th value, spread so far that nothing is lost."""
    before = spacing * same_pads(-(-size // spacing), kernel, taken, most)[0]
    return before, spacing * (kernel - 1) - before


class Step(NamedTuple):
    """What a sliding window does to one dimension: ``size`` becomes ``(size + slack) // stride + 1``."""

    slack: int
    """Padding on both sides less the dilated kernel."""
    stride: int
    start: int | None = None
    """Padding before, where the division rounds up (``ceil``)."""


KEEP: Final = Step(-1, 1)
"""The step that changes no extent."""


@lru_cache(maxsize=1 << 12)
def step(
    kernel: int,
    stride: int = 1,
    padding: Literal["half", "same"] | int = 0,
    dilation: int = 1,
    rounding: Literal["floor", "ceil"] = "floor",
) -> Step:
    """The step of a window, whatever the size that it slides over."""
    if padding == "same":
        return Step(-1, stride)  # (size - 1) // stride + 1 is ceil(size / stride)
    before, after = pads(UNKNOWN, kernel, stride, padding, dilation)
    slack = before + after - dilation * (kernel - 1) - 1
    return Step(slack, stride, before if rounding == "ceil" else None)


def after(size: int, one: Step) -> int:
    """The extent that a step leaves of ``size``; below 1 where the window does not fit."""
    room = size + one.slack
    if room < 0:
        return 0
    if one.start is None:
        return room // one.stride + 1
    # A last window must start inside the input or the padding before it (torch's ceil_mode).
    count = -(-room // one.stride) + 1
    return count - 1 if (count - 1) * one.stride >= size + one.start else count


@lru_cache(maxsize=1 << 14)
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
    left = after(size, step(kernel, stride, padding, dilation, rounding))
    if left < 1:
        span, padded = dilation * (kernel - 1) + 1, sum(pads(size, kernel, stride, padding, dilation))
        raise ShapeError(
            f"a window of {span} does not fit an input of {size} with padding {padded}",
            remedy="use a larger resolution, a smaller kernel or less stride before this layer",
        )
    return left


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
        raise ShapeError(f"expected a map (C, H, W), got {shape}", remedy="put this layer before the pooling")
    (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
    ph, pw = padding if isinstance(padding, tuple) else (padding, padding)
    return extent(shape[1], kh, sh, ph, dh, rounding), extent(shape[2], kw, sw, pw, dw, rounding)


def steps_of(
    kernel: int | tuple[int, int],
    stride: int | tuple[int, int],
    padding: Padding,
    dilation: int | tuple[int, int] = 1,
    rounding: Literal["floor", "ceil"] = "floor",
) -> tuple[Step, Step]:
    """The steps of a two-dimensional window along rows and columns."""
    (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
    ph, pw = padding if isinstance(padding, tuple) else (padding, padding)
    return step(kh, sh, ph, dh, rounding), step(kw, sw, pw, dw, rounding)

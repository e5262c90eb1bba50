"""A unit as numbers: what its time may depend on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vertebra.arch.shapes import Shape
from vertebra.errors import ArchitectureError
from vertebra.latency.units import PRODUCTS, Unit

LANES = 16
"""Values of float32 in the widest register; kernels fill channels up to a multiple of it."""

KINDS = (
    *PRODUCTS,
    "max_pool",
    "average_pool",
    "global_pool",
    "adaptive_pool",
    "batch_norm",
    "group_norm",
    "layer2d_norm",
    "local_response_norm",
    "global_response_norm",
    "act",
    "scale",
    "pad",
    "add",
    "concat",
    "gate",
)
"""Every kind of unit; a test holds it to ``units.WORK``."""

ACTS = (
    "relu",
    "relu6",
    "leaky_relu",
    "silu",
    "hard_swish",
    "hard_sigmoid",
    "sigmoid",
    "tanh",
    "gelu",
    "mish",
)
"""Every activation that takes time; a test holds it to ``arch.primitives.Function``."""

NUMBERS = 34
"""Features before the indicators of kind and activation."""

WIDTH = NUMBERS + len(KINDS) + len(ACTS)

_KIND = {name: place for place, name in enumerate(KINDS)}
_ACT = {name: place for place, name in enumerate(("", *ACTS))}

Whole = NDArray[np.int64]


class Columns(NamedTuple):
    """Units as columns of whole numbers [n]; a vector has one row and one column.  ``act``: 0 is none."""

    kind: Whole
    act: Whole
    channels: Whole
    rows: Whole
    columns: Whole
    out: Whole
    out_rows: Whole
    out_columns: Whole
    kernel_rows: Whole
    kernel_columns: Whole
    stride: Whole
    dilation: Whole
    groups: Whole
    norm: Whole
    joins: Whole


def columns_of(units: Iterable[Unit]) -> Columns:
    """The columns of some units; raises ArchitectureError for a kind or an activation that no profile knows."""
    table = [
        (
            _place(_KIND, unit.kind),
            _place(_ACT, unit.act),
            *_map(unit.enters),
            *_map(unit.leaves),
            *unit.kernel,
            unit.stride[0],
            unit.dilation[0],
            unit.groups,
            unit.norm,
            unit.joins,
        )
        for unit in units
    ]
    return Columns(*np.array(table, np.int64).reshape(-1, len(Columns._fields)).T)


def _place(places: Mapping[str, int], name: str) -> int:
    try:
        return places[name]
    except KeyError:
        what = f"latency is not predicted for a unit {name!r}"
        raise ArchitectureError(what, allowed=", ".join(filter(None, places)), remedy="measure it") from None


def features(units: Columns) -> NDArray[np.float32]:
    """float32 [n, WIDTH]: sizes as logarithms (times follow products of them), remainders of channels and columns by
    LANES, indicators of kind and activation.
    """
    every = np.arange(len(units.kind))
    found = np.zeros((len(every), WIDTH), np.float32)
    for place, values in enumerate(_sizes(units)):
        found[:, place] = values
    found[every, NUMBERS + units.kind] = 1.0
    acting = units.act > 0
    found[every[acting], NUMBERS + len(KINDS) + units.act[acting] - 1] = 1.0
    return found


def _sizes(of: Columns) -> list[NDArray[np.float64] | NDArray[np.bool_] | Whole]:
    positions, out_positions = of.rows * of.columns, of.out_rows * of.out_columns
    entering, leaving = of.channels * positions, of.out * out_positions
    channels, out = _multiplied(of), of.out
    area = of.kernel_rows * of.kernel_columns
    share = channels / of.groups
    weights = np.where(of.kind < len(PRODUCTS), out * area * share, 0.0)  # the kinds of products come first
    macs = weights * out_positions
    within = (
        macs
        * (_inside(of.rows, of.out_rows, of.kernel_rows, of).sum(0) / (of.kernel_rows * of.out_rows))
        * (_inside(of.columns, of.out_columns, of.kernel_columns, of).sum(0) / (of.kernel_columns * of.out_columns))
    )
    return [
        _log(channels),
        _log(out),
        _log(positions),
        _log(out_positions),
        _log(macs),
        _log(weights),
        _log(entering),
        _log(leaving),
        _log(area),
        _log(of.stride),
        of.dilation,
        _log(of.groups),
        _log(share),
        of.norm,
        of.joins,
        _log(_filled(channels)),
        _log(_filled(out)),
        _log(_filled(share)),
        channels % LANES / LANES,
        out % LANES / LANES,
        channels % LANES == 0,
        out % LANES == 0,
        channels % 4 == 0,
        out % 4 == 0,
        channels < LANES,
        of.out_columns % LANES / LANES,
        _log(of.out_columns),
        _log(_filled(of.out_columns)),
        of.kernel_rows != of.kernel_columns,
        _log(macs) - _log(entering + leaving + weights),
        _log(within),
        share % LANES == 0,
        out / of.groups % LANES == 0,
        share % 4 == 0,
    ]


def megabytes(of: Columns) -> NDArray[np.float64]:
    """Weights that a run of each unit reads, [n], in MB (10^6 bytes) of float32: those of taps that ever lie within the
    map.
    """
    rows = (_inside(of.rows, of.out_rows, of.kernel_rows, of) > 0).sum(0)
    columns = (_inside(of.columns, of.out_columns, of.kernel_columns, of) > 0).sum(0)
    read = of.out * rows * columns * _multiplied(of) / of.groups
    return np.where(of.kind < len(PRODUCTS), 4e-6 * read, 0.0)


def _multiplied(of: Columns) -> Whole:
    """The values that each output is made of, but for the kernel's area and groups."""
    return np.where(of.kind == _KIND["linear"], of.channels * of.rows * of.columns, of.channels)


def _inside(entering: Whole, leaving: Whole, kernel: Whole, of: Columns) -> Whole:
    """At how many positions along an axis each tap of a kernel lies within the map, [taps, n]: kernels pass over the
    padding.

    As much padding is taken as the extents need, half of it before.
    """
    before = np.maximum((leaving - 1) * of.stride + (kernel - 1) * of.dilation + 1 - entering, 0) // 2
    taps = np.arange(int(kernel.max(initial=0)))[:, None]
    at = taps * of.dilation - before
    first = np.maximum(-(at // of.stride), 0)
    last = np.minimum((entering - 1 - at) // of.stride, leaving - 1)
    return np.where(taps < kernel, np.maximum(last - first + 1, 0), 0)


def _map(shape: Shape) -> tuple[int, int, int]:
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)


def _log(values: Whole | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log2(values + 1))


def _filled(values: Whole | NDArray[np.float64]) -> NDArray[np.float64]:
    """The multiple of LANES that holds each."""
    return np.asarray(np.ceil(np.ceil(values) / LANES) * LANES)

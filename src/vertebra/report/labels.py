"""What a drawing writes into the box of each kind of primitive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

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
from vertebra.arch.shapes import Shape, elements, pair
from vertebra.arch.spread import SamePad
from vertebra.report.text import TIMES

Role = Literal["product", "pool", "norm", "act", "other"]


class Label(NamedTuple):
    """The words in a box, and the role that colours it; no words: the node is drawn as the line alone."""

    words: str
    role: Role
    leads: bool = True
    """Whether a box begins here; what does not lead hangs under the box before it, without an arrow."""


LABELS: Fold[Callable[[Any, Shape], Label]] = Fold("labels", Primitive)
"""(node, shape that enters) -> what is written."""

_NORMS = {"batch": "batch norm", "layer2d": "layer norm over channels"}
_POOLS = {"max": "max pool", "average": "average pool", "padded_average": "average pool with its zeros"}


@LABELS.rule(Conv)
def _conv(node: Conv, enters: Shape) -> Label:
    groups = f", {node.groups} groups" if node.groups > 1 else ""
    depthwise = node.groups > 1 and node.groups == enters[0]
    kind, groups = ("depthwise conv", "") if depthwise else ("conv", groups)
    dilation = "" if pair(node.dilation) == (1, 1) else f", dilation {_size(node.dilation)}"
    width = str(node.out) if node.out == enters[0] else f"{enters[0]} \u2192 {node.out}"
    return Label(f"{kind} {_size(node.kernel)}{_stride(node.stride)}, {width}{groups}{dilation}", "product")


@LABELS.rule(Linear)
def _linear(node: Linear, enters: Shape) -> Label:
    return Label(f"linear, {elements(enters)} \u2192 {node.out}", "product")


@LABELS.rule(Norm)
def _norm(node: Norm, enters: Shape) -> Label:
    words = _NORMS.get(node.method, f"group norm, {node.groups_of(enters[0])} groups")
    return Label(words, "norm", leads=False)


@LABELS.rule(LocalResponseNorm)
def _local_response_norm(node: LocalResponseNorm, enters: Shape) -> Label:
    return Label(f"local response norm over {node.size} channels", "norm", leads=False)


@LABELS.rule(GlobalResponseNorm)
def _global_response_norm(node: GlobalResponseNorm, enters: Shape) -> Label:
    return Label("global response norm", "norm", leads=False)


@LABELS.rule(LayerScale)
def _layer_scale(node: LayerScale, enters: Shape) -> Label:
    return Label("gain for each channel", "norm", leads=False)


@LABELS.rule(Act)
def _act(node: Act, enters: Shape) -> Label:
    return Label(node.function.replace("_", "-"), "act", leads=False)


@LABELS.rule(Pool)
def _pool(node: Pool, enters: Shape) -> Label:
    if pair(node.kernel) == (1, 1):
        return Label(f"every {_ordinal(pair(node.stride)[0])} value", "pool")
    return Label(f"{_POOLS[node.method]} {_size(node.kernel)}{_stride(node.stride)}", "pool")


@LABELS.rule(GlobalPool)
def _global_pool(node: GlobalPool, enters: Shape) -> Label:
    return Label(f"global {node.method} pool", "pool")


@LABELS.rule(AdaptivePool)
def _adaptive_pool(node: AdaptivePool, enters: Shape) -> Label:
    return Label(f"average pool to {_size(node.extent)}", "pool")


@LABELS.rule(SamePad)
def _same_pad(node: SamePad, enters: Shape) -> Label:
    return Label("zeros around", "other", leads=False)


@LABELS.rule(PadChannels)
def _pad_channels(node: PadChannels, enters: Shape) -> Label:
    return Label(f"zeros, {enters[0]} \u2192 {node.out}", "other", leads=False)


@LABELS.rule(Dropout)
def _dropout(node: Dropout, enters: Shape) -> Label:
    return Label(f"dropout {node.rate:g}", "other", leads=False)


@LABELS.rule(Identity)
def _identity(node: Identity, enters: Shape) -> Label:
    return Label("", "other")


@LABELS.rule(Tap)
def _tap(node: Tap, enters: Shape) -> Label:
    return Label(f"output {node.name}", "other")


def _size(extent: int | tuple[int, int]) -> str:
    rows, columns = pair(extent)
    return f"{rows}{TIMES}{columns}"


def _stride(stride: int | tuple[int, int]) -> str:
    rows, columns = pair(stride)
    return "" if rows == columns == 1 else f"/{rows}" if rows == columns else f"/{rows}{TIMES}{columns}"


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")

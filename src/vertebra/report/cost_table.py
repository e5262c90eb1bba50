"""What a network costs as tables: the whole, its kinds of layer, its stages, its layers."""

from __future__ import annotations

from collections.abc import Mapping

from vertebra.arch.maps import Map
from vertebra.arch.shapes import Shape
from vertebra.costs.count import Cost
from vertebra.costs.memory import Memory
from vertebra.costs.rows import KindCost, LayerCost, PartCost
from vertebra.report import text
from vertebra.report.cost_profile import Profile, ends_of_parts, peaks_of_layers, peaks_of_parts

COLUMNS = ("output", "params", "MACs", "activations", "moved", "FLOPs/B", "field", "peak, run", "peak, train")
STAGE_HEAD = ("stage", *COLUMNS, "block")
LAYER_HEAD = ("layer", *COLUMNS, "kind")
KIND_HEAD = ("kind", "number", "params", "of all", "MACs", "of all", "activations", "moved", "of all", "FLOPs/B")
WHOLE_HEAD = ("cost", "value", "")
FIELD = "pixels across (+: and something of the whole map)"
"""What the column ``field`` says."""
_NONE = "-"
_WIDEST = 52
"""Columns that a block's description may take."""
CHECKPOINTS = {"none": "every value kept", "block": "each block run again", "stage": "each stage run again"}
"""Checkpointing in words."""


def stage_rows(of: Profile) -> list[tuple[str, ...]]:
    """A line for stem, stages and head, under ``STAGE_HEAD``."""
    peaks = [peaks_of_parts(moments) for moments in (of.runs, of.trains)]
    ends = ends_of_parts(of.arch)
    return [
        (part.part, *_counts(part, ends[part.part]), *(_peak(peak.get(part.part)) for peak in peaks), block_said(part))
        for part in of.cost.parts
    ]


def layer_rows(of: Profile) -> list[tuple[str, ...]]:
    """A line for each layer, under ``LAYER_HEAD``, and one for what sums, concatenations and gates move."""
    peaks = [peaks_of_layers(moments) for moments in (of.runs, of.trains)]
    rows = [
        (layer.path, *_counts(layer, layer), *(_peak(peak.get(layer.path)) for peak in peaks), layer.form)
        for layer in of.cost.layers
    ]
    moved = sum(join.traffic for join in of.cost.joins)
    if not moved:
        return rows
    joins = f"{len(of.cost.joins)} sums, concatenations and gates"
    most = [max((peak[join.path] for join in of.cost.joins if join.path in peak), default=None) for peak in peaks]
    return [*rows, (joins, "", "0", "0", "0", text.size(moved), "0", _NONE, *map(_peak, most), "")]


def total_row(of: Profile) -> tuple[str, ...]:
    """The sum of stages or of layers."""
    costs, memory = of.cost, of.memory
    counts = (f"{costs.params:,}", f"{costs.macs:,}", f"{costs.activations:,}", text.size(costs.traffic))
    peaks = _peak(memory.inference_bytes), _peak(memory.training_bytes)
    return ("total", f"at {costs.resolution} px", *counts, text.figures(costs.intensity), _NONE, *peaks, "")


def kind_rows(of: Profile) -> list[tuple[str, ...]]:
    """A line for each kind of layer, convolutions told apart, under ``KIND_HEAD``, and their sum."""
    costs = of.cost

    def line(name: str, number: str, one: Cost | KindCost) -> tuple[str, ...]:
        return (
            name, number, f"{one.params:,}", _share(one.params, costs.params), f"{one.macs:,}",
            _share(one.macs, costs.macs), f"{one.activations:,}", text.size(one.traffic),
            _share(one.traffic, costs.traffic), text.figures(one.intensity),
        )  # fmt: skip

    return [*(line(kind.kind, f"{kind.number:,}", kind) for kind in costs.kinds), line("total", _NONE, costs)]


def whole_rows(of: Profile) -> list[tuple[str, str, str]]:
    """What the network costs as a whole, under ``WHOLE_HEAD``: name, value, and what it consists of."""
    costs = of.cost
    intensity = text.figures(costs.intensity)
    context = "; something takes the whole map besides" if costs.context else ""
    return [
        ("pixels", f"{costs.resolution}", f"an image of {_size(costs.shape)}"),
        ("params", f"{costs.params:,}", roles_said(of)),
        ("by kind", _NONE, _counted(costs.params_by_kind)),
        ("buffers", f"{costs.buffers:,}", "running statistics and counters"),
        ("MACs", f"{costs.macs:,}", f"{2 * costs.macs:,} FLOPs"),
        ("activations", f"{costs.activations:,}", "values that leave convolutions"),
        ("parameter bytes", f"{costs.parameter_bytes:,}", f"{text.size(costs.parameter_bytes)} in fp32"),
        ("bytes moved", f"{costs.traffic:,}", f"{text.size(costs.traffic)}: {intensity} FLOPs for each byte"),
        ("receptive field", f"{costs.receptive_field[0]:,}", f"pixels across, of the last map{context}"),
        *_memory_rows(of.memory),
    ]


def block_said(part: PartCost, columns: int = _WIDEST) -> str:
    """``7 x mbconv(out=48, stride=2, norm=norm(eps=0.001, mom…``"""
    return text.begun(f"{part.depth} x {part.block}" if part.depth > 1 else part.block, columns)


def roles_said(of: Profile) -> str:
    """``kernel 5,254,880, gain 21,008, bias 22,008``"""
    return _counted({str(role): count for role, count in of.cost.params_by_role.items()})


def conditions(memory: Memory) -> str:
    """``batch 16, bf16, each block run again``"""
    words = [f"batch {memory.batch}", memory.precision]
    return ", ".join([*words, *([CHECKPOINTS[memory.checkpointing]] if memory.checkpointing != "none" else [])])


def _memory_rows(memory: Memory) -> list[tuple[str, str, str]]:
    said, at = conditions(memory), memory.inference_at or "the image"
    whole = text.size(memory.inference_total_bytes)
    rows = [
        (
            "peak bytes, run",
            f"{memory.inference_bytes:,}",
            f"{text.size(memory.inference_bytes)} at {at} ({said}); {whole} with weights",
        )
    ]
    total = memory.training_total_bytes()
    if memory.training_bytes is not None and total is not None:
        at = f"{memory.training_phase} pass of {memory.training_at or 'the image'}"
        rows.append(
            (
                "peak bytes, train",
                f"{memory.training_bytes:,}",
                f"{text.size(memory.training_bytes)} in the {at} ({said}); {text.size(total)} with weights, gradients "
                "and AdamW",
            )
        )
    return rows


def _counts(one: LayerCost | PartCost, leaves: LayerCost | Map) -> tuple[str, ...]:
    """The columns that a part and a layer share; the field is that of what ``leaves``."""
    field = leaves.receptive_field
    seen = _NONE if field is None else f"{field[0]}{'+' * leaves.context}"
    moved = text.size(one.traffic)
    return (_size(one.leaves), f"{one.params:,}", f"{one.macs:,}", f"{one.activations:,}", moved,
            text.figures(one.intensity), seen)  # fmt: skip


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _share(count: int, of: int) -> str:
    return text.percent(count / of) if count and of else _NONE


def _peak(octets: int | None) -> str:
    return _NONE if octets is None else text.size(octets)


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape))

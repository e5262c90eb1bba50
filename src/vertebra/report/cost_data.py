"""What a network costs, and what differs between two, as plain data for JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from vertebra.costs.changes import Change
from vertebra.costs.count import Cost
from vertebra.costs.difference import Difference
from vertebra.costs.rows import KindCost, LayerCost, PartCost
from vertebra.report.cost_profile import Profile, ends_of_parts, peaks_of_layers, peaks_of_parts

Per = Literal["whole", "kind", "stage", "layer"]
COUNTS = ("params", "macs", "activations")


def cost_data(of: Profile, per: Per) -> dict[str, Any]:
    """The whole, and its kinds of layer, its stages, or these and its layers; peaks are for the batch asked for."""
    costs, memory = of.cost, of.memory
    found: dict[str, Any] = {
        "name": of.arch.name,
        "resolution": costs.resolution,
        **_counted(costs),
        "buffers": costs.buffers,
        "params_by_role": costs.params_by_role,
        "params_by_kind": costs.params_by_kind,
        "receptive_field": costs.receptive_field,
        "context": costs.context,
        "memory": {
            **msgspec.to_builtins(memory),
            "inference_total_bytes": memory.inference_total_bytes,
            "training_total_bytes": memory.training_total_bytes(),
        },
    }
    if per == "kind":
        found["kinds"] = [
            {"kind": one.kind, "number": one.number, **_counted(one), "params_by_role": one.params_by_role}
            for one in costs.kinds
        ]
    if per in ("stage", "layer"):
        runs, trains = (peaks_of_parts(moments) for moments in (of.runs, of.trains))
        ends = ends_of_parts(of.arch)
        found["stages"] = [
            {"stage": part.part, "block": part.block, "depth": part.depth, "width": part.width, "stride": part.stride,
             "output": part.leaves, **_counted(part), "params_by_role": part.params_by_role,
             "params_by_kind": part.params_by_kind, "receptive_field": ends[part.part].receptive_field,
             "context": ends[part.part].context, "peak_inference_bytes": runs.get(part.part),
             "peak_training_bytes": trains.get(part.part)}
            for part in costs.parts
        ]  # fmt: skip
    if per == "layer":
        runs, trains = (peaks_of_layers(moments) for moments in (of.runs, of.trains))
        found["layers"] = [
            {"layer": layer.path, "kind": layer.kind, "form": layer.form, "input": layer.enters, "output": layer.leaves,
             **_counted(layer), "params_by_role": layer.params_by_role, "receptive_field": layer.receptive_field,
             "context": layer.context, "peak_inference_bytes": runs.get(layer.path),
             "peak_training_bytes": trains.get(layer.path)}
            for layer in costs.layers
        ]  # fmt: skip
        found["joins"] = [
            {"join": join.path, "kind": join.kind, "output": join.leaves, "traffic_bytes": join.traffic,
             "peak_inference_bytes": runs.get(join.path), "peak_training_bytes": trains.get(join.path)}
            for join in costs.joins
        ]  # fmt: skip
    return found


def difference_data(of: Difference) -> dict[str, Any]:
    """Both totals, what each part adds, and every difference with those within it; counts are what is added."""
    totals = {
        side: {"name": name, "resolution": costs.resolution, **_whole(costs)}
        for side, name, costs in zip(("before", "after"), of.names, (of.before, of.after), strict=True)
    }
    return {
        **totals,
        "difference": {key: value - totals["before"][key] for key, value in _whole(of.after).items()},
        "parts": [_change(part, deep=False) for part in of.parts],
        "changes": [_change(change) for change in of.changes],
    }


def _whole(costs: Cost) -> dict[str, Any]:
    return {
        **{key: getattr(costs, key) for key in COUNTS},
        "peak_inference_bytes": costs.peak_inference_bytes,
        "peak_training_bytes": costs.peak_training_bytes,
    }


def _change(change: Change, *, deep: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": change.kind,
        "part": change.part,
        "path": change.path,
        "what": change.what,
        "before": change.before,
        "after": change.after,
        **{key: getattr(change, key) for key in COUNTS},
    }
    if deep:
        found["layers"] = [_change(inner) for inner in change.inside]
    return found


def _counted(one: Cost | KindCost | PartCost | LayerCost) -> dict[str, Any]:
    return {
        **{key: getattr(one, key) for key in COUNTS},
        "parameter_bytes": one.parameter_bytes,
        "traffic_bytes": one.traffic,
        "intensity": one.intensity,
    }

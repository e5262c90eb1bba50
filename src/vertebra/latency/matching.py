"""Which operation of an engine belongs to which unit: by the names that the ONNX graph gave."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from vertebra.arch.architecture import Architecture
from vertebra.latency.units import PRODUCTS, Unit, placed

FUSED = "fused "
"""What ONNX Runtime puts before the name of a fused fully connected layer."""


OUTPUT = "output"
"""OpenVINO's name of what gives the network's output."""

LAYOUT = "Reorder"
"""In the name of what an engine adds of its own, to lay values out anew for the operation after it."""

TAKEN_IN = ("batch_norm", "scale", "add", "act")
"""Kinds of units that an engine may run within the product before them."""


def unit_times(arch: Architecture, operations: Mapping[str, float]) -> tuple[tuple[Unit, float], ...]:
    """Milliseconds of each unit, given those of an engine's operations in order of execution.

    An operation is named after one of the nodes that it came from, ``path/Kind``, or after several, divided by commas.
    A change of layout belongs to the operation after it; anything else without a path is part of an activation that the
    engine took apart, and belongs to the one before.  A product that no operation is named after runs under the name of
    what it took in: ONNX Runtime multiplies a LayerScale into a convolution's weights and keeps the LayerScale's name.
    """
    units = list(placed(arch))
    if not units:
        return ()
    owner = {path: place for place, one in enumerate(units) for path in one.paths}
    owner.setdefault(OUTPUT, len(units) - 1)
    times = [0.0] * len(units)
    named: set[int] = set()
    waiting, last = 0.0, None
    for name, ms in operations.items():
        found = [owner[path] for path in _paths(name) if path in owner]
        if found:
            last = next((place for place in found if units[place].unit.kind in PRODUCTS), found[-1])
            named.add(last)
        elif last is None or LAYOUT in name:
            waiting += ms
            continue
        times[last] += ms + waiting
        waiting = 0.0
    times[-1 if last is None else last] += waiting
    kinds = [one.unit.kind for one in units]
    for place, kind in enumerate(kinds):
        if kind in PRODUCTS and place not in named:
            after = _takes_in(kinds, place, named)
            times[place], times[after] = times[after], times[place]
    return tuple((one.unit, ms) for one, ms in zip(units, times, strict=True))


def _takes_in(kinds: Sequence[str], place: int, named: Collection[int]) -> int:
    """The place of the unit whose name stands for the product at ``place``; its own where there is none."""
    for after in range(place + 1, len(kinds)):
        if kinds[after] not in TAKEN_IN:
            break
        if after in named:
            return after
    return place


def _paths(name: str) -> list[str]:
    return [one.removeprefix(FUSED).partition("/")[0].removesuffix("_nchwc") for one in name.split(",")]

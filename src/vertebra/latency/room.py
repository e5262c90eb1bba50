"""How many networks may be ready at once: what they take, and what there is."""

from __future__ import annotations

from collections.abc import Sequence

from vertebra.arch.architecture import Architecture
from vertebra.costs.count import cost
from vertebra.costs.memory import memory
from vertebra.costs.precision import precision_of
from vertebra.engines.device import describe
from vertebra.errors import EngineError
from vertebra.latency.setting import Setting

READY_BYTES = 2 << 30
"""Of memory for the networks that are ready at once, on a machine that has READY_PART times as much."""

READY_PART = 4


def groups(sizes: Sequence[int], most: int, limit: int) -> list[range]:
    """Places of consecutive items: at most ``most`` and ``limit`` bytes together, a larger item by itself."""
    found: list[range] = []
    start = total = 0
    for place, size in enumerate(sizes):
        if place > start and (place - start == most or total + size > limit):
            found.append(range(start, place))
            start, total = place, 0
        total += size
    return [*found, range(start, len(sizes))] if sizes else []


def ready_bytes() -> int:
    """Of memory for the networks that are ready at once."""
    here = describe().memory_bytes
    return min(READY_BYTES, here // READY_PART) if here else READY_BYTES


def footprint(arch: Architecture, setting: Setting, resolution: int | None) -> int:
    """About the bytes that a ready network takes: its weights, once more as the engine packs them, and its activations.

    Raises EngineError where those that live at once are more than the machine's memory.
    """
    costs = cost(arch, resolution=resolution)
    size = 3 * costs.parameter_bytes + 4 * setting.batch * costs.activations
    if size > READY_BYTES:
        here = describe().memory_bytes or size
        precision = precision_of(setting.precision)
        least = memory(arch, resolution=resolution, batch=setting.batch, precision=precision).inference_bytes
        if least > here:
            what = f"a batch of {setting.batch:,} takes {least / 2**30:,.0f} GiB"
            allowed = f"the memory of this machine, {here / 2**30:.0f} GiB"
            raise EngineError(what, where=arch.name, allowed=allowed, remedy="take a smaller batch or resolution")
    return size

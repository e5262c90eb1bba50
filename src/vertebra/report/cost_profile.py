"""What a network costs, part by part and along its depth, as a page and its pictures show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.maps import Map, every_map
from vertebra.arch.shapes import Shape
from vertebra.costs.count import Cost, cost
from vertebra.costs.ledger import Moment
from vertebra.costs.memory import Checkpointing, Memory, memory, timeline
from vertebra.costs.precision import TRAINABLE, Precision
from vertebra.costs.rows import LayerCost, intensity

K = TypeVar("K", str, int)

PRODUCTS = ("conv", "linear")
"""The layers that lead a unit."""


class Unit(msgspec.Struct, frozen=True):
    """A convolution or a fully connected layer with what follows it, as engines run them: for one image.

    ``path`` and ``leaves`` are those of the layer that leads.  ``traffic``: bytes read and written, in float32.
    ``field``: pixels across, the most that a position in it sees; None where all of it sees the whole image, as within
    a squeeze.  The peaks of memory are for the batch that was asked for, in bytes; 0 where nothing is allocated.
    """

    path: str
    part: str
    kind: str
    leaves: Shape
    params: int
    macs: int
    activations: int
    traffic: int
    field: int | None
    inference_bytes: int = 0
    forward_bytes: int = 0
    backward_bytes: int = 0

    @property
    def counts(self) -> bool:
        """Whether it does or holds anything: an empty head does not."""
        return bool(self.traffic or self.params or self.inference_bytes or self.forward_bytes or self.backward_bytes)

    @property
    def intensity(self) -> float:
        """Floating-point operations (2 x MACs) for each byte moved."""
        return intensity(self.macs, self.traffic)


class Profile(msgspec.Struct, frozen=True):
    """A network's cost with its memory, its units in order of execution, and the moments of memory while it runs and
    while it trains (none in a precision that trains nothing).
    """

    arch: Architecture
    cost: Cost
    memory: Memory
    units: tuple[Unit, ...]
    runs: tuple[Moment, ...]
    trains: tuple[Moment, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """Stem, stages and head in order."""
        return tuple(part.part for part in self.cost.parts)

    def of(self, part: str) -> tuple[Unit, ...]:
        """The units of one part."""
        return tuple(unit for unit in self.units if unit.part == part)


def profiled(
    arch: Architecture,
    *,
    resolution: int | None = None,
    batch: int = 1,
    precision: Precision = "fp32",
    checkpointing: Checkpointing = "none",
) -> Profile:
    """The cost of a network along its depth; the memory is for ``batch`` images at this precision.

    Raises as ``cost`` and ``memory`` do.
    """
    found = memory(arch, resolution=resolution, batch=batch, precision=precision, checkpointing=checkpointing)
    runs = timeline(arch, resolution=resolution, batch=batch, precision=precision, checkpointing=checkpointing)
    trains: tuple[Moment, ...] = ()
    if precision in TRAINABLE:
        trains = timeline(
            arch,
            resolution=resolution,
            batch=batch,
            precision=precision,
            checkpointing=checkpointing,
            purpose="training",
        )
    costs = cost(arch, resolution=resolution)
    groups = list(_groups(costs.layers))
    where = _where(groups)
    peaks = (
        _peaks(where, runs),
        _peaks(where, (moment for moment in trains if moment.phase == "forward")),
        _peaks(where, (moment for moment in trains if moment.phase == "backward")),
    )
    moved = _moved(where, costs)
    units = (_unit(group, moved.get(at, 0), [peak.get(at, 0) for peak in peaks]) for at, group in enumerate(groups))
    return Profile(arch, costs, found, tuple(unit for unit in units if unit.counts), runs, trains)


def ends_of_parts(arch: Architecture) -> dict[str, Map]:
    """What is known of the map that leaves stem, each stage and the head."""
    ends = {found.path or "head": found for _, found in every_map(arch.nodes(), arch.channels)}
    return {name: ends[name] for part in arch.parts() if (name := part.name) in ends}


def peaks_of_parts(moments: Iterable[Moment]) -> dict[str, int]:
    """The most bytes that are allocated at once while each part runs."""
    return _largest((part_of(moment.path), moment.bytes) for moment in moments)


def peaks_of_layers(moments: Iterable[Moment]) -> dict[str, int]:
    """The same for each layer, sum, concatenation and gate, by its path."""
    return _largest((moment.path, moment.bytes) for moment in moments)


def part_of(path: str) -> str:
    """The part that a path stands in: ``stem``, ``stages.0``, ``head``."""
    first, _, rest = path.partition(".")
    return f"stages.{rest.partition('.')[0]}" if first == "stages" else "stem" if first == "stem" else "head"


def _groups(layers: Iterable[LayerCost]) -> Iterator[list[LayerCost]]:
    """Layers in runs: a new one begins with each part, and with each layer of products after the first."""
    group: list[LayerCost] = []
    for layer in layers:
        full = layer.kind in PRODUCTS and any(one.kind in PRODUCTS for one in group)
        if group and (full or part_of(layer.path) != part_of(group[0].path)):
            yield group
            group = []
        group.append(layer)
    if group:
        yield group


def _where(groups: Iterable[Sequence[LayerCost]]) -> dict[str, int]:
    """The number of the unit of each layer; for what holds layers, a sum say, that of the last of them."""
    found: dict[str, int] = {}
    for number, group in enumerate(groups):
        for layer in group:
            path = layer.path
            while path:
                found[path] = number
                path = path.rpartition(".")[0]
            found[""] = number
    return found


def _peaks(where: Mapping[str, int], moments: Iterable[Moment]) -> dict[int, int]:
    """The most bytes that are allocated at once during each unit."""
    return _largest((where.get(moment.path, 0), moment.bytes) for moment in moments)


def _largest(values: Iterable[tuple[K, int]]) -> dict[K, int]:
    found: dict[K, int] = {}
    for key, value in values:
        found[key] = max(value, found.get(key, 0))
    return found


def _moved(where: Mapping[str, int], costs: Cost) -> dict[int, int]:
    """The bytes that the sums, concatenations and gates of each unit move."""
    moved: dict[int, int] = {}
    for join in costs.joins:
        number = where.get(join.path, 0)
        moved[number] = moved.get(number, 0) + join.traffic
    return moved


def _unit(group: Sequence[LayerCost], moved: int, peaks: Sequence[int]) -> Unit:
    lead = next((layer for layer in group if layer.kind in PRODUCTS), group[0])
    fields = [layer.receptive_field[0] for layer in group if layer.receptive_field is not None]
    inference, forward, backward = peaks
    return Unit(
        path=lead.path,
        part=part_of(lead.path),
        kind=lead.kind,
        leaves=lead.leaves,
        params=sum(layer.params for layer in group),
        macs=sum(layer.macs for layer in group),
        activations=sum(layer.activations for layer in group),
        traffic=sum(layer.traffic for layer in group) + moved,
        field=max(fields, default=None),
        inference_bytes=inference,
        forward_bytes=forward,
        backward_bytes=backward,
    )

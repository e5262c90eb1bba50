"""Scaled networks as a table: a row for each variant, with its exact costs and its predicted latency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import replace
from vertebra.scale.bases import Base
from vertebra.scale.counting import Whole

Quantity = Literal["latency", "macs", "params", "activations"]
Clock = Callable[[Sequence[Architecture], Sequence[Sequence[int]]], Sequence[NDArray[np.float64]]]
"""The predicted latencies in ms of each architecture at each of its resolutions (px)."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One scaled network: what it was scaled from and how, its exact costs for one image, its predicted latency.

    ``reduction``: the total stride that is left where strides were taken away for small pictures, else None.
    """

    name: str
    family: str
    base: str
    width: float
    depth: float
    resolution: int
    reduction: int | None
    params: int
    macs: int
    activations: int
    latency_ms: float | None = None


class Scaled(msgspec.Struct, frozen=True):
    """A width and a depth of a base; its resolution is left open.  ``reduction`` as of a Variant."""

    base: Base
    width: float
    depth: float
    reduction: int | None
    arch: Architecture

    def name_at(self, resolution: int) -> str:
        """``resnet50-w0.5-d2-r160``: what differs from the base, the resolution in px."""
        parts = [f"-{letter}{value:.3g}" for letter, value in (("w", self.width), ("d", self.depth)) if value != 1]
        side = [] if resolution == self.base.home else [f"-r{resolution}"]
        return "".join([self.base.name, *parts, *side])


class Variants(msgspec.Struct, frozen=True, eq=False):
    """Variants as columns; each stands for ``networks[network[i]]`` at ``resolution[i]`` px.

    Counts are exact and for one image; ``latency`` is predicted, in ms, None before it is.
    """

    networks: tuple[Scaled, ...]
    network: NDArray[np.int32]
    resolution: NDArray[np.int32]
    params: Whole
    macs: Whole
    activations: Whole
    latency: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.network)

    def column(self, quantity: Quantity) -> NDArray[Any]:
        """What a variant costs in this quantity; raises ValueError for a latency that was not predicted."""
        values: NDArray[Any] | None = getattr(self, quantity)
        if values is None:
            raise ValueError("no latency was predicted")
        return values

    @property
    def families(self) -> tuple[str, ...]:
        """The names of the families that stand in it, in order."""
        return tuple(dict.fromkeys(one.base.family for one in self.networks))

    @property
    def family(self) -> NDArray[np.int32]:
        """For each variant the place of its family among ``families``."""
        places = {name: place for place, name in enumerate(self.families)}
        return np.array([places[one.base.family] for one in self.networks], np.int32)[self.network]

    def arch(self, index: int) -> Architecture:
        """The variant itself, under its own name."""
        network, resolution = self._at(index)
        return replace(network.arch, name=network.name_at(resolution), resolution=resolution)

    def variant(self, index: int) -> Variant:
        """All that is known of one, without making it."""
        network, resolution = self._at(index)
        return Variant(
            name=network.name_at(resolution),
            family=network.base.family,
            base=network.base.name,
            width=network.width,
            depth=network.depth,
            resolution=resolution,
            reduction=network.reduction,
            params=int(self.params[index]),
            macs=int(self.macs[index]),
            activations=int(self.activations[index]),
            latency_ms=None if self.latency is None else float(self.latency[index]),
        )

    def where(self, kept: NDArray[Any]) -> Variants:
        """Those of a mask, or of places in order."""
        latency = None if self.latency is None else self.latency[kept]
        return Variants(
            networks=self.networks,
            network=self.network[kept],
            resolution=self.resolution[kept],
            params=self.params[kept],
            macs=self.macs[kept],
            activations=self.activations[kept],
            latency=latency,
        )

    def timed(self, clock: Clock) -> Variants:
        """With the latency that ``clock`` predicts of each."""
        order = np.argsort(self.network, kind="stable")
        networks, starts = np.unique(self.network[order], return_index=True)
        places = np.split(order, starts[1:])
        sides = [self.resolution[own].tolist() for own in places]
        found = np.empty(len(self), np.float64)
        if len(networks):
            latencies = clock([self.networks[index].arch for index in networks], sides)
            found[order] = np.concatenate(list(latencies))
        return msgspec.structs.replace(self, latency=found)

    def _at(self, index: int) -> tuple[Scaled, int]:
        return self.networks[int(self.network[index])], int(self.resolution[index])


def clock_of(many: Callable[[Sequence[Architecture]], NDArray[np.float64]]) -> Clock:
    """A clock of what says the latency (ms) of each architecture at its own resolution."""

    def clock(archs: Sequence[Architecture], sides: Sequence[Sequence[int]]) -> list[NDArray[np.float64]]:
        every = [arch.with_resolution(side) for arch, own in zip(archs, sides, strict=True) for side in own]
        ends = np.cumsum([len(own) for own in sides])
        return np.split(np.asarray(many(every), np.float64), ends[:-1])

    return clock

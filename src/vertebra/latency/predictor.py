"""Latency of a network that was never run: the times of its units, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.errors import ShapeError
from vertebra.latency.estimator import Parts
from vertebra.latency.profile import Profile
from vertebra.latency.units import Unit, tally


class Prediction(msgspec.Struct, frozen=True):
    """Milliseconds for a batch; nine of ten networks that a member had not seen lay between ``low`` and ``high``."""

    ms: float
    low: float
    high: float


class Beside(msgspec.Struct, frozen=True):
    """Milliseconds of a network that are of none of its units: starting a run, and streaming its weights."""

    start_ms: float
    streaming_ms: float


class Predictor:
    """Predicts by a profile; what it has worked out of a unit it keeps."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._estimator = profile.estimator.ready()
        self._places: dict[Unit, int] = {}
        self._parts = Parts(np.empty(0), np.empty(0))

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Raises ProfileError where the profile's arrays do not fit together."""
        return cls(profile)

    def predict(self, arch: Architecture, resolution: int | None = None) -> Prediction:
        """The latency at ``resolution`` px, or at the architecture's own; raises ShapeError where it does not fit."""
        ms = float(self._totals([_tally(arch, resolution)])[0])
        low, high = self.profile.interval
        return Prediction(ms, low * ms, high * ms)

    def many(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Milliseconds of each, float64 [n], each at its own resolution; thousands a second where they share blocks."""
        return self._totals([_tally(arch) for arch in archs])

    def units(self, arch: Architecture, resolution: int | None = None) -> dict[Unit, float]:
        """Milliseconds of each distinct unit, all its runs together."""
        counts = _tally(arch, resolution)
        places = self._known(counts)
        return {unit: float(self._parts.ms[places[unit]]) * times for unit, times in counts.items()}

    def beside(self, arch: Architecture, resolution: int | None = None) -> Beside:
        """What the prediction holds beside its units."""
        counts = _tally(arch, resolution)
        places = self._known(counts)
        read = sum(float(self._parts.megabytes[places[unit]]) * times for unit, times in counts.items())
        start = float(self._estimator.total(0.0, 0.0))
        return Beside(start, float(self._estimator.total(0.0, read)) - start)

    def _totals(self, tallies: Sequence[Counter[Unit]]) -> NDArray[np.float64]:
        places = self._known(unit for counts in tallies for unit in counts)
        sums = np.empty((2, len(tallies)))
        for row, counts in enumerate(tallies):
            at, times = [places[unit] for unit in counts], np.fromiter(counts.values(), np.float64, len(counts))
            sums[:, row] = [part[at] @ times for part in self._parts]
        return np.asarray(self._estimator.total(*sums))

    def _known(self, units: Iterable[Unit]) -> dict[Unit, int]:
        """The place of each unit in the table of parts, which gets those that are new."""
        new = [unit for unit in dict.fromkeys(units) if unit not in self._places]
        if new:
            self._places.update({unit: len(self._places) + index for index, unit in enumerate(new)})
            pairs = zip(self._parts, self._estimator.parts(new), strict=True)
            self._parts = Parts(*(np.concatenate(pair) for pair in pairs))
        return self._places


def _tally(arch: Architecture, resolution: int | None = None) -> Counter[Unit]:
    try:
        return tally(arch, resolution)
    except ShapeError:
        for _ in arch.layers(arch.shape_at(resolution)):
            pass  # layer by layer, so that the error names the layer's path
        raise

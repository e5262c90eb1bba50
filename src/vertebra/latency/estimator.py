"""What a profile has learned: milliseconds of a unit from its features.  Evaluated with numpy alone."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated, Any, NamedTuple, Self

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from vertebra.errors import ProfileError
from vertebra.latency.features import WIDTH, Columns, columns_of, features, megabytes
from vertebra.latency.units import Unit

MOST_LOG = 12.0
"""Of the logarithm of a unit's milliseconds: far from what was measured nothing runs away."""


KNEE = 4.0
"""Megabytes within which weights begin to be more than the cache holds."""


class Array(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A float32 array as text: its shape, and its little-endian bytes in base 64."""

    shape: tuple[int, ...]
    data: str

    @classmethod
    def of(cls, array: NDArray[np.float32]) -> Self:
        return cls(array.shape, base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode())

    def array(self) -> NDArray[np.float32]:
        """Raises ProfileError where shape and bytes disagree, and for values that are no numbers."""
        try:
            values = np.frombuffer(base64.b64decode(self.data, validate=True), "<f4").reshape(self.shape)
        except (ValueError, OverflowError) as error:
            raise ProfileError(f"an array of the profile is broken: {error}", remedy="build it again") from None
        if not np.isfinite(values).all():
            raise ProfileError("an array of the profile holds values that are no numbers", remedy="build it again")
        return values.astype(np.float32)


class Dense(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fully connected layer: ``weight`` [in, out], ``bias`` [out]."""

    weight: Array
    bias: Array


class Streaming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a network's weights take once the cache does not hold them from one run to the next: each megabyte above
    ``cache_mb`` takes ``ms_per_mb``.
    """

    ms_per_mb: Annotated[float, Meta(ge=0)]
    cache_mb: Annotated[float, Meta(gt=0)]


class Estimator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Small networks from a unit's features to the logarithm of its milliseconds; the mean of several is used.

    ``mean`` and ``scale`` [WIDTH] standardise the features; between layers stands SiLU.  ``start_ms`` is what a run
    takes beside its units, and ``streaming`` what its weights take.
    """

    mean: Array
    scale: Array
    members: tuple[tuple[Dense, ...], ...]
    start_ms: Annotated[float, Meta(ge=0)]
    streaming: Streaming

    def ready(self) -> Ready:
        """With its arrays decoded; raises ProfileError where they do not fit together."""
        return Ready(self)


def excess(megabytes: Any, cache_mb: Any) -> Any:
    """How many of the megabytes are more than the cache holds, with a rounded knee; 0 of none.  Arrays or tensors."""
    return _rounded(megabytes - cache_mb) - _rounded(-cache_mb)


def _rounded(over: Any) -> Any:
    """A hyperbola: 0 far below 0, the same far above."""
    return (over + (over * over + KNEE * KNEE) ** 0.5) / 2


class Parts(NamedTuple):
    """Of each unit, [n] each: its milliseconds, and the megabytes of weights that it reads."""

    ms: NDArray[np.float64]
    megabytes: NDArray[np.float64]


class Ready:
    """An estimator that is ready to be asked."""

    def __init__(self, estimator: Estimator) -> None:
        self._start_ms = estimator.start_ms
        self._streaming = estimator.streaming
        self._mean, self._scale = estimator.mean.array(), estimator.scale.array()
        self._members = [[(one.weight.array(), one.bias.array()) for one in member] for member in estimator.members]
        widths = [WIDTH, *(bias.size for _, bias in self._members[0])] if self._members else []
        fits = self._mean.shape == self._scale.shape == (WIDTH,) and bool(widths) and widths[-1] == 1
        for member in self._members:
            shapes = [(weight.shape, bias.shape) for weight, bias in member]
            fits = fits and shapes == [((a, b), (b,)) for a, b in pairwise(widths)]
        if not fits or not (self._scale > 0).all():
            raise ProfileError("the profile's arrays do not fit together", remedy="build it again")

    def total(self, ms: Any, megabytes: Any) -> Any:
        """Milliseconds of a network, given the sums over its units: numbers or arrays."""
        streamed = self._streaming.ms_per_mb * excess(megabytes, self._streaming.cache_mb)
        return self._start_ms + ms + streamed

    def parts(self, units: Iterable[Unit]) -> Parts:
        """Of each unit."""
        return self.of_columns(columns_of(units))

    def of_columns(self, units: Columns) -> Parts:
        """Of each unit."""
        return Parts(self.of_features(features(units)), megabytes(units))

    def of_features(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Milliseconds for rows of features [n, WIDTH], [n]; raises ProfileError where its numbers are too large."""
        with np.errstate(over="ignore", invalid="ignore"):
            rows = (features - self._mean) / self._scale
            logs = sum(_through(member, rows) for member in self._members) / len(self._members)
        if not np.isfinite(logs).all():
            raise ProfileError("the profile's arrays give times that are no numbers", remedy="build it again")
        return np.exp(np.clip(logs, -MOST_LOG, MOST_LOG).astype(np.float64))


def _through(
    layers: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], rows: NDArray[np.float32]
) -> NDArray[np.float32]:
    for place, (weight, bias) in enumerate(layers):
        rows = rows @ weight + bias
        if place < len(layers) - 1:
            rows = rows / (1 + np.exp(-np.clip(rows, -60, 60)))
    return rows[:, 0]

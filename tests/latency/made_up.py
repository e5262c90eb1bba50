"""A profile that nobody measured: an estimator with drawn weights."""

from __future__ import annotations

import numpy as np

from vertebra.engines.device import describe
from vertebra.latency.estimator import Array, Dense, Estimator, Streaming
from vertebra.latency.features import WIDTH
from vertebra.latency.pace import Pace
from vertebra.latency.profile import Profile
from vertebra.latency.setting import Setting


def made_up_profile(seed: int = 0) -> Profile:
    """Of this device, onnxruntime with all cores; a unit's time depends on all of its features."""
    dice = np.random.default_rng(seed)

    def dense(entering: int, leaving: int) -> Dense:
        weight = dice.normal(size=(entering, leaving)) / entering**0.5
        return Dense(Array.of(weight.astype(np.float32)), Array.of(np.full(leaving, -0.1, np.float32)))

    ones = Array.of(np.ones(WIDTH, np.float32))
    members = tuple((dense(WIDTH, 8), dense(8, 1)) for _ in range(2))
    return Profile(
        device=describe(),
        setting=Setting(),
        version="0",
        made="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        pace=Pace(work_ms=1.0, start_ms=0.01),
        units=(),
        networks=(),
        estimator=Estimator(ones, ones, members, start_ms=0.25, streaming=Streaming(0.02, 5.0)),
        interval=(0.9, 1.2),
    )

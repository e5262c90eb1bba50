"""What candidates cost on this machine: emitted with made-up weights, and timed on the engine that will run them."""

from __future__ import annotations

import msgspec
import numpy as np

from vertebra.costs.budget import Budgets
from vertebra.data.preprocess import Preprocess
from vertebra.engines.onnxruntime import OnnxRuntime
from vertebra.engines.timing import interleaved
from vertebra.fitting.layout import Plan
from vertebra.onnx.emit import emit
from vertebra.onnx.weights import random_weights

Extent = tuple[int, int]
SECONDS = 0.08
"""Of timing, for one candidate."""
MARGIN = 0.92
"""Of a latency budget that a candidate may use, so that the finished artifact, measured again, still keeps it."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Medians at batch 1 in milliseconds: of the network alone, and of what the artifact for any image size adds."""

    network_ms: float
    preprocess_ms: float

    @property
    def total_ms(self) -> float:
        """Pixels in, probabilities out."""
        return self.network_ms + self.preprocess_ms


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A plan with its latency and the bytes of its artifact; ``over`` says which budget it breaks."""

    plan: Plan
    latency: Latency
    bytes: int
    over: str | None

    @property
    def fits(self) -> bool:
        """Whether it keeps every budget."""
        return self.over is None


def time_artifacts(portable: bytes, fixed: bytes, image: Extent, size: int, *, seconds: float) -> Latency:
    """Time an artifact's two entries in turn: ``any`` on a picture of ``image`` px, ``sized`` on its own size."""
    noise = np.random.default_rng(0)
    picture = noise.integers(0, 256, (*image, 3), dtype=np.uint8)
    small = noise.integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    whole, network = OnnxRuntime(portable), OnnxRuntime(fixed)
    timings = interleaved(
        {"whole": lambda: whole.run(picture), "network": lambda: network.run(small)},
        min_seconds=seconds,
        max_seconds=4 * seconds,
    )
    whole_ms = timings["whole"].median_ms
    # The whole is what counts; where noise makes the network alone seem slower, the preprocessing is lost in it.
    network_ms = min(timings["network"].median_ms, whole_ms)
    return Latency(network_ms=network_ms, preprocess_ms=whole_ms - network_ms)


Known = tuple[Latency, int]
"""A latency and the bytes of the artifact, as measured before."""


def measure(
    plan: Plan, preprocess: Preprocess, image: Extent, budgets: Budgets, *, known: Known | None = None
) -> Measured:
    """Emit a plan and time it here, unless its latency and size are ``known``."""
    latency, size = known or _timed(plan, preprocess, image)
    return Measured(plan=plan, latency=latency, bytes=size, over=over(latency, size, budgets, MARGIN))


def _timed(plan: Plan, preprocess: Preprocess, image: Extent) -> Known:
    weights = random_weights(plan.arch, 0)
    portable, fixed = (
        emit(plan.arch, weights, preprocess, entry=entry).SerializeToString() for entry in ("any", "sized")
    )
    return time_artifacts(portable, fixed, image, plan.resolution, seconds=SECONDS), len(portable)


def over(latency: Latency, size: int, budgets: Budgets, margin: float = 1.0) -> str | None:
    """Which measured budget is broken, as a sentence; ``margin`` is the part of a latency budget that may be used."""
    if budgets.latency_ms is not None and latency.total_ms > margin * budgets.latency_ms:
        return f"{latency.total_ms:.2f} ms, above {margin * budgets.latency_ms:.3g} ms"
    if budgets.bytes is not None and size > budgets.bytes:
        return f"{size:,} bytes, above {budgets.bytes:,}"
    return None

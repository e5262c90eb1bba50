"""Made-up weights of the right shapes, for measuring a network that was never trained."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.arch.expansion import joined
from vertebra.arch.node import Weight
from vertebra.arch.shapes import Shape, elements


def weight_table(arch: Architecture, resolution: int | None = None) -> dict[str, Weight]:
    """Every tensor of the network by its name in ``state_dict``, in order; raises ShapeError as ``layers`` does."""
    return {
        joined(layer.path, weight.name): weight
        for layer in arch.layers(arch.shape_at(resolution))
        for weight in layer.node.weights(layer.enters)
    }


CALM = 0.25
"""Of He's deviation: with all of it 600 residual sums, each of which doubles the variance, overflow float32."""

POOL = 1 << 16


def random_weights(arch: Architecture, seed: int, *, resolution: int | None = None) -> dict[str, NDArray[np.float32]]:
    """Made-up weights under which values stay of an ordinary size at any depth: an engine takes its ordinary time.

    Kernels are normal with standard deviation ``CALM * sqrt(2 / fan in)`` (He et al. 2015, equation 10), biases normal
    with 0.1, so that a deep plain network does not fade into denormals, which are slow; gains and variances are 1,
    means 0.  Counters are left out.
    """
    pool = np.random.default_rng(seed).standard_normal(POOL, dtype=np.float32)
    arrays = {}
    for index, (name, weight) in enumerate(weight_table(arch, resolution).items()):
        if weight.role == "kernel":
            arrays[name] = _drawn(pool, index, weight.shape, CALM * math.sqrt(2 / elements(weight.shape[1:])))
        elif weight.role == "bias":
            arrays[name] = _drawn(pool, index, weight.shape, 0.1)
        elif weight.role != "counter":
            one = weight.role == "gain" or weight.name.endswith("var")
            arrays[name] = np.full(weight.shape, 1.0 if one else 0.0, dtype=np.float32)
    return arrays


def _drawn(pool: NDArray[np.float32], index: int, shape: Shape, deviation: float) -> NDArray[np.float32]:
    """From the pool, again and again: a hundred million fresh values would take seconds, and no engine can tell."""
    turned = np.roll(pool, index * 4099)[: elements(shape)] if elements(shape) > POOL else _slice(pool, index, shape)
    return np.resize(turned * np.float32(deviation), shape)


def _slice(pool: NDArray[np.float32], index: int, shape: Shape) -> NDArray[np.float32]:
    start = index * 4099 % (POOL - elements(shape) + 1)
    return pool[start : start + elements(shape)]

"""Made-up weights of the right shapes, for measuring a network that was never trained."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.arch.expansion import joined, layers
from vertebra.arch.node import Weight
from vertebra.arch.shapes import Shape, elements


def weight_table(arch: Architecture, resolution: int | None = None) -> dict[str, Weight]:
    """Every tensor of the network by its name in ``state_dict``, in order; raises ShapeError where the resolution does not fit."""
    table = {}
    shape: Shape = arch.shape_at(resolution)
    for path, node in arch.nodes():
        for layer in layers(node, shape, path):
            for weight in layer.node.weights(layer.enters):
                table[joined(layer.path, weight.name)] = weight
        shape = node.output(shape)
    return table


def random_weights(arch: Architecture, seed: int, *, resolution: int | None = None) -> dict[str, NDArray[np.float32]]:
    """Weights that keep values of an ordinary size, so that an engine takes its ordinary time (denormals would not).

    Kernels are normal with standard deviation sqrt(2 / fan in) (He et al. 2015, equation 10), gains and variances 1, biases and means 0.
    Counters are left out.
    """
    rng = np.random.default_rng(seed)
    pool = rng.standard_normal(1 << 16, dtype=np.float32)
    arrays = {}
    for name, weight in weight_table(arch, resolution).items():
        if weight.role == "counter":
            continue
        if weight.role == "kernel":
            # Values are drawn from a pool: a hundred million fresh ones would take seconds, and no engine can tell.
            deviation = np.float32(math.sqrt(2 / elements(weight.shape[1:])))
            start = int(rng.integers(len(pool)))
            arrays[name] = np.resize(np.roll(pool, start), weight.shape) * deviation
        else:
            one = weight.role == "gain" or name.endswith("var")
            arrays[name] = np.full(weight.shape, 1.0 if one else 0.0, dtype=np.float32)
    return arrays

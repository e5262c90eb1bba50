"""Every registered architecture: the graph passes the checker and equals the torch network on both engines.

At reduced resolution and with lively weights; whatever is added to the registry is tested without another line.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.onnx.support import ENGINES, close, in_torch, lively
from vertebra.arch.record import replace
from vertebra.costs import cost
from vertebra.onnx import emit_body
from vertebra.zoo import architecture, names

PIXELS = 64
HEAVY = 30_000_000  # parameters above which building twice takes seconds
DEEP = 1000  # layers above which OpenVINO takes seconds to compile


def _marked(name: str):
    arch = architecture(name)
    heavy = cost(arch).params > HEAVY or len(cost(arch).layers) > DEEP
    return pytest.param(name, marks=pytest.mark.slow) if heavy else name


@pytest.mark.parametrize("name", [_marked(name) for name in names()])
def test_equal_to_torch(name: str) -> None:
    arch = architecture(name)
    arch = replace(arch, resolution=min(PIXELS, arch.resolution))
    arrays = lively(arch, kernels=0.25 if len(cost(arch).layers) > DEEP else 1.0)
    model = emit_body(arch, arrays)
    onnx.checker.check_model(model, full_check=True)
    images = np.random.default_rng(0).standard_normal((1, *arch.input_shape)).astype(np.float32)
    expected = in_torch(arch, arrays, images)
    assert expected.shape == (1, arch.classes)
    for engine in ENGINES.values():
        close(engine(model.SerializeToString())(images), expected)


def test_the_light_ones_are_most() -> None:
    """The slow mark is for a few: else nothing would be tested by default."""
    assert sum(isinstance(_marked(name), str) for name in names()) > len(names()) / 2

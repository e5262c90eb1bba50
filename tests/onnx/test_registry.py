"""Every registered architecture: the graph passes the checker and equals the torch network on both engines.

At reduced resolution and with lively weights; whatever is added to the registry is tested without another line.  By
default the cheapest of each family, the others among the slow tests.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.onnx.support import ENGINES, close, in_torch, lively
from tests.selection import EVERY, QUICK, marked, params
from vertebra.arch.record import replace
from vertebra.costs import cost
from vertebra.onnx import emit_body
from vertebra.zoo import architecture

PIXELS = 64
WIDER = {"inception_v3": 96}  # of 64 px its unpadded windows leave nothing
HEAVY = 30_000_000  # parameters above which building twice takes seconds
LARGEST = 150_000_000  # parameters above which the graph and three copies of its weights do not fit a small machine
DEEP = 1000  # layers above which values need a damping

LIGHT = [name for name in QUICK if params(name) <= HEAVY]


@pytest.mark.parametrize("name", marked((name for name in EVERY if params(name) <= LARGEST), LIGHT))
def test_equal_to_torch(name: str) -> None:
    arch = architecture(name)
    arch = replace(arch, resolution=min(WIDER.get(name, PIXELS), arch.resolution))
    arrays = lively(arch, kernels=0.25 if len(cost(arch).layers) > DEEP else 1.0)
    model = emit_body(arch, arrays)
    onnx.checker.check_model(model, full_check=True)
    images = np.random.default_rng(0).standard_normal((1, *arch.input_shape)).astype(np.float32)
    expected = in_torch(arch, arrays, images)
    assert expected.shape == (1, arch.classes)
    for engine in ENGINES.values():
        close(engine(model.SerializeToString())(images), expected)


def test_most_families_have_a_light_one() -> None:
    """The slow mark is for members, not for families: else a family would not be tested by default."""
    assert len(LIGHT) > 0.8 * len(QUICK)

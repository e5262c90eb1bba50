"""torch's own exporter as an independent witness."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch

from tests.onnx.support import ENGINES, close, lively
from vertebra.arch.record import replace
from vertebra.nn import build
from vertebra.onnx import emit_body
from vertebra.zoo import architecture


@pytest.mark.slow
def test_equal_to_the_traced_graph() -> None:
    arch = replace(architecture("mobilenet_v2"), resolution=64)
    arrays = lively(arch)
    module = build(arch).eval()
    module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, strict=False)
    images = np.random.default_rng(0).standard_normal((1, *arch.input_shape)).astype(np.float32)
    traced = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(module, (torch.from_numpy(images),), dynamo=True, verbose=False).save(traced)
    expected = ENGINES["onnxruntime"](traced.getvalue())(images)
    close(ENGINES["onnxruntime"](emit_body(arch, arrays).SerializeToString())(images), expected)

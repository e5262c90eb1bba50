"""Networks with lively weights, and what torch and the engines make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import torch

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.combinators import seq
from vertebra.arch.node import Node
from vertebra.arch.primitives import Conv, GlobalPool, Linear
from vertebra.arch.shapes import elements
from vertebra.engines.openvino import core
from vertebra.nn import build
from vertebra.onnx.weights import weight_table

Arrays = dict[str, np.ndarray]


def lively(arch: Architecture, seed: int = 0, *, kernels: float = 1.0) -> Arrays:
    """Weights under which no term can hide: gains and variances from 0.5 to 1.5, means and biases from -0.3 to 0.3.

    ``kernels`` scales the kernels: hundreds of residual sums overflow with 1.
    """
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}
    for name, weight in weight_table(arch).items():
        if weight.role == "counter":
            continue
        if weight.role == "kernel":
            values = kernels * rng.standard_normal(weight.shape) / np.sqrt(elements(weight.shape[1:]))
        elif weight.role == "gain" or name.endswith("running_var"):
            values = rng.uniform(0.5, 1.5, weight.shape)
        else:
            values = rng.uniform(-0.3, 0.3, weight.shape)
        arrays[name] = values.astype(np.float32)
    return arrays


def net(node: Node, *, channels: int = 6, resolution: int = 13, classes: int = 5) -> Architecture:
    """A node between a convolution and a classifier."""
    head = seq(pool=GlobalPool(), fc=Linear(classes))
    return Architecture("small", seq(conv=Conv(channels, 3, bias=True)), (Stage(node),), head, resolution)


def in_torch(arch: Architecture, arrays: Arrays, images: np.ndarray) -> np.ndarray:
    """Logits of the torch network, float32 [N, classes]."""
    module = build(arch).eval()
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    counters = {name: value for name, value in module.state_dict().items() if name.endswith("num_batches_tracked")}
    module.load_state_dict(state | counters, strict=True)
    with torch.inference_mode():
        return module(torch.from_numpy(images)).numpy()


def on_onnxruntime(model: bytes) -> Callable[[np.ndarray], np.ndarray]:
    """Any model of one input and one output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    (name,) = [one.name for one in session.get_inputs()]
    return lambda value: session.run(None, {name: value})[0]


def on_openvino(model: bytes) -> Callable[[np.ndarray], np.ndarray]:
    """Any model of one input and one output, in float32."""
    runtime = core()
    hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    request = runtime.compile_model(runtime.read_model(model), "CPU", hints).create_infer_request()
    return lambda value: np.array(request.infer([value])[0])


ENGINES = {"onnxruntime": on_onnxruntime, "openvino": on_openvino}


def close(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    """Equal within ``tolerance`` of the largest value (or of 1), and neither dead nor endless."""
    assert found.shape == expected.shape
    assert np.isfinite(expected).all() and np.ptp(expected) > 1e-3
    scale = max(1.0, float(np.abs(expected).max()))
    assert float(np.abs(found - expected).max()) <= tolerance * scale

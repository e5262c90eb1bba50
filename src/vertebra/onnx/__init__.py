"""ONNX as a fold over the tree: no tracer, no torch."""

from vertebra.onnx.emit import Entry, Weights, emit, emit_body
from vertebra.onnx.weights import random_weights

__all__ = ["Entry", "Weights", "emit", "emit_body", "random_weights"]

"""A graph under construction: values are names, and each operation gives the name of what it made.

Protocol buffers are filled directly and attributes are kept: ``onnx.helper.make_node`` takes several times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vertebra.errors import MissingExtraError, WeightsError

if TYPE_CHECKING:
    from onnx import AttributeProto, ModelProto, TypeProto

OPSET = 21
"""The version of the operator set.  21: GroupNormalization has a gain for each channel."""

IR_VERSION = 10
"""The version of the file format, that of ONNX 1.16, the first with this operator set."""

FLOAT, UINT8, INT64, DOUBLE = 1, 2, 7, 11
"""Values of ``onnx.TensorProto.DataType``, which the standard fixes."""

_TYPES: Mapping[str, int] = {"float32": FLOAT, "float64": DOUBLE, "uint8": UINT8, "int64": INT64}

Attribute = int | float | str | tuple[int, ...]
Extent = int | str | None


Declared = tuple[str, tuple[int, ...], tuple[int, ...] | None]
"""A weight's name, shape, and extents in the graph; None for one that the graph has no use for."""


class Mark(NamedTuple):
    """How many nodes, inputs and weights a graph has."""

    nodes: int
    inputs: int
    declared: int


class Excerpt(NamedTuple):
    """A part of a graph: serialised nodes (and inputs), and the weights that they use."""

    data: bytes
    declared: tuple[Declared, ...]


class Graph:
    """Nodes, weights and constants of one ONNX graph.

    ``weights`` maps names to arrays.  With None every weight becomes an input of the graph: valid, and quick to make.
    Raises MissingExtraError where the onnx package is not installed.
    """

    def __init__(self, name: str, weights: Mapping[str, NDArray[Any]] | None) -> None:
        try:
            from onnx import ModelProto
        except ImportError:
            raise MissingExtraError.of("onnx", "train") from None
        self.model: ModelProto = ModelProto(ir_version=IR_VERSION, producer_name="vertebra")
        self.model.opset_import.add(domain="", version=OPSET)
        self.model.graph.name = name
        self._graph = self.model.graph
        self._node, self._input = self._graph.node.add, self._graph.input.add
        self._weights = weights
        self._names: set[str] = set()
        self._owned: set[str] = set()
        self._declared: list[Declared] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def op(self, kind: str, *inputs: str, at: str, having: tuple[AttributeProto, ...] = ()) -> str:
        """Add one operation with one output, whose name starts with the path ``at``; gives that name."""
        name = self._fresh(f"{at}/{kind}" if at else kind)
        self._node(op_type=kind, input=inputs, output=(name,), name=name, attribute=having)
        return name

    def split(self, value: str, count: int, *, at: str) -> list[str]:
        """``value`` cut into ``count`` equal parts along its first axis."""
        name = self._fresh(f"{at}/Split")
        parts = [f"{name}.{index}" for index in range(count)]
        self._node(
            op_type="Split", input=(value,), output=parts, name=name, attribute=attributes(axis=0, num_outputs=count)
        )
        return parts

    def weight(self, name: str, shape: tuple[int, ...], dims: tuple[int, ...]) -> str:
        """A weight of the network as float32, checked against ``shape`` and laid out as ``dims`` (as many values)."""
        self._declared.append((name, shape, dims))
        if self._weights is None:
            self._input(name=name, type=_type(FLOAT, dims))
            return name
        self._owned.add(name)
        array = self._weights.get(name)
        if array is None:
            raise WeightsError("the tensor is missing", where=name, remedy="pass the weights of this very network")
        if array.shape != shape:
            raise WeightsError(f"the tensor has shape {array.shape}", where=name, allowed=str(shape))
        data = np.ascontiguousarray(array, dtype="<f4")
        self._graph.initializer.add(name=name, dims=dims, data_type=FLOAT, raw_data=data.tobytes())
        return name

    def owns(self, name: str) -> None:
        """Accept a tensor among the weights that the graph has no use for."""
        self._declared.append((name, (), None))
        self._owned.add(name)

    def mark(self) -> Mark:
        """How far the graph has come."""
        return Mark(len(self._graph.node), len(self._graph.input), len(self._declared))

    def excerpt(self, start: Mark, end: Mark) -> Excerpt:
        """What was added between two marks."""
        from onnx import GraphProto

        inputs = self._graph.input[start.inputs : end.inputs] if self._weights is None else ()
        part = GraphProto(node=self._graph.node[start.nodes : end.nodes], input=inputs)
        return Excerpt(part.SerializeToString(), tuple(self._declared[start.declared : end.declared]))

    def paste(self, excerpt: Excerpt, *renamed: tuple[str, str]) -> None:
        """Add an excerpt again, each old name of ``renamed`` replaced by a new one of the same length, in this order.

        Equal lengths let it be done in the serialised bytes: many times as fast as adding node by node.
        """
        data = excerpt.data
        for old, new in renamed:
            data = data.replace(old.encode(), new.encode())
        self._graph.MergeFromString(data)
        if self._weights is None:
            return
        for name, shape, dims in excerpt.declared:
            for old, new in renamed:
                name = name.replace(old, new)
            if dims is None:
                self.owns(name)
            else:
                self.weight(name, shape, dims)

    def constant(self, value: float | Sequence[int] | NDArray[Any]) -> str:
        """A constant: a float for a float32 scalar, integers for int64, or an array; equal ones are stored once."""
        if isinstance(value, float):
            array: NDArray[Any] = np.asarray(value, dtype="<f4")
        elif isinstance(value, np.ndarray):
            array = value
        else:
            array = np.asarray(value, dtype="<i8")
        data = array.tobytes()
        key = (array.dtype.name, array.shape, data)
        if key not in self._constants:
            name = self._constants[key] = f"constant/{len(self._constants)}"
            kind = _TYPES[array.dtype.name]
            self._graph.initializer.add(name=name, dims=array.shape, data_type=kind, raw_data=data)
        return self._constants[key]

    def input(self, name: str, kind: int, dims: tuple[Extent, ...]) -> str:
        """Declare an input; an extent is a number, or a name where it varies."""
        self._names.add(name)
        self._graph.input.add(name=name, type=_type(kind, dims))
        return name

    def output(self, name: str, value: str, dims: tuple[Extent, ...]) -> None:
        """Declare ``value`` as the float32 output ``name``."""
        self._node(op_type="Identity", input=(value,), output=(name,), name=name)
        self._graph.output.add(name=name, type=_type(FLOAT, dims))

    def finished(self, properties: Mapping[str, str]) -> ModelProto:
        """The model with these properties; raises WeightsError for weights that belong to no layer."""
        strangers = sorted(set(self._weights or ()) - self._owned)
        if strangers:
            more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
            raise WeightsError(f"no layer owns this tensor{more}", where=strangers[0])
        for key, value in properties.items():
            self.model.metadata_props.add(key=key, value=value)
        return self.model

    def _fresh(self, name: str) -> str:
        if name in self._names:
            stem, count = name, 2
            while (name := f"{stem}.{count}") in self._names:
                count += 1
        self._names.add(name)
        return name


@lru_cache(maxsize=1 << 12, typed=True)
def attributes(**values: Attribute) -> tuple[AttributeProto, ...]:
    """Attributes of an operation; equal ones are made once and kept."""
    from onnx import helper

    return tuple(helper.make_attribute(name, value) for name, value in values.items())


@lru_cache(maxsize=1 << 12)
def _type(kind: int, dims: tuple[Extent, ...]) -> TypeProto:
    from onnx import helper

    return helper.make_tensor_type_proto(kind, dims)

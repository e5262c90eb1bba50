"""The whole model: entries, weights, metadata, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest

from tests.onnx.support import ENGINES, close, in_torch, lively, net
from vertebra.arch.architecture import Architecture
from vertebra.arch.blocks import MBConv
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Act, Conv, GlobalPool, Identity, Linear, Norm
from vertebra.arch.record import replace
from vertebra.data.preprocess import Preprocess, normalised, sized
from vertebra.errors import ArchitectureError, MissingExtraError, ShapeError, WeightsError
from vertebra.onnx import emit, emit_body, random_weights
from vertebra.onnx.graph import FLOAT, Graph
from vertebra.onnx.network import Value, emitted
from vertebra.zoo import architecture

ARCH = net(seq(norm=Norm(), act=Act("hard_swish"), block=MBConv(8)), resolution=32)
P = Preprocess(size=32, resize=36)
GREY = Preprocess(size=32, resize=32, colour="grey", mean=(0.4,), std=(0.3,))


def softmax(logits: np.ndarray) -> np.ndarray:
    grown = np.exp(logits - logits.max(1, keepdims=True))
    return grown / grown.sum(1, keepdims=True)


def pictures(count: int, *size: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *size, 3), dtype=np.uint8)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("grey", [False, True])
def test_sized_takes_any_batch(grey: bool, engine: str) -> None:
    arch, p = (ARCH.with_channels(1), GREY) if grey else (ARCH, P)
    arrays = lively(arch)
    run = ENGINES[engine](emit(arch, arrays, p, entry="sized").SerializeToString())
    for count in (1, 3):
        images = pictures(count, 32, 32)
        expected = softmax(in_torch(arch, arrays, normalised(images, p)))
        close(run(images), expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_any_equals_sized(engine: str) -> None:
    """The same network after the same pixels; one of 255 in a pixel moves a probability by little."""
    arrays = lively(ARCH)
    portable = ENGINES[engine](emit(ARCH, arrays, P, entry="any").SerializeToString())
    fixed = ENGINES[engine](emit(ARCH, arrays, P, entry="sized").SerializeToString())
    for size in ((128, 97), (36, 50), (20, 11)):
        (image,) = pictures(1, *size)
        found = portable(image)
        assert found.shape == (1, 5)
        assert np.abs(found - fixed(sized(image, P)[None])).max() < 1e-3


def test_inputs_outputs_and_properties() -> None:
    for entry, name, extents in (("any", "image", ["H", "W", 3]), ("sized", "images", ["N", 32, 32, 3])):
        model = emit(ARCH, random_weights(ARCH, 0), P, entry=entry)
        onnx.checker.check_model(model, full_check=True)
        (given,), (gives,) = model.graph.input, model.graph.output
        assert given.name == name and given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
        assert [one.dim_param or one.dim_value for one in given.type.tensor_type.shape.dim] == extents
        assert gives.name == "probabilities" and gives.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert [one.dim_param or one.dim_value for one in gives.type.tensor_type.shape.dim] == [
            1 if entry == "any" else "N",
            5,
        ]
        properties = {one.key: one.value for one in model.metadata_props}
        assert properties["vertebra.architecture"] == ARCH.hash
        assert properties["vertebra.entry"] == entry
        assert Preprocess.from_json(properties["vertebra.preprocess"].encode()) == P


def test_initialisers_are_the_state_dict() -> None:
    """The weights keep their names and bytes."""
    arrays = lively(ARCH)
    model = emit(ARCH, arrays, P, entry="sized")
    found = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    for name, array in arrays.items():
        assert np.array_equal(found[name].reshape(array.shape), array)


def test_without_weights_they_are_inputs() -> None:
    model = emit(ARCH, None, P)  # for pictures of any size, unless told otherwise
    onnx.checker.check_model(model, full_check=True)
    assert {one.name for one in model.graph.input} == {"image", *lively(ARCH)}


def test_same_bytes_each_time() -> None:
    arrays = lively(ARCH)
    one, two = (emit(ARCH, arrays, P, entry="any").SerializeToString(deterministic=True) for _ in range(2))
    assert one == two


def test_weights_of_another_type_are_converted() -> None:
    arrays = lively(ARCH)
    half = {name: array.astype(np.float16) for name, array in arrays.items()}
    counters = {"stages.0.0.norm.num_batches_tracked": np.array(7)}
    model = emit(ARCH, half | counters, P, entry="sized")
    kernel = next(one for one in model.graph.initializer if one.name == "stem.conv.weight")
    assert np.array_equal(onnx.numpy_helper.to_array(kernel), half["stem.conv.weight"].astype(np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("fc.bias"), "fc.bias: the tensor is missing"),
        (lambda arrays: arrays.update({"fc.bias": np.zeros(4, np.float32)}), r"fc.bias: the tensor has shape \(4,\)"),
        (lambda arrays: arrays.update(other=np.zeros(4, np.float32)), "other: no layer owns this tensor"),
    ],
)
def test_weights_of_another_network(change, message: str) -> None:
    arrays = lively(ARCH)
    change(arrays)
    with pytest.raises(WeightsError, match=f"^{message}"):
        emit(ARCH, arrays, P, entry="sized")


def test_refusals() -> None:
    with pytest.raises(ArchitectureError, match="takes 3 channels, its preprocessing gives 1"):
        emit(ARCH, None, GREY, entry="any")
    with pytest.raises(ArchitectureError, match="unknown entry 'both'"):
        emit(ARCH, None, P, entry="both")
    with pytest.raises(ArchitectureError, match="ends in a map"):
        emit(ARCH.without_head(), None, P, entry="any")
    valid = replace(ARCH, head=seq(deep=Conv(4, 9, padding=0), pool=GlobalPool(), fc=Linear(2)))
    with pytest.raises(ShapeError, match=r"^deep: a window of 9 does not fit"):
        emit(valid, None, Preprocess(size=8, resize=8), entry="any")


def test_a_convolution_may_classify() -> None:
    """SqueezeNet ends so: (classes, 1, 1)."""
    arch = replace(ARCH, head=seq(conv=Conv(5, bias=True), pool=GlobalPool()))
    arrays = lively(arch)
    images = pictures(2, 32, 32)
    run = ENGINES["onnxruntime"](emit(arch, arrays, P, entry="sized").SerializeToString())
    close(run(images), softmax(in_torch(arch, arrays, normalised(images, P))[:, :, 0, 0]))


def test_body_of_a_backbone() -> None:
    """Without a head the body's output is the last map, at the resolution asked for."""
    arch = ARCH.without_head()
    arrays = lively(arch)
    images = np.random.default_rng(0).standard_normal((2, 3, 21, 21)).astype(np.float32)
    run = ENGINES["onnxruntime"](emit_body(arch, arrays, resolution=21).SerializeToString())
    close(run(images), in_torch(arch, arrays, images))


def test_output_stride() -> None:
    arch = Architecture("strided", seq(conv=Conv(4, 3, 2)), tuple(net(MBConv(8, stride=2)).stages) * 4, ARCH.head, 65)
    arch = arch.with_output_stride(8)
    arrays = lively(arch)
    images = np.random.default_rng(0).standard_normal((1, 3, 65, 65)).astype(np.float32)
    run = ENGINES["onnxruntime"](emit_body(arch, arrays).SerializeToString())
    close(run(images), in_torch(arch, arrays, images))


@pytest.mark.parametrize("name", ["cifar_resnet110", "densenet121", "efficientnet_b1"])
def test_pasted_copies_are_the_blocks_themselves(name: str) -> None:
    """A stage's later blocks are copied from the first: node by node the same graph as without that."""
    arch = replace(architecture(name), resolution=64)
    pasted = emit_body(arch, None).graph
    graph = Graph("plain", None)
    value = Value(graph.input("input", FLOAT, ("N", *arch.input_shape)), arch.input_shape)
    for path, node in arch.nodes():
        value = emitted(graph, node, path, value)
    plain = graph.model.graph
    assert list(pasted.node)[:-1] == list(plain.node)  # the last one names the output
    assert list(pasted.input) == list(plain.input)
    assert list(pasted.initializer) == list(plain.initializer)


def test_the_same_layer_twice() -> None:
    """Layers side by side at one path (nameless children) keep apart."""
    node = net(seq(a=Identity(), b=Act(), c=Act("silu")))
    names = [one.name for one in emit_body(node, None).graph.node]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["cifar_resnet1202", "mobilenet_v2"])
def test_random_weights_keep_values_ordinary(name: str) -> None:
    """At 1,202 layers too: nothing overflows, nothing becomes denormal; and they are the same each time."""
    arch = replace(architecture(name), resolution=32)
    arrays = random_weights(arch, 7)
    images = np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32)
    logits = ENGINES["onnxruntime"](emit_body(arch, arrays).SerializeToString())(images)
    assert np.isfinite(logits).all() and 1e-3 < np.abs(logits).max() < 1e4
    again = random_weights(arch, 7)
    assert all(np.array_equal(array, again[name]) for name, array in arrays.items())


def test_nothing_is_emitted_without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"^onnx is not installed; pip install 'vertebra\[train\]'$"):
        emit(ARCH, None, P, entry="any")

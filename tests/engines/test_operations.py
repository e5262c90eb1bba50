"""Times of single operations.  No time is asserted: only which operations there are, and the arithmetic."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from tests.latency.small import small
from vertebra.arch.primitives import Conv
from vertebra.engines import openvino, operations
from vertebra.engines.operations import HALF, CountedOpenVino, operation_times, times_of_trace
from vertebra.errors import EngineError
from vertebra.latency.engines import INPUT, body, noise

ARCH = small()


def times(engine: str) -> dict[str, float]:
    """At 200 px every layer takes more than a microsecond."""
    return operation_times(body(ARCH, resolution=200), engine, {INPUT: noise(ARCH, resolution=200)}, 6, threads=1)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_every_layer_with_kernels_is_among_them(engine: str) -> None:
    """Each under its own name, or under that of what was fused into it: its normalisation or activation."""
    found = times(engine)
    assert all(isinstance(ms, float) and 0 < ms < 1000 for ms in found.values())
    told = {name.partition("/")[0].rpartition(".")[0] for name in found}
    layers = [layer.path for layer in ARCH.layers() if isinstance(layer.node, Conv)]
    assert {path.rpartition(".")[0] for path in layers} <= told
    assert any(name.startswith(("fc/", "output")) for name in found)


def test_openvinos_numbers_are_told_by_no_name() -> None:
    """OpenVINO calls operations of its own making by numbers that grow with each network that a process reads."""
    first, second = times("openvino"), times("openvino")
    assert list(first) == list(second)
    paths = {layer.path for layer in ARCH.layers()} | {path for path, _ in ARCH.nodes()}
    for name in first:
        path = name.removeprefix("Reorder/").partition("/")[0]
        assert path == "output" or any(path in one or one.startswith(path) for one in paths), name


def test_the_quicker_half_of_the_last_runs() -> None:
    """By hand: of 1, 2, 3, ..., 8 the quicker half is 1, 2, 3, 4, whose mean is 2.5; and the half that was cut off."""
    events = [{"cat": "Session", "name": "session_initialization", "dur": 999, "ts": 0}]
    for run, duration in enumerate([500, 400, 8, 7, 6, 5, 4, 3, 2, 1]):
        args = {"op_name": "Conv", "provider": "CPUExecutionProvider", "input_type_shape": [{"float": [1, 3]}]}
        events.append({"cat": "Node", "name": "a_kernel_time", "dur": duration, "ts": 10 * run + 1, "args": args})
        events.append({"cat": "Node", "name": "b_fence_after", "dur": 77, "ts": 10 * run + 2, "args": {}})
        events.append({"cat": "Node", "name": "b_kernel_time", "dur": 2, "ts": 10 * run + 3, "args": {}})
    found = times_of_trace(json.dumps(events).encode(), 8)
    assert found == pytest.approx({"a": (2.5 + HALF) / 1000, "b": (2 + HALF) / 1000})
    assert list(found) == ["a", "b"]


@pytest.mark.parametrize("trace", [b"", b"{", b"[1]", b'[{"name": 3}]', b"\xff"])
def test_a_trace_that_cannot_be_read(trace: bytes) -> None:
    with pytest.raises(EngineError, match="a trace that cannot be read"):
        times_of_trace(trace, 1)


class Counting:
    """A request that counts as OpenVINO does: the mean over all runs in whole microseconds, rounded down."""

    def __init__(self, first: int, later: int) -> None:
        self.first, self.later, self.runs = first, later, 0

    @property
    def profiling_info(self) -> list[SimpleNamespace]:
        mean = timedelta(microseconds=(self.first + self.later * (self.runs - 1)) // self.runs)
        executed, idle = SimpleNamespace(name="EXECUTED"), SimpleNamespace(name="NOT_RUN")
        return [
            SimpleNamespace(node_name="conv", status=executed, real_time=mean),
            SimpleNamespace(node_name="fused", status=idle, real_time=timedelta(0)),
        ]


def test_means_without_the_first_runs() -> None:
    """A first run of 5 ms, 50 later ones of 40 us: near 40 us is found, where the mean of all is 130."""
    request = Counting(5000, 40)
    request.runs = 5
    before = operations._counters(request)
    request.runs = 55
    found = operations._later(operations._counters(request), 55, before, 5)
    assert list(found) == ["conv"]
    assert 1e3 * found["conv"] == pytest.approx(40 + HALF, abs=0.6)


def test_times_that_are_not_told() -> None:
    class Request:
        @property
        def profiling_info(self) -> object:
            raise RuntimeError("Exception from src/x.cpp:1:\nnot enabled")

    with pytest.raises(EngineError, match=r"^OpenVINO does not tell its times: not enabled$"):
        operations._counters(Request())


def test_what_is_counted_is_what_openvino_computes() -> None:
    """The same output, and the operations of ``operation_times``, whenever counting begins."""
    model, feed = body(ARCH, resolution=200), {INPUT: noise(ARCH, resolution=200)}
    counted = CountedOpenVino(model, 1)
    first = np.array(counted.run(feed))
    plain = openvino.compiled(openvino.read(model), 1).create_infer_request().infer(feed)[0]
    np.testing.assert_allclose(first, plain, rtol=1e-4, atol=1e-5)
    counted.begin()
    counted.run(feed)
    assert list(counted.times()) == list(times("openvino"))


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_errors(engine: str) -> None:
    with pytest.raises(EngineError, match="cannot load it: ") as found:
        operation_times(b"no model", engine, {}, 1)
    assert ".cpp" not in str(found.value)
    with pytest.raises(EngineError, match="cannot run it"):
        operation_times(body(ARCH), engine, {INPUT: np.zeros((1, 2), np.float32)}, 1)


def test_other_arguments() -> None:
    with pytest.raises(EngineError, match=r"'torch' does not time its operations \(allowed: onnxruntime, openvino\)"):
        operation_times(b"", "torch", {}, 1)
    with pytest.raises(EngineError, match=r"^0 runs"):
        operation_times(b"", "onnxruntime", {}, 0)

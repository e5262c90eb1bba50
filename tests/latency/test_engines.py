"""The same made-up network on every engine gives the same numbers: what is timed is what was asked for."""

from __future__ import annotations

import importlib.metadata
import sys

import numpy as np
import onnx
import pytest
import torch

from tests.latency.small import small
from vertebra.arch.architecture import Architecture
from vertebra.errors import EngineError, MissingExtraError, ShapeError
from vertebra.latency.engines import ENGINES, body, noise, runner, session, version
from vertebra.latency.setting import PRECISIONS, Setting
from vertebra.onnx.weights import random_weights

ARCH = small()


def output(setting: Setting, arch: Architecture = ARCH, resolution: int | None = None) -> np.ndarray:
    with session(setting):
        return np.asarray(runner(arch, setting, resolution=resolution).run())


def of(engine: str, precision: str = "fp32", batch: int = 2) -> Setting:
    return Setting(engine=engine, precision=precision, batch=batch, threads=1)


def by_hand(batch: int, resolution: int | None = None) -> np.ndarray:
    """The network that ``vertebra.build`` makes, with the made-up weights copied in one by one."""
    from vertebra.nn import build

    net = build(ARCH).eval()
    drawn = random_weights(ARCH, 0)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name in drawn:
                tensor.copy_(torch.from_numpy(drawn[name]))
        return net(torch.from_numpy(noise(ARCH, batch, resolution))).numpy()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch"])
@pytest.mark.parametrize("resolution", [None, 33])
def test_engines_agree(engine: str, resolution: int | None) -> None:
    found = output(of(engine), resolution=resolution)
    assert found.shape == (2, 5)
    # Sums of a few hundred float32 products, added in another order.
    np.testing.assert_allclose(found, by_hand(2, resolution), rtol=1e-3, atol=1e-5)


@pytest.mark.slow  # torch compiles C++
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # its own use
def test_the_compiler_agrees() -> None:
    np.testing.assert_allclose(output(of("torch.compile")), by_hand(2), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_bf16_is_computed_in_bf16(engine: str) -> None:
    """Eight bits of significand: near the exact result, and not it."""
    try:
        found = output(of(engine, "bf16")) if engine == "openvino" else _torch_bf16()
    except EngineError as error:
        assert "no bf16" in str(error)
        pytest.skip("this CPU has no bf16")
    exact = by_hand(2)
    difference = np.abs(found - exact).max() / np.abs(exact).max()
    assert 1e-5 < difference < 0.1


def _torch_bf16() -> np.ndarray:
    setting = of("torch", "bf16")
    with session(setting):
        found = runner(ARCH, setting).run()
    assert isinstance(found, torch.Tensor) and found.dtype == torch.bfloat16
    return found.float().numpy()


def test_a_cpu_without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO takes the hint there too, and computes in f32."""
    from vertebra.engines import openvino

    real = openvino.core()

    class Core:
        read_model = staticmethod(real.read_model)

        def compile_model(self, model: object, device: str, hints: dict[str, str]) -> object:
            return real.compile_model(model, device, {**hints, "INFERENCE_PRECISION_HINT": "f32"})

    monkeypatch.setattr(openvino, "core", Core)
    with pytest.raises(EngineError, match="OpenVINO computes in f32 on this CPU, which has no bf16"):
        output(of("openvino", "bf16"))


def test_torch_has_its_threads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setattr("os.cpu_count", lambda: before + 1)
    with pytest.raises(ZeroDivisionError), session(Setting(engine="torch", threads=before + 1)):
        assert torch.get_num_threads() == before + 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("engine", PRECISIONS)
def test_more_threads_than_the_machine_has(monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    """Such a setting may be of another machine; it does not run here."""
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    with pytest.raises(EngineError, match=r"^threads: 9 \(allowed: from 1 to 8, the cores of this machine\)$"):
        session(Setting(engine=engine, threads=9))


def test_the_batch_is_fixed() -> None:
    graph = onnx.load_model_from_string(body(ARCH, batch=3)).graph
    for value, extents in ((graph.input[0], [3, 3, 24, 24]), (graph.output[0], [3, 5])):
        assert [one.dim_value for one in value.type.tensor_type.shape.dim] == extents


def test_versions_are_the_installed_ones() -> None:
    import onnxruntime

    assert version(of("onnxruntime")) == f"onnxruntime {onnxruntime.__version__}"
    assert version(of("torch.compile")).startswith("torch 2.")
    assert version(of("openvino")) == f"openvino {importlib.metadata.version('openvino')}"


def test_every_engine_has_a_way() -> None:
    assert set(ENGINES) == set(PRECISIONS)


MODULES = [("openvino", "openvino"), ("torch", "torch"), ("torch.compile", "torch")]


@pytest.mark.parametrize(("engine", "module"), MODULES)
def test_an_engine_that_is_not_installed(engine: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"^{module} is not installed; pip install 'vertebra\["):
        output(of(engine))


def test_a_resolution_that_does_not_fit() -> None:
    from vertebra.zoo import architecture

    with pytest.raises(ShapeError):
        runner(architecture("alexnet"), of("onnxruntime"), resolution=16)


def test_no_memory_for_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def noise(arch: Architecture, batch: int, resolution: int | None) -> np.ndarray:
        raise MemoryError

    monkeypatch.setattr("vertebra.latency.engines.noise", noise)
    with pytest.raises(EngineError, match=r"^small: out of memory; take a smaller batch or resolution$"):
        output(of("torch"))


def test_weights_above_what_onnx_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vertebra.latency.engines.MOST_BYTES", 1000)
    with pytest.raises(EngineError, match=r"^small: its weights take [\d,]+ bytes \(allowed: 2 GiB in ONNX\)"):
        body(ARCH)

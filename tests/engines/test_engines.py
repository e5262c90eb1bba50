"""ONNX Runtime and OpenVINO: one shape, the same answers, typed errors."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks import MBConv
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Conv, GlobalPool, Linear
from vertebra.data.preprocess import Preprocess
from vertebra.data.threads import cores
from vertebra.engines.engine import Engine, available, threads_here
from vertebra.engines.onnxruntime import OnnxRuntime
from vertebra.engines.openvino import OpenVino
from vertebra.errors import EngineError, MissingExtraError
from vertebra.onnx import emit, emit_body, random_weights

CLASSES = (OnnxRuntime, OpenVino)
ARCH = Architecture("small", Conv(4, 3, 2), (Stage(MBConv(8)),), seq(pool=GlobalPool(), fc=Linear(5)), 24)
P = Preprocess(size=24, resize=28)


def artifact(entry) -> bytes:
    return emit(ARCH, random_weights(ARCH, 1), P, entry=entry).SerializeToString()


SIZED, ANY = artifact("sized"), artifact("any")


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("cls", CLASSES)
def test_entries(cls) -> None:
    sized, portable = cls(SIZED, threads=1), cls(ANY, threads=1)
    assert isinstance(sized, Engine)
    assert (sized.entry, sized.size, sized.classes) == ("sized", 24, 5)
    assert (portable.entry, portable.size, portable.classes) == ("any", None, 5)
    assert sized.run(pixels(3, 24, 24, 3)).shape == (3, 5)
    found = portable.run(pixels(40, 31, 3))
    assert found.shape == (1, 5) and found.dtype == np.float32
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)


def test_engines_agree() -> None:
    for blob, images in ((SIZED, pixels(2, 24, 24, 3)), (ANY, pixels(100, 77, 3))):
        one, two = (cls(blob, threads=1).run(images) for cls in CLASSES)
        assert np.abs(one - two).max() < 1e-4


@pytest.mark.parametrize("cls", CLASSES)
def test_results_outlive_the_next_run(cls) -> None:
    """An engine may reuse its output's memory; what it gave before stays."""
    engine = cls(SIZED, threads=1)
    first = engine.run(pixels(1, 24, 24, 3))
    kept = first.copy()
    engine.run(np.zeros((1, 24, 24, 3), np.uint8))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("cls", CLASSES)
def test_strided_pixels_are_read_rightly(cls) -> None:
    engine = cls(SIZED, threads=1)
    images = pixels(1, 48, 48, 3)[:, ::2, ::-2]
    assert np.array_equal(engine.run(images), engine.run(images.copy()))


@pytest.mark.parametrize("cls", CLASSES)
def test_a_file(cls, tmp_path: Path) -> None:
    path = tmp_path / "model-sized.onnx"
    path.write_bytes(SIZED)
    for given_path in (path, str(path)):
        images = pixels(1, 24, 24, 3)
        assert np.array_equal(cls(given_path, 1).run(images), cls(SIZED, 1).run(images))
    with pytest.raises(EngineError, match=r"absent\.onnx: .* cannot load it"):
        cls(tmp_path / "absent.onnx")


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "wrong",
    [
        pixels(24, 24, 3),
        pixels(1, 24, 25, 3),
        pixels(1, 24, 24, 4),
        pixels(0, 24, 24, 3),
        pixels(1, 24, 24, 3).astype(np.float32),
        [[1]],
    ],
)
def test_wrong_pixels(cls, wrong) -> None:
    with pytest.raises(EngineError, match=r"^pixels are .*\(allowed: uint8 \[N, 24, 24, 3\]\)$"):
        cls(SIZED, threads=1).run(wrong)


@pytest.mark.parametrize("cls", CLASSES)
def test_another_model_is_refused(cls) -> None:
    with pytest.raises(EngineError, match="not an artifact of vertebra"):
        cls(emit_body(ARCH, random_weights(ARCH, 1)).SerializeToString())


@settings(max_examples=60, deadline=None)
@given(cls=st.sampled_from(CLASSES), data=st.binary(max_size=200))
def test_random_bytes(cls, data: bytes) -> None:
    with pytest.raises(EngineError):
        cls(data, threads=1)


@settings(max_examples=30, deadline=None)
@given(cls=st.sampled_from(CLASSES), place=st.floats(0, 0.999), value=st.integers(0, 255), cut=st.booleans())
def test_damaged_artifacts(cls, place: float, value: int, cut: bool) -> None:
    """A changed byte or a missing end: it loads, or EngineError says why not."""
    at = int(place * len(SIZED))
    damaged = SIZED[:at] if cut else SIZED[:at] + bytes([value]) + SIZED[at + 1 :]
    with contextlib.suppress(EngineError):
        cls(damaged, threads=1)


def test_available(monkeypatch: pytest.MonkeyPatch) -> None:
    found = available()
    assert found["onnxruntime"][0].isdigit() and found["openvino"][0].isdigit()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert available()["openvino"] == "not installed; pip install 'vertebra[deploy]'"


def test_without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match="openvino is not installed"):
        OpenVino(SIZED)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("threads", [0, -1, 65_536, True, 1.5, "2"])
def test_more_threads_than_the_machine_has(monkeypatch: pytest.MonkeyPatch, cls, threads) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    with pytest.raises(EngineError) as found:
        cls(SIZED, threads=threads)
    assert str(found.value) == f"threads: {threads!r} (allowed: from 1 to 4, the cores of this machine)"


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert [threads_here(one) for one in (None, 1, 4, np.int64(3))] == [cores(), 1, 4, 3]


def test_cores() -> None:
    assert cores() >= 1


def test_opset_is_read_by_both() -> None:
    assert onnx.load_model_from_string(SIZED).opset_import[0].version >= 18


AFTER_TWO = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background was started without
from vertebra.engines.openvino import OpenVino
artifact = sys.stdin.buffer.read()
first, second = OpenVino(artifact), OpenVino(artifact)
del first
del second
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("stopped")
"""


def test_ctrl_c_after_several_networks_ran_on_openvino() -> None:
    done = subprocess.run([sys.executable, "-c", AFTER_TWO], input=SIZED, capture_output=True, check=False)
    assert (done.returncode, done.stdout.decode().split()) == (0, ["stopped"])

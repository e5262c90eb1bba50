"""A setting is checked when it is made and when it is read."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from vertebra.data.threads import cores
from vertebra.errors import EngineError
from vertebra.latency.setting import Setting


def test_defaults() -> None:
    assert str(Setting(threads=2)) == "onnxruntime fp32, batch 1, 2 threads"
    assert str(Setting(engine="openvino", precision="bf16", batch=8, threads=1)) == "openvino bf16, batch 8, 1 thread"
    assert Setting().threads == cores()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"engine": "trt"}, "engine: unknown engine 'trt' (allowed: onnxruntime, openvino, torch, torch.compile)"),
        ({"engine": None}, "engine: unknown engine None (allowed: onnxruntime, openvino, torch, torch.compile)"),
        ({"engine": []}, "engine: unknown engine [] (allowed: onnxruntime, openvino, torch, torch.compile)"),
        ({"precision": "bf16"}, "precision: onnxruntime is not timed in 'bf16' (allowed: fp32)"),
        ({"engine": "torch", "precision": "int8"}, "precision: torch is not timed in 'int8' (allowed: fp32, bf16)"),
        ({"batch": 0}, "batch: 0 (allowed: an integer from 1 to 65536)"),
        ({"batch": 1.5}, "batch: 1.5 (allowed: an integer from 1 to 65536)"),
        ({"threads": -1}, "threads: -1 (allowed: an integer from 1 to 65536)"),
        ({"threads": True}, "threads: True (allowed: an integer from 1 to 65536)"),
    ],
)  # fmt: skip
def test_refused(given, said: str) -> None:
    with pytest.raises(EngineError) as found:
        Setting(**given)
    assert str(found.value) == said


def test_numpys_numbers_are_pythons() -> None:
    assert Setting(batch=np.int64(4), threads=1) == Setting(batch=4, threads=1)
    assert hash(Setting(batch=np.int64(4), threads=1)) == hash(Setting(batch=4, threads=1))


def test_read_back() -> None:
    setting = Setting(engine="torch", precision="bf16", batch=3, threads=1)
    text = msgspec.json.encode(setting)
    assert msgspec.json.decode(text, type=Setting) == setting
    with pytest.raises(EngineError, match="unknown engine"):
        msgspec.json.decode(text.replace(b'"torch"', b'"tflite"'), type=Setting)

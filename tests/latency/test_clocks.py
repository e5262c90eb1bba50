"""How a network's latency is found: without a profile by measurement alone, which is kept."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from vertebra.engines.device import describe
from vertebra.errors import EngineError
from vertebra.latency.clocks import clocks
from vertebra.latency.database import Database
from vertebra.latency.measure import measure
from vertebra.latency.setting import Setting
from vertebra.zoo import architecture


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path))


def test_without_a_profile_it_is_measured_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vertebra.latency.clocks.measured", partial(measure, seconds=0.02))
    found = clocks(threads=1)
    assert found.predict is None
    assert found.note == (
        "nothing is predicted, networks are measured alone: "
        "there is no profile of onnxruntime fp32, batch 1, 1 thread; make one with `vertebra profile build`"
    )
    arch = architecture("cifar_resnet20")
    ms = found.measure(arch)
    with Database() as database:
        (kept,) = database.measurements()
    assert (kept.median_ms, kept.hash, kept.resolution) == (ms, arch.hash, 32) and ms > 0
    assert kept.setting == Setting(threads=1) and kept.device == describe()


def test_a_setting_that_is_not_allowed() -> None:
    with pytest.raises(EngineError, match="unknown engine 'tensorrt'"):
        clocks("tensorrt")
    with pytest.raises(EngineError, match="onnxruntime is not timed in 'int8'"):
        clocks("onnxruntime", "int8")

"""The machine's description, from what the kernel says and from nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from vertebra.engines import device

CPUINFO = """processor\t: 0
model name\t: AMD Ryzen 9 9950X 16-Core Processor
flags\t\t: fpu sse4_2 fma avx2 avx512f avx512_vnni avx512_bf16 hypervisor

processor\t: 1
model name\t: another
"""


def test_of_this_machine() -> None:
    found = device.describe()
    assert found.processor and found.system
    assert 1 <= found.cores <= found.cores_of_machine
    assert "\n" not in str(found)


def test_from_cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(CPUINFO)
    monkeypatch.setattr(device, "CPUINFO", file)
    found = device.describe()
    assert found.processor == "AMD Ryzen 9 9950X 16-Core Processor"
    assert found.instruction_sets == ("sse4_2", "fma", "avx2", "avx512f", "avx512_vnni", "avx512_bf16")


def test_arm_names_its_features(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp bf16 i8mm\n")
    monkeypatch.setattr(device, "CPUINFO", file)
    assert device.describe().instruction_sets == ("asimd", "asimdhp", "asimddp", "bf16", "i8mm")


def test_without_the_kernels_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(device, "CPUINFO", tmp_path / "absent")
    found = device.describe()
    assert found.processor and found.instruction_sets == ()

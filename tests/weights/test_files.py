"""save() and read(): whole files or none, and one exact line for what cannot be read."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from tests.nn.helpers import tiny
from vertebra.errors import OutputError, WeightsError
from vertebra.nn import build
from vertebra.weights.files import read
from vertebra.weights.save import save


def test_round_trip_of_a_network(tmp_path):
    net = build(tiny())
    save(net, tmp_path / "w.safetensors")
    found = read(tmp_path / "w.safetensors")
    assert found.keys() == net.state_dict().keys()
    for name, tensor in net.state_dict().items():
        assert found[name].dtype == tensor.numpy().dtype
        assert np.array_equal(found[name], tensor.numpy())


def test_arrays_and_layouts(tmp_path):
    path = tmp_path / "w.safetensors"
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T
    array.flags.writeable = False
    save({"transposed": array}, path)
    assert np.array_equal(read(path)["transposed"], array)
    kernel = torch.rand(4, 3, 2, 2).to(memory_format=torch.channels_last)
    save({"kernel": kernel}, path)
    assert np.array_equal(read(path)["kernel"], kernel.numpy())


def test_same_values_same_bytes(tmp_path):
    for name in "ab":
        save(build(tiny()), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_reading_needs_no_torch(tmp_path):
    save(build(tiny()), tmp_path / "w.safetensors")
    code = (
        "import sys; from vertebra.weights.files import read; "
        f"assert len(read({str(tmp_path / 'w.safetensors')!r})) > 10; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env={"PYTHONPATH": "src"})


class TestRefused:
    def test_missing(self, tmp_path):
        path = tmp_path / "none.safetensors"
        with pytest.raises(WeightsError) as caught:
            read(path)
        assert str(caught.value) == f"{path}: cannot be read: No such file or directory"

    def test_folder(self, tmp_path):
        with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
            read(tmp_path)

    @pytest.mark.parametrize("keep", [0, 5, 100, -1])
    def test_truncated(self, tmp_path, keep):
        path = tmp_path / "w.safetensors"
        save(build(tiny()), path)
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(
            WeightsError, match=r"not a whole safetensors file: .*; write it again; pickles are not read"
        ):
            read(path)

    def test_pickle(self, tmp_path):
        path = tmp_path / "w.pth"
        torch.save({"a": torch.zeros(3)}, path)
        with pytest.raises(WeightsError, match="not a whole safetensors file"):
            read(path)

    def test_type_that_numpy_lacks(self, tmp_path):
        path = tmp_path / "w.safetensors"
        save_file({"a": torch.zeros(3, dtype=torch.bfloat16)}, path)
        with pytest.raises(WeightsError, match="holds a type that NumPy lacks; save it in float32"):
            read(path)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200))
    def test_random_bytes(self, tmp_path, data):
        path = tmp_path / "w.safetensors"
        path.write_bytes(data)
        with pytest.raises(WeightsError):
            read(path)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(position=st.integers(0, 400), value=st.integers(0, 255))
    def test_changed_bytes_raise_nothing_else(self, tmp_path, position, value):
        path = tmp_path / "w.safetensors"
        save({"one": np.ones((2, 3), np.float32), "two": np.zeros(4, np.int64)}, path)
        data = bytearray(path.read_bytes())
        data[position % len(data)] = value
        path.write_bytes(data)
        try:
            read(path)
        except WeightsError as error:
            assert "\n" not in str(error)


class TestCannotWrite:
    def test_no_such_folder(self, tmp_path):
        path = tmp_path / "none" / "w.safetensors"
        with pytest.raises(OutputError, match=r"cannot be written: .*No such file or directory"):
            save(build(tiny()), path)

    def test_target_is_a_folder(self, tmp_path):
        with pytest.raises(OutputError, match="cannot be written"):
            save(build(tiny()), tmp_path)

    def test_old_content_survives_and_nothing_is_left(self, tmp_path, monkeypatch):
        path = tmp_path / "w.safetensors"
        save({"a": np.ones(2, np.float32)}, path)

        def full(tensors, target, metadata):
            target.write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("vertebra.weights.save.save_file", full)
        with pytest.raises(OutputError) as caught:
            save({"a": np.zeros(2, np.float32)}, path)
        assert str(caught.value) == f"{path}: cannot be written: No space left on device"
        assert [entry.name for entry in tmp_path.iterdir()] == ["w.safetensors"]
        assert read(path)["a"].tolist() == [1, 1]

    def test_rights_are_those_of_any_file(self, tmp_path):
        """safetensors makes files that only their owner may read."""
        (tmp_path / "any").write_text("")
        save(build(tiny()), tmp_path / "w.safetensors")
        assert (tmp_path / "w.safetensors").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        ({"a": 3}, "a is 3 (allowed: tensors and arrays of numbers)"),
        ({"a": np.array(["x"])}, "a is an array of <U1 (allowed: tensors and arrays of numbers)"),
        ({1: torch.zeros(2)}, "a tensor's name is 1 (allowed: text)"),
        ({"a": torch.zeros(2).to_sparse()}, "a is sparse (allowed: dense tensors of plain numbers)"),
        (
            {"a": torch.zeros(2, device="meta")},
            "a has no values: it is on the meta device; give the network weights first",
        ),
        (3, "expected a network or a mapping of names to tensors, got 3"),
    ],
)
def test_what_a_file_cannot_hold(tmp_path, weights, line):
    with pytest.raises(WeightsError) as caught:
        save(weights, tmp_path / "w.safetensors")
    assert str(caught.value) == line and not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrap", [partial(torch.compile, backend="eager"), torch.nn.DataParallel])
def test_what_is_put_around_a_network_is_left_out(tmp_path, wrap):
    net = build(tiny())
    save(net, tmp_path / "plain.safetensors")
    save(wrap(net), tmp_path / "wrapped.safetensors")
    assert (tmp_path / "plain.safetensors").read_bytes() == (tmp_path / "wrapped.safetensors").read_bytes()

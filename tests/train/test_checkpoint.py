from __future__ import annotations

import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vertebra.errors import OutputError, WeightsError
from vertebra.train import checkpoint


def test_comes_back_whole(tmp_path):
    state = {"weights": torch.randn(3, 4).to(torch.bfloat16), "step": 7, "name": "x", "none": None}
    checkpoint.save(tmp_path / "c", state)
    back = checkpoint.load(tmp_path / "c")
    assert torch.equal(back["weights"], state["weights"]) and back["step"] == 7 and back["none"] is None
    assert os.listdir(tmp_path) == ["c"]


def test_every_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "c"
    checkpoint.save(path, {"weights": torch.zeros(50)})
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(WeightsError, match="c: "):
            checkpoint.load(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(WeightsError, match="damaged"):
        checkpoint.load(path)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_a_weights_error(tmp_path_factory, data, with_magic):
    path = tmp_path_factory.mktemp("random") / "c"
    path.write_bytes(checkpoint.MAGIC + data if with_magic else data)
    with pytest.raises(WeightsError):
        checkpoint.load(path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, ("exit 1",)

    checkpoint.save(tmp_path / "c", {"evil": Evil()})
    with pytest.raises(WeightsError, match="cannot be read"):
        checkpoint.load(tmp_path / "c")


def test_a_place_that_cannot_be_written_keeps_the_old_file(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        checkpoint.save(tmp_path / "missing" / "c", {})
    with pytest.raises(WeightsError, match="cannot be read"):
        checkpoint.load(tmp_path / "missing" / "c")

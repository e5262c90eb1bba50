"""read_checkpoint(): tensors out of anybody's file, and no code run on the way."""

from __future__ import annotations

import argparse
import os
import pickle
import random

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vertebra.errors import WeightsError
from vertebra.weights.checkpoint import read_checkpoint

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.ones(2)}


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


def fault(path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text.removeprefix(f"{path}: ")


def same(found, expected=STATE) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


class TestFormats:
    def test_safetensors(self, tmp_path):
        save_file(STATE, tmp_path / "w.safetensors")
        found = read_checkpoint(tmp_path / "w.safetensors")
        assert same(found) and not found.in_order

    @pytest.mark.parametrize("zipped", [True, False])
    @pytest.mark.parametrize("name", ["w.pth", "w", "w.safetensors"])
    def test_torch_by_content_whatever_the_name(self, tmp_path, zipped, name):
        found = read_checkpoint(saved(tmp_path / name, STATE, _use_new_zipfile_serialization=zipped))
        assert same(found) and found.in_order and list(found) == list(STATE)

    def test_parameters_and_options_beside_them(self, tmp_path):
        """What training scripts write: torchvision's has argparse's options, timm's a NumPy score."""
        content = {
            "model": {name: nn.Parameter(tensor) for name, tensor in STATE.items()},
            "args": argparse.Namespace(lr=0.1, sizes=[1, 2]),
            "best": np.float64(0.9),
            "epoch": 3,
        }
        found = read_checkpoint(saved(tmp_path / "w.pth", content))
        assert same(found) and found.unwrapped == ("model",)
        assert {one.name: one.why for one in found.left} == dict.fromkeys(("args", "best", "epoch"), "not weights")


class TestNests:
    @pytest.mark.parametrize(
        ("nest", "taken"),
        [
            (lambda state: state, ()),
            (lambda state: {"state_dict": state}, ("state_dict",)),
            (lambda state: {"model": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}}, ("model",)),
            (lambda state: {"model_state_dict": state, "loss": torch.ones(())}, ("model_state_dict",)),
            (lambda state: {"checkpoint": {"net": state}}, ("checkpoint", "net")),
            (lambda state: {"my_own_name": state, "epoch": 1}, ("my_own_name",)),
            (lambda state: {f"module.{name}": t for name, t in state.items()}, ("module.",)),
            (lambda state: {f"_orig_mod.module.{n}": t for n, t in state.items()}, ("_orig_mod.", "module.")),
            (lambda state: {n.replace(".", "._orig_mod."): t for n, t in state.items()}, ("_orig_mod.",)),
            (lambda state: {"state_dict": {f"model.{n}": t for n, t in state.items()}}, ("state_dict", "model.")),
            (lambda state: {f"backbone.{name}": tensor for name, tensor in state.items()}, ("backbone.",)),
            (
                lambda state: {"model_ema": {"n_averaged": torch.ones(()), **{f"module.{n}": state[n] for n in state}}},
                ("model_ema", "module."),
            ),
        ],
    )
    def test_unwrapped(self, tmp_path, nest, taken):
        found = read_checkpoint(saved(tmp_path / "w.pth", nest(STATE)))
        assert same(found) and found.unwrapped == taken

    def test_the_average_is_taken_and_said(self, tmp_path):
        average = {name: tensor + 1 for name, tensor in STATE.items()}
        found = read_checkpoint(saved(tmp_path / "w.pth", {"model": STATE, "model_ema": average}))
        assert same(found, average)
        assert [(one.name, one.why) for one in found.left] == [
            ("model", "beside 'model_ema', the average, which was taken")
        ]

    def test_several_sets(self, tmp_path):
        path = saved(tmp_path / "w.pth", {"generator": STATE, "critic": STATE})
        assert fault(path) == "holds several sets of tensors: 'generator', 'critic'; save the one that you mean"

    @pytest.mark.parametrize("content", [{}, [torch.ones(2)], {"epoch": 1}, 3, {"a": {"b": {"c": 1}}}])
    def test_no_tensors(self, tmp_path, content):
        assert "no tensors" in fault(saved(tmp_path / "w.pth", content))


class Trap:
    """Unpickled without care, it makes a file."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class TestCodeIsNotRun:
    @pytest.mark.parametrize("zipped", [True, False])
    def test_torch_file(self, tmp_path, zipped):
        content = {"state_dict": STATE, "extra": Trap(tmp_path / "sprung")}
        path = saved(tmp_path / "w.pth", content, _use_new_zipfile_serialization=zipped)
        text = fault(path)
        assert text.startswith("refused: reading it would run code (") and "system" in text
        assert text.endswith("torch.save(net.state_dict(), path), or safetensors")
        assert not (tmp_path / "sprung").exists()

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_plain_pickle(self, tmp_path, protocol):
        """It is refused, not called broken."""
        path = tmp_path / "w.pkl"
        path.write_bytes(pickle.dumps({"weights": torch.ones(2).numpy(), "x": Trap(tmp_path / "sprung")}, protocol))
        text = fault(path)
        assert text.startswith("refused: reading it would run code (") and "write it again" not in text
        assert not (tmp_path / "sprung").exists()

    def test_whole_module(self, tmp_path):
        """torch.save(net): its classes would have to be imported and run."""
        assert "Linear" in fault(saved(tmp_path / "w.pth", nn.Linear(2, 2)))

    def test_torchscript(self, tmp_path):
        """An archive of code beside the tensors, written as torch.jit writes it."""
        path = tmp_path / "w.pt"
        buffer = torch._C.PyTorchFileWriter(str(path))
        buffer.write_record("constants.pkl", b"x", 1)
        buffer.write_end_of_file()
        assert fault(path).startswith("refused: reading it would run code (TorchScript) (allowed: tensors and plain")


class TestBroken:
    def test_missing(self, tmp_path):
        assert fault(tmp_path / "none.pth") == "cannot be read: No such file or directory"
        assert fault(tmp_path) == "cannot be read: Is a directory"

    @pytest.mark.parametrize("kind", ["safetensors", "zipped", "old"])
    def test_cut_anywhere(self, tmp_path, kind):
        path = tmp_path / "w"
        if kind == "safetensors":
            save_file(STATE, path)
        else:
            torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zipped")
        whole = path.read_bytes()
        for length in {0, 1, 4, 8, 9, 30, len(whole) // 4, len(whole) // 2, len(whole) - 40, len(whole) - 1}:
            path.write_bytes(whole[:length])
            said = fault(path)
            assert said.startswith(("not a whole ", "holds no tensors", "refused", "neither a safetensors", "is empty"))
            assert ".;" not in said and said.count(". ") == 0  # one sentence of what torch says

    @pytest.mark.parametrize("kind", ["safetensors", "zipped", "old"])
    def test_bytes_changed_anywhere(self, tmp_path, kind):
        """Tensors or one typed error; nothing else ever."""
        path, draw = tmp_path / "w", random.Random(0)
        if kind == "safetensors":
            save_file(STATE, path)
        else:
            torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zipped")
        whole = path.read_bytes()
        for _ in range(150):
            changed = bytearray(whole)
            for _ in range(draw.choice((1, 1, 4))):
                changed[draw.randrange(len(changed))] = draw.randrange(256)
            path.write_bytes(changed)
            try:
                read_checkpoint(path)
            except WeightsError as error:
                assert "\n" not in str(error)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "is empty; write it again"),
            (b"hello", "neither a safetensors nor a torch file; check what it is"),
            (b"\x89PNG\r\n\x1a\n" * 9, "neither a safetensors nor a torch file; check what it is"),
            (b"<html>not found</html>", "neither a safetensors nor a torch file; check what it is"),
            (b"PK\x03\x04nothing", "not a whole torch file: "),
            (b"\x80\x02x", "not a whole torch file"),
        ],
    )
    def test_other_files(self, tmp_path, content, said):
        path = tmp_path / "w.pth"
        path.write_bytes(content)
        assert fault(path).startswith(said)

    @pytest.mark.parametrize("strange", [torch.ones(2, 2).to_sparse(), torch.ones(2, device="meta")])
    def test_tensors_without_plain_values(self, tmp_path, strange):
        assert fault(saved(tmp_path / "w.pth", {**STATE, "other": strange})) == (
            "without values, or sparse: other; save them dense, off the meta device"
        )

"""What bad input gets: one exact line on standard error, exit code 2, and nothing written over."""

from __future__ import annotations

import io
import struct
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bundles import make_bundle
from vertebra.arch import codec
from vertebra.cli.main import main
from vertebra.zoo import architecture

Run = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command line; it must fail with code 2 and one line, which is returned."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["vertebra", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capfd.readouterr()
        lines = [line for line in captured.err.splitlines() if line.startswith("vertebra: ")]
        assert stopped.value.code == 2, captured.err
        assert captured.out == ""
        assert len(lines) == 1 and captured.err.endswith(lines[0] + "\n")
        assert "Traceback" not in captured.err
        return lines[0]

    return run


def folder(root: Path, classes: dict[str, int]) -> Path:
    """Colour noise: so many PNGs of each class."""
    rng = np.random.default_rng(0)
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


# -- architectures ------------------------------------------------------------------------------------------------


def test_an_unknown_architecture_gets_the_nearest_names(refused: Run) -> None:
    assert "resnet50" in refused("cost", "resnet5")
    assert "efficientnet_b0" in refused("show", "efficentnet_b0")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"depth": 3', '"depht": 3', "unknown field 'depht'"),
        ('"depth": 3', '"depth": "three"', "$.stages[0].depth: expected int"),
        ('"out": 256', '"out": -256', "$.stages[0].block.out: expected int >= 1"),
        ('"kind": "bottleneck"', '"kind": "bottlenek"', "unknown kind 'bottlenek'"),
        ('"resolution": 224', '"resolution": 1e999', "resolution"),
        ("{", "[" * 10_000, "nested deeper"),
        ("{", '{"name": "twice", ', "twice"),
    ],
)
def test_broken_json_names_the_path(refused: Run, tmp_path: Path, old: str, new: str, said: str) -> None:
    text = codec.to_json(architecture("resnet50"))
    text = text.replace('"name": "resnet50",', '"name": "resnet50", "resolution": 224,')
    assert old in text
    (tmp_path / "broken.json").write_text(text.replace(old, new, 1))
    line = refused("cost", tmp_path / "broken.json")
    assert said in line and "broken.json" in line


def test_a_kernel_larger_than_its_input_names_the_layer(refused: Run, tmp_path: Path) -> None:
    text = codec.to_json(architecture("resnet18")).replace('"kernel": 7,', '"kernel": 7, "padding": 0,')
    (tmp_path / "arch.json").write_text(text)
    line = refused("cost", tmp_path / "arch.json", "--resolution", "5")
    assert "stem.conv" in line and "a window of 7 does not fit an input of 5" in line


def test_a_vanishing_map_is_an_error(refused: Run) -> None:
    assert "stages.1.entry" in refused("cost", "densenet121", "--resolution", "4")


# -- budgets ------------------------------------------------------------------------------------------------------


def test_a_misspelt_budget_says_what_is_allowed(refused: Run) -> None:
    assert "--latency: '5 sec' is not understood (allowed: 5ms" in refused("fit", "digits", "--latency", "5 sec")


def test_a_budget_that_nothing_fits_says_what_the_smallest_costs(refused: Run, tmp_path: Path) -> None:
    line = refused("fit", "digits", "--params", "10", "--out", tmp_path / "out")
    assert "nothing fits at most 10 parameters" in line and "the smallest found" in line
    assert not (tmp_path / "out").exists()


# -- data ---------------------------------------------------------------------------------------------------------


def test_data_that_cannot_be_used(refused: Run, tmp_path: Path) -> None:
    assert "missing" in refused("fit", tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("fit", tmp_path / "empty")
    assert "class" in refused("fit", folder(tmp_path / "one", {"only": 5}))
    lacking = folder(tmp_path / "lacking", {"a": 5, "b": 5})
    (lacking / "c").mkdir()
    assert "'c'" in refused("fit", lacking)
    (tmp_path / "no.tar").write_text("no archive")
    assert "no.tar" in refused("fit", tmp_path / "no.tar")


def test_classes_that_train_lacks(refused: Run, tmp_path: Path) -> None:
    folder(tmp_path / "d" / "train", {"a": 4, "b": 4})
    folder(tmp_path / "d" / "val", {"a": 4, "zebra": 4})
    assert "zebra" in refused("fit", tmp_path / "d")


def test_every_bad_picture_is_named_before_training(
    refused: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = folder(tmp_path / "d", {"a": 6, "b": 6})
    whole = (data / "a" / "0.png").read_bytes()
    (data / "a" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (data / "b" / "notes.txt").write_text("not a picture")
    line = refused("fit", data, "--out", tmp_path / "out")
    assert "2 files cannot be used" in line and "cut.png" in line and "notes.txt" in line and "--skip-bad" in line
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.run").exists()


def test_a_decompression_bomb_is_refused_by_its_header(refused: Run, tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    bundle = make_bundle(tmp_path / "bundle")
    (tmp_path / "bomb.png").write_bytes(bomb)
    line = refused("predict", bundle, tmp_path / "bomb.png")
    assert "bomb.png" in line and "60000" in line.replace(",", "").replace("_", "")


def test_a_tar_that_climbs_out(refused: Run, tmp_path: Path) -> None:
    picture = (folder(tmp_path / "d", {"a": 1}) / "a" / "0.png").read_bytes()
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for name in ("a/0.png", "b/0.png", "../../escaped.png"):
            info = tarfile.TarInfo(name)
            info.size = len(picture)
            tar.addfile(info, io.BytesIO(picture))
    assert "escaped.png" in refused("fit", tmp_path / "evil.tar")
    assert not (tmp_path.parent / "escaped.png").exists()


# -- outputs and bundles ------------------------------------------------------------------------------------------


def test_an_existing_output_is_kept(refused: Run, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    assert "--force" in refused("fit", "digits", "--out", bundle)
    assert "--force" in refused("train", "cifar_resnet20", "digits", "--out", bundle)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


def test_an_output_that_cannot_be_written(refused: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "cannot be written" in refused("fit", "digits", "--out", tmp_path / "file" / "out")


def test_a_changed_byte_names_the_file(refused: Run, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    data = bytearray((bundle / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (bundle / "weights.safetensors").write_bytes(data)
    line = refused("eval", bundle, "digits")
    assert "weights.safetensors" in line and "changed" in line


def test_a_resume_without_a_job(refused: Run, tmp_path: Path) -> None:
    assert "no job to resume" in refused("fit", "digits", "--out", tmp_path / "nothing", "--resume")


def test_a_recipe_that_makes_no_sense(refused: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text('{"batch": -3}')
    assert "recipe.batch" in refused("train", "cifar_resnet20", "digits", "--recipe", tmp_path / "recipe.json")


@pytest.mark.parametrize(
    "arguments", [("cost",), ("cost", "resnet18", "--resolution", "wide"), ("dance",), ("fit", "--no")]
)
def test_misused_verbs(refused: Run, arguments: tuple[str, ...]) -> None:
    assert "(see vertebra --help)" in refused(*arguments)


@pytest.mark.parametrize("code", ["1 / 0", "raise SystemExit('bye')", "def broken(:", "import nothing_of_the_name"])
def test_a_blocks_file_that_fails_is_one_line(refused: Run, tmp_path: Path, code: str) -> None:
    (tmp_path / "mine.py").write_text(code)
    assert "mine.py: cannot be run" in refused("cost", "resnet18", "--blocks", tmp_path / "mine.py")

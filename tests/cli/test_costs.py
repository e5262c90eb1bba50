"""``vertebra cost`` and ``vertebra diff``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.selection import GOLDEN
from vertebra.arch import codec
from vertebra.cli.main import main
from vertebra.zoo import architecture


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command line; the exit code and what it printed on both streams."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vertebra", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


def test_cost_by_stage_layer_and_whole(said):
    """torchvision 0.28's efficientnet_b0: parameters, and torch's flop counter / 2 at 224 px."""
    for per, first in (("stage", "stage "), ("layer", "layer "), ("whole", "cost "), ("kind", "kind ")):
        code, out, err = said("cost", "efficientnet_b0", "--per", per)
        assert (code, err) == (0, "") and out.startswith(first)
        assert "385,814,752" in out and "5,288,548" in out and "fp32" in out
        assert ("+: and something of the whole map" in out) == ("851+" in out) == (per in ("stage", "layer"))
    table = said("cost", "efficientnet_b0")[1].splitlines()
    assert [line.split()[0] for line in table[1:10]] == ["stem", *(f"stages.{index}" for index in range(7)), "head"]


def test_cost_as_data(said):
    found = json.loads(said("cost", "resnet18", "--json", "--batch", "4", "--checkpointing", "block")[1])
    assert (found["params"], found["macs"]) == (11_689_512, 1_814_073_344)
    memory = found["memory"]
    assert (memory["batch"], memory["precision"], memory["checkpointing"]) == (4, "fp32", "block")
    whole = json.loads(said("cost", "resnet18", "--json", "--per", "whole")[1])
    assert "stages" not in whole and whole["memory"]["inference_bytes"] < memory["inference_bytes"]


def test_cost_as_a_page(said, tmp_path: Path):
    place = tmp_path / "cost.html"
    code, out, _ = said("cost", "cifar_resnet20", "--html", place, "--per", "layer")
    assert code == 0 and "stages.0.0" in out and "<svg" in place.read_text()
    before = place.read_text()
    code, out, err = said("cost", "resnet18", "--html", place)
    assert code == 2 and out == "" and place.read_text() == before
    assert err == f"vertebra: {place}: already exists; use --force to replace it, or another name\n"
    assert said("cost", "resnet18", "--html", place, "--force")[0] == 0 and place.read_text() != before


def test_diff(said):
    code, out, _ = said("diff", "resnet50", "resnet101")
    rows = out.splitlines()
    assert code == 0 and rows[0].split() == ["resnet50", "resnet101", "difference"]
    assert "+18,992,128" in out and "stages.2.6-22" in out and "bottleneck(out=1024)" in out
    assert out.splitlines()[-2] == "+ added; peaks: batch 1, fp32"
    assert max(map(len, rows)) <= 120
    found = json.loads(said("diff", "resnet50", "resnet101", "--json")[1])
    assert len(found["changes"]) == 17
    assert found["difference"]["params"] == GOLDEN["resnet101"]["params"] - GOLDEN["resnet50"]["params"]


def test_the_examples_of_the_page_are_current(said):
    page = (Path(__file__).parents[2] / "docs" / "costs.md").read_text()
    examples = re.findall(r"^```\n\$ vertebra (.*)\n((?:.*\n)+?)```$", page, re.MULTILINE)
    assert len(examples) == 2
    for command, shown in examples:
        assert said(*command.split()) == (0, shown, ""), f"docs/costs.md: `vertebra {command}`"


def test_diff_of_files_and_by_layer(said, tmp_path: Path):
    own = tmp_path / "own.json"
    own.write_text(codec.to_json(architecture("resnet18").with_activation("silu")))
    code, out, _ = said("diff", "resnet18", own, "--per", "layer")
    assert code == 0 and "act: function relu -> silu" in out
    assert out.splitlines()[0].split() == ["resnet18", str(own), "difference"]  # both are named resnet18
    assert "act: Act -> " not in out and "each layer" not in out
    own.write_text(codec.to_json(architecture("resnet18")))
    code, out, _ = said("diff", "resnet18", own)
    assert code == 0 and out.endswith("\nno difference\n")


def test_columns_have_equal_figures(said):
    """A zero at the end of a figure is one: `4.10` stands beside `4.13`."""
    rows = said("cost", "mobilenetv1_100", "--per", "kind")[1].splitlines()
    assert [rows[row].split()[-1] for row in (1, 4, 8)] == ["9.80", "1.73", "8.20"]
    table = said("diff", "resnet50", "resnext50_32x4d")[1]
    assert "+1.20 M" in table and "+1.10 M" in table


def test_kinds_of_layers_are_named_as_in_the_table_by_kind(said):
    rows = said("cost", "mobilenetv1_100", "--per", "layer")[1].splitlines()
    kinds = {re.split(r" {2,}", row)[-1] for row in rows[1:-3]}
    assert {"conv", "1x1 conv", "depthwise conv", "linear"} <= kinds


def test_a_swap_reads_as_one(said):
    out = said("diff", "resnet50", "resnext50_32x4d")[1]
    assert "bottleneck: groups 1 -> 32, base_width 64 -> 4" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("cost", "resnet18", "--per", "block"), "--per: 'block' is not known (allowed: whole, kind, stage, layer)"),
        (
            ("cost", "resnet18", "--precision", "fp8"),
            "--precision: 'fp8' is not known (allowed: fp32, bf16, fp16, int8)",
        ),
        (
            ("cost", "resnet18", "--checkpointing", "all"),
            "--checkpointing: 'all' is not known (allowed: none, block, stage)",
        ),
        (("cost", "resnet18", "--batch", "0"), "batch: a batch of 0 (allowed: an integer from 1 to 1,048,576)"),
        (("cost", "resnet18", "--resolution", "0"), "a resolution of 0 px (allowed: an integer from 1 to 16384)"),
        (("diff", "resnet18", "resnet34", "--per", "stage"), "--per: 'stage' is not known (allowed: block, layer)"),
        (("diff", "resnet18"), "Missing argument 'AFTER'. (see vertebra --help)"),
    ],
)
def test_bad_input(said, arguments, line):
    assert said(*arguments) == (2, "", f"vertebra: {line}\n")


def test_a_file_that_is_no_architecture(said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = tmp_path / "cost.html"
    page.write_text("")
    allowed = "a registered name, a .json or .yaml file, or a bundle's folder"
    line = f"is no architecture (allowed: {allowed}); see `vertebra list`"
    for name in (page, tmp_path, tmp_path / "none"):
        assert said("cost", name) == (2, "", f"vertebra: {name}: {line}\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet18").mkdir()  # a registered name comes first
    assert said("cost", "resnet18", "--per", "whole")[0] == 0


def test_unknown_names_and_small_images(said):
    code, out, err = said("diff", "resnet18", "resnet51")
    assert code == 2 and out == "" and err.startswith("vertebra: unknown architecture 'resnet51'")
    code, out, err = said("diff", "resnet18", "densenet121", "--resolution", "16")
    assert code == 2 and out == "" and err.startswith("vertebra: stages.3.entry.pool: a window of 2 does not fit")

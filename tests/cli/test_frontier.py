"""``vertebra frontier``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.latency.made_up import made_up_profile
from vertebra.cli.main import main
from vertebra.latency.database import Database
from vertebra.latency.predictor import Predictor
from vertebra.zoo import architecture

SMALL = ("--families", "resnet,cifar_resnet", "--variants", "60")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Run the command line with a home of its own; the exit code and what it printed on both streams."""
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vertebra", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


def test_a_table(said) -> None:
    code, out, _ = said("frontier", *SMALL, "--macs", "1G..4G")
    lines = out.splitlines()
    assert code == 0 and lines[0].split()[:3] == ["for", "network", "MACs"]
    assert lines[1].startswith("1G MACs") and any(line.startswith("4G MACs") for line in lines)
    assert "holds: " in out and "variants laid out" in out


def test_a_terminal_sees_that_it_works(said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, as rich understands it
    assert "costing about 60 variants" in said("frontier", *SMALL, "--macs", "4G")[2]
    assert said("frontier", *SMALL, "--macs", "4G", "--json")[2] == ""
    monkeypatch.delenv("FORCE_COLOR")
    assert said("frontier", *SMALL, "--macs", "4G")[2] == ""


def test_json(said) -> None:
    code, out, _ = said("frontier", *SMALL, "--params", "1M..20M", "--json")
    found = json.loads(out)
    assert code == 0 and (found["paid"], found["held"]) == ("params", ["macs", "activations"])
    keys = {"name", "family", "base", "width", "depth", "resolution", "params", "macs", "activations", "latency_ms"}
    assert all(keys <= set(row) for row in found["frontier"] + found["best"])
    assert found["budgets"] == [1e6, 2e6, 5e6, 1e7, 2e7]
    assert all(row["params"] <= row["budget"] for row in found["best"])
    assert all(1e6 <= row["params"] <= 2e7 for row in found["frontier"])


def test_latency_by_the_profile_of_this_device(said, tmp_path: Path) -> None:
    with Database() as database:
        database.put(made_up_profile().stored())
    code, out, _ = said("frontier", *SMALL, "--latency", "100s", "--json")
    found = json.loads(out)
    assert code == 0 and found["paid"] == "latency" and found["note"].startswith("onnxruntime fp32, batch 1")
    for row in found["best"]:
        assert row["interval_ms"] == pytest.approx([0.9 * row["latency_ms"], 1.2 * row["latency_ms"]])
        arch = architecture(row["base"]).with_classes(1000).scaled(width=row["width"], depth=row["depth"])
        predicted = Predictor.of(made_up_profile()).predict(arch, row["resolution"]).ms
        assert row["latency_ms"] == pytest.approx(predicted, rel=1e-4)
    code, out, _ = said("frontier", *SMALL, "--latency", "1ms..100s", "--html", str(tmp_path / "f.html"))
    assert code == 0 and "predicted" in out.splitlines()[0] and " to " in out
    code, _, err = said("frontier", *SMALL, "--latency", "5ms", "--batch", "4")
    assert code == 2 and "there is no profile of onnxruntime fp32, batch 4" in err and "--anyway" in err
    assert said("frontier", *SMALL, "--latency", "100s", "--batch", "4", "--anyway")[0] == 0


def test_files(said, tmp_path: Path) -> None:
    html, plot = tmp_path / "f.html", tmp_path / "f.svg"
    files = ("--html", str(html), "--plot", str(plot))
    assert said("frontier", *SMALL, *files)[0] == 0
    assert html.read_text().startswith("<!DOCTYPE html>") and plot.read_text().startswith("<svg")
    code, out, err = said("frontier", *SMALL, *files)
    assert (code, out) == (2, "")
    assert err == f"vertebra: {html}: already exists; use --force to replace it, or another name\n"
    assert said("frontier", *SMALL, *files, "--force")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["--families", "resnett"], "--families: unknown family 'resnett' (allowed: resnet"),
        (["--latency", "5 sec"], "--latency: '5 sec' is not understood (allowed: 5ms"),
        (["--latency", "5"], "--latency: '5' is not understood"),
        (["--latency=-1ms"], "--latency: '-1ms' is not understood"),
        (["--latency", "50ms..1ms"], "--latency: '50ms..1ms' holds nothing; write the smaller first: 1ms..50ms"),
        (["--latency", "5ms"], "there is no profile of onnxruntime fp32, batch 1"),
        (["--macs", "10"], "--macs: no variant has at most 10 MACs; the least is "),
        (["--resolution", "320..96"], "--resolution: '320..96' holds nothing"),
        (["--plot", "f.gif"], "a plot in 'f.gif' (allowed: a name that ends in .svg, .png, .pdf)"),
        (["--variants", "0"], "Invalid value for '--variants'"),
        (["--engine", "tensorrt", "--latency", "5ms"], "engine: unknown engine 'tensorrt'"),
    ],
)
def test_bad_input(said, arguments, start, tmp_path: Path) -> None:
    code, out, err = said("frontier", "--families", "resnet", *arguments)
    assert code == 2 and out == "" and err.startswith(f"vertebra: {start}") and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []

"""The verb scale: what it prints and writes, and what bad input gets."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vertebra.arch import Architecture, codec
from vertebra.cli.main import main
from vertebra.cli.output import print_table
from vertebra.costs import cost
from vertebra.scale import to
from vertebra.zoo import architecture


class Said:
    """What the command line printed, and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["vertebra", "scale", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return Said(stopped.value.code, captured.out, captured.err)

    return run


def test_json_has_what_is_promised(run: Callable[..., Said]) -> None:
    said = run("efficientnet_b0", "--macs", "600M", "--json")
    found, solution = json.loads(said.out), to(architecture("efficientnet_b0"), macs=600e6)
    assert said.code == 0 and said.err == ""
    assert (found["name"], found["params"], found["macs"]) == (
        solution.arch.name,
        cost(solution.arch).params,
        cost(solution.arch).macs,
    )
    assert (found["resolution"], found["width"], found["depth"]) == (
        solution.arch.resolution,
        pytest.approx(1.1**solution.phi),
        pytest.approx(1.2**solution.phi),
    )
    assert found["binds"] == ["macs"] and found["phi"] == solution.phi and found["notes"] == []
    assert found["predicted_ms"] is None and found["measured_ms"] is None


def test_columns_of_the_table_end_together(run: Callable[..., Said], capsys: pytest.CaptureFixture[str]) -> None:
    said = run("convnext_tiny", "--macs", "2G", "--only", "width").out
    assert "2.00G" in said and "1.0000  0.66" in said
    print_table(("", "at most"), (("MACs", "-"), ("ms", "4ms")))
    assert [line[-3:] for line in capsys.readouterr().out.splitlines()] == ["ost", "  -", "4ms"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--phi", "1e9"), "resnet18 has no network at phi 1e+09: a width multiplier of inf "
         "(allowed: a number above 0, at most 16); name one nearer to 0, or a budget"),
        (("--phi", "nan"), "a phi of nan (allowed: a number; below 0 shrinks)"),
        (("--phi", "1", "--alpha", "0.5"), "--alpha: expected float >= 1.0, got 0.5 (allowed: a number from 1 to 4)"),
        (("--phi", "1", "--alpha", "1", "--beta", "1", "--gamma", "1"),
         "--alpha: alpha, beta and gamma are all 1: nothing would grow (allowed: one above 1)"),
    ],
)  # fmt: skip
def test_a_phi_and_coefficients_out_of_range(run: Callable[..., Said], arguments: tuple[str, ...], line: str) -> None:
    said = run("resnet18", *arguments)
    assert (said.code, said.out, said.err) == (2, "", f"vertebra: {line}\n")


def test_the_table_says_what_binds(run: Callable[..., Said]) -> None:
    said = run("mobilenet_v2", "--macs", "200M", "--params", "3M", "--memory", "1GB")
    assert said.code == 0 and "at most" in said.out and "200M" in said.out
    assert "binds: the next larger network, mobilenet_v2" in said.out


def test_saved_networks_are_read_by_other_verbs(run: Callable[..., Said], tmp_path: Path) -> None:
    for name in ("net.json", "net.yaml"):
        said = run("resnet18", "--macs", "500M", "--save", tmp_path / name, "--json")
        assert codec.read(tmp_path / name).hash == json.loads(said.out)["hash"]
    again = json.loads(run(tmp_path / "net.json", "--phi", "0", "--json").out)
    assert again["hash"] == json.loads(said.out)["hash"] and again["binds"] == []


def test_a_saved_network_is_not_written_over(run: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text("mine")
    said = run("resnet18", "--phi", "1", "--save", tmp_path / "net.json")
    assert said.code == 2 and "already exists; use --force" in said.err
    assert (tmp_path / "net.json").read_text() == "mine"
    assert run("resnet18", "--phi", "1", "--save", tmp_path / "net.json", "--force").code == 0
    assert codec.read(tmp_path / "net.json").resolution == 258  # 224 * 1.15


def test_dimensions(run: Callable[..., Said]) -> None:
    fixed = json.loads(run("resnet18", "--macs", "1G", "--fixed", "resolution", "--fixed", "depth", "--json").out)
    only = json.loads(run("resnet18", "--macs", "1G", "--only", "width", "--json").out)
    assert fixed == only and only["resolution"] == 224 and only["depth"] == 1 and only["width"] < 1


def test_a_product_far_from_two_is_a_warning(run: Callable[..., Said]) -> None:
    said = run("resnet18", "--phi", "1", "--gamma", "1.4")
    assert said.code == 0 and "note: alpha * beta^2 * gamma^2 is 2.85, not about 2" in said.err
    found = json.loads(run("resnet18", "--phi", "1", "--gamma", "1.4", "--json").out)
    assert "2.85" in found["notes"][0]
    # of the dimensions that are left; to leave some as they are calls for no warning
    assert run("resnet18", "--phi", "1", "--gamma", "1.4", "--only", "resolution").err == ""
    assert "gamma^2 is 4, not about 2" in run("resnet18", "--phi", "1", "--gamma", "2", "--only", "resolution").err
    assert run("resnet18", "--phi", "1", "--only", "resolution").err == ""


def test_pixels_are_exact_and_large_counts_short(run: Callable[..., Said]) -> None:
    out = run("efficientnet_b0", "--phi", "15.2").out
    cells = {line.split()[0]: line.split()[-2] for line in out.splitlines() if line.startswith(("pixels", "MACs"))}
    assert cells["pixels"] == str(int(224 * 1.15**15.2 + 0.5)) and cells["MACs"].endswith("T")


def test_latency_is_predicted_then_measured(run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    from vertebra.latency import clocks, load

    def made_up(engine: str, precision: str, threads: int | None, *, anyway: bool) -> clocks.Clocks:
        assert (engine, precision, threads, anyway) == ("openvino", "bf16", 2, False)

        def measure(arch: Architecture) -> float:
            return cost(arch).macs / 90e6

        return clocks.Clocks(lambda arch: cost(arch).macs / 100e6, measure, "made up")

    monkeypatch.setattr(clocks, "clocks", made_up)
    monkeypatch.setattr(load, "between", lambda *_: load.Load(others=0.7))
    busy = "the machine was busy: other processes used 0.7 cores meanwhile"
    options = ("--engine", "openvino", "--precision", "bf16", "--threads", "2")
    said = run("mobilenet_v2", "--latency", "3ms", *options, "--json")
    found = json.loads(said.out)
    assert found["measured_ms"] == found["macs"] / 90e6 <= 3 and found["predicted_ms"] == found["macs"] / 100e6
    assert found["binds"] == ["latency"] and found["notes"] == ["made up", busy]
    table = run("mobilenet_v2", "--latency", "3ms", *options)
    assert "ms, measured" in table.out and "3ms" in table.out and table.err == f"note: made up\nnote: {busy}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "no budget is given (allowed: --macs, --params, --memory, --latency, or --phi)"),
        (("--phi", "1", "--macs", "1G"), "--phi and --macs are given (allowed: one phi, or budgets)"),
        (("--latency", "5"), "--latency: '5' is not understood (allowed: 5ms, 0.01s, 800us)"),
        (("--latency", "5 sec"), "--latency: '5 sec' is not understood (allowed: 5ms, 0.01s, 800us)"),
        (("--latency", "-1ms"), "--latency: '-1ms' is not understood (allowed: 5ms, 0.01s, 800us)"),
        (("--memory", "200MX"), "--memory: '200MX' is not understood (allowed: 200MB, 1GiB)"),
        (
            ("--macs", "1G", "--only", "depht"),
            "--only: unknown dimension 'depht' (allowed: width, depth, resolution)",
        ),
        (
            ("--macs", "1G", "--only", "depth", "--fixed", "width"),
            "both --fixed and --only are given (allowed: one of them)",
        ),
        (
            ("--macs", "1G", "--save", "net.txt"),
            "--save: net.txt is no architecture file (allowed: a name in .json or .yaml)",
        ),
        (("--phi", "99"), "resnet18 has no network at phi 99: a width multiplier of"),
        (("--phi", "nan"), "a phi of nan (allowed: a number; below 0 shrinks)"),
        (("--macs", "1G", "--alpha", "0.5"), "--alpha: expected"),
        (("--params", "10"), "no network fits 10 parameters; the nearest, resnet18-w"),
    ],
)
def test_bad_input_is_one_line(run: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                               arguments: tuple[str, ...], line: str) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    said = run("resnet18", *arguments)
    assert said.code == 2 and said.out == ""
    assert said.err.startswith(f"vertebra: {line}") and said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())

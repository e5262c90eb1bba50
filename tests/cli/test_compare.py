"""``vertebra compare``, and what ``list`` and ``show`` say of other projects' names."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.bundles import make_bundle
from vertebra.cli.main import main


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command line; the exit code and what it printed on both streams."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vertebra", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


def test_a_table(said):
    """torchvision 0.28.0: resnet18, resnet50; the pixels of the row are those of the accuracy."""
    code, out, _ = said("compare", "resnet18", "resnet50", "efficientnet_b7")
    rows = out.splitlines()
    assert code == 0 and rows[0].split()[:5] == ["name", "year", "params", "MACs", "px"]
    assert "resnet50 *" in out and "4.09 G" in out and "600" in rows[3] and "76.1" in out
    assert "ResNet: Layers learn what to add" in out


def test_json(said):
    code, out, _ = said("compare", "resnet18", "mobilenetv2_100", "--json")
    rows = json.loads(out)
    assert code == 0 and [row["name"] for row in rows] == ["resnet18", "mobilenet_v2"]
    assert (rows[0]["params"], rows[0]["macs"]) == (11_689_512, 1_814_073_344)
    keys = {"year", "activations", "receptive_field", "top1", "source", "resolution", "idea", "frontier"}
    assert keys <= set(rows[0])


def test_files_and_an_architecture_of_the_users_own(said, tmp_path: Path):
    (tmp_path / "own.json").write_text(
        json.dumps({"name": "own", "stem": {"kind": "conv", "out": 4, "kernel": 3}, "resolution": 10,
                    "stages": [{"block": {"kind": "conv_norm_act", "out": 8, "kernel": 3}}]})
    )  # fmt: skip
    page, plot = tmp_path / "page.html", tmp_path / "plot.svg"
    code, out, _ = said("compare", "resnet18", str(tmp_path / "own.json"), "--html", str(page), "--plot", str(plot))
    assert code == 0 and out.splitlines()[2].split()[:2] == ["own", "-"]
    assert "<td>own<" in page.read_text() and plot.read_text().startswith("<svg")
    code, _, err = said("compare", "resnet18", "--html", str(page))
    assert code == 2 and err == f"vertebra: {page}: already exists; use --force to replace it, or another name\n"
    assert said("compare", "resnet18", "--html", str(page), "--force")[0] == 0 and "<td>own<" not in page.read_text()


def test_a_bundle_beside_the_zoo(said, tmp_path: Path):
    bundle = make_bundle(tmp_path / "bundle")
    code, out, _ = said("compare", "cifar_resnet20", str(bundle))
    assert code == 0 and out.splitlines()[2].split()[:2] == ["cifar_resnet8", "-"]


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["nothing*"], "no architecture fits 'nothing*' (allowed: "),
        (["resnet51"], "unknown architecture 'resnet51' (allowed: resnet50, "),
        (["resnet18", "--plot", "c.gif"], "a plot in 'c.gif' (allowed: a name that ends in .svg, .png, .pdf)"),
        (
            ["resnet18", "--plot", "c.svg", "--html", "./c.svg"],
            "the page and the plot are both to be c.svg; give them two names",
        ),
        ([], "Missing argument 'NAMES...'"),
        (["missing.json"], "missing.json: "),
    ],
)
def test_bad_input(said, arguments, start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = said("compare", *arguments)
    assert code == 2 and out == "" and err.startswith(f"vertebra: {start}") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_list_and_show_say_what_others_call_it(said):
    _, out, _ = said("list", "mobilenetv2_100")
    assert [line.split()[0] for line in out.splitlines()] == ["name", "mobilenet_v2"] and "mobilenetv2_100" in out
    (row,) = json.loads(said("list", "mobilenetv2_100", "--json")[1])
    assert row["peers"] == {"torchvision": "mobilenet_v2", "timm": "mobilenetv2_100"}
    code, out, _ = said("show", "mobilenetv2_100")
    assert code == 0 and "peers torchvision mobilenet_v2, timm mobilenetv2_100" in out and "Sandler et al. 2018" in out

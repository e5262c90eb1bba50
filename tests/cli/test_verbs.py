"""Verbs that only look: list, show, cost, schema, doctor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vertebra.arch.codec import from_json
from vertebra.cli.main import main
from vertebra.zoo import architecture, names

ROOT = Path(__file__).parents[2]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command line and return what it prints; the exit code must be 0."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["vertebra", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 0
        return capsys.readouterr().out

    return run


def test_list_has_every_name(said) -> None:
    rows = json.loads(said("list", "--json"))
    assert [row["name"] for row in rows] == list(names())
    assert all({"family", "year", "params", "macs", "resolution"} <= set(row) for row in rows)
    table = said("list")
    assert all(name in table for name in names())
    assert "resnet50" not in said("list", "mobilenet")


def test_cost_at_a_resolution(said) -> None:
    """torchvision 0.28's efficientnet_b0: parameters, and torch's flop counter / 2 at 224 px."""
    found = json.loads(said("cost", "efficientnet_b0", "--resolution", "224", "--json", "--per", "layer"))
    assert (found["params"], found["macs"], found["resolution"]) == (5_288_548, 385_814_752, 224)
    for key in ("params", "macs", "activations"):
        assert sum(stage[key] for stage in found["stages"]) == found[key]
        assert sum(layer[key] for layer in found["layers"]) == found[key]
    assert "385,814,752" in said("cost", "efficientnet_b0")


def test_show_round_trips(said) -> None:
    assert from_json(said("show", "densenet121", "--json")) == architecture("densenet121")
    table = said("show", "densenet121")
    assert (
        "dense_layer(growth=32)" in table and "Huang et al. 2017" in table and architecture("densenet121").hash in table
    )


def test_a_block_of_the_users_own(said, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\n"
        "from vertebra.arch import Block, Channels, Conv, seq\n"
        "class Twice(Block, frozen=True, tag='twice_of_mine'):\n"
        "    out: Channels\n"
        "    def layers(self, channels):\n"
        "        return seq(first=Conv(self.out, 3), second=Conv(self.out, 3))\n"
    )
    (tmp_path / "arch.json").write_text(
        json.dumps(
            {
                "name": "mine",
                "stem": {"kind": "conv", "out": 4},
                "stages": [{"block": {"kind": "twice_of_mine", "out": 8}}],
                "resolution": 10,
            }
        )
    )
    found = json.loads(said("cost", str(tmp_path / "arch.json"), "--blocks", str(tmp_path / "mine.py"), "--json"))
    # 1x1: 3 to 4; 3x3: 4 to 8; 3x3: 8 to 8; none with a bias
    assert found["params"] == 12 + 288 + 576 and found["macs"] == 100 * found["params"]


def test_the_published_schema_is_current() -> None:
    """In a process of its own: here other tests have defined blocks that a schema would list too."""
    published = json.loads((ROOT / "docs" / "architecture.schema.json").read_text())
    command = [sys.executable, "-m", "vertebra.cli", "schema", "--json"]
    now = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert {"Architecture", "Node"} <= set(published["$defs"])
    assert now == published, "run `make docs`"


def test_doctor_names_engines_and_machine(said) -> None:
    found = json.loads(said("doctor", "--json"))
    assert found["machine"]["cores"] >= 1
    assert {one["name"] for one in found["engines"]} == {"onnxruntime", "openvino"}
    assert all(one["version"] or one["hint"] for one in found["packages"])

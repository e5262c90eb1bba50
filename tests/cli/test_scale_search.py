"""The verb scale-search: what it prints of a search that is done."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from vertebra.cli.main import main
from vertebra.report.coefficients import GridSearch

RECORD = Path(__file__).parents[2] / "docs" / "scaling-search.json"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the verb on a search that was done before; what it printed."""
    found = SimpleNamespace(search=msgspec.json.decode(RECORD.read_bytes(), type=GridSearch), path=Path("runs/search"))
    monkeypatch.setattr("vertebra.fitting.scale_search.search_coefficients", lambda *_, **__: found)

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["vertebra", "scale-search", "cifar_resnet20", "digits", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 0
        return capsys.readouterr().out

    return run


def test_a_terminal_gets_no_markdown(printed) -> None:
    out = printed()
    assert "5 of the 10 others cannot be told from the best, and 5 are worse beyond it" in out and "**" not in out
    assert out.endswith("to scale so: vertebra scale cifar_resnet20 --alpha 1 --beta 1.2 --gamma 1.15 --phi 1\n")


def test_json(printed) -> None:
    found = json.loads(printed("--json"))
    assert found["best"]["alpha"] == 1 and len(found["tied"]) == 5 and found["notes"] == []

"""The verb features, --weights of fit and train, and what the verbs say of names that nothing fits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bundles import make_bundle
from vertebra.cli.main import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["vertebra", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for index in range(3):
        Image.fromarray(np.full((20, 20, 3), 60 * index, np.uint8)).save(tmp_path / f"{index}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    return tmp_path


def test_features_of_a_bundle(monkeypatch, capsys, data: Path, tmp_path_factory) -> None:
    place = tmp_path_factory.mktemp("place")
    out = place / "f.npz"
    code = run(monkeypatch, "features", str(make_bundle(place / "b")), str(data), "--out", str(out), "--json")
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert code == 0 and (found["n"], found["size"], found["bad"][0]["path"]) == (3, 64, "broken.png")
    assert "left out: broken.png" in said.err and "no labels" in said.err
    with np.load(out) as table:
        assert table["embedding"].shape == (3, 64)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("features", "resnet18", "digits", "--out", "x.npz"), "resnet18 without weights knows nothing"),
        (("features", "resnet19", "digits", "--out", "x.npz"), "unknown architecture 'resnet19'"),
        (("features", "resnet18", "digits", "--out", "x.txt"), "a name that ends in .parquet or .npz"),
        (("list", "resnet5O"), "no architecture fits 'resnet5O' (allowed: resnet50, "),
        (("list", "mobilnet*", "--json"), "no architecture fits 'mobilnet*' (allowed: mobilenet"),
        (("weights", "efficentnet_b0"), "no known weight fits 'efficentnet_b0' (allowed: efficientnet_b0, "),
        (("weights", "torchvision:IMAGENET1K_V9", "--json"), "(allowed: torchvision:IMAGENET1K_V"),
        (("weights", "cifar_resnet20"), "no weights are known for cifar_resnet20"),
        (("fit", "digits", "--weights", "auto", "--weights", "none", "--out", "x"), "auto or none alone"),
        (("fit", "digits", "--weights", "elsewhere", "--out", "x"), "unknown source of weights 'elsewhere'"),
        (("train", "resnet18", "digits", "--weights", "timm:zzz", "--out", "x"), "no weight 'timm:zzz' is known"),
    ],
)
def test_bad_arguments_get_one_line(monkeypatch, capsys, tmp_path: Path, arguments, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    last = said.err.strip().splitlines()[-1]
    assert said.out == "" and last.startswith("vertebra: ") and line in last
    assert not [path for path in tmp_path.iterdir() if path.name != "study.json"]

"""An environment with the base dependencies alone: what the command line does there, and says of a missing extra."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import vertebra
from tests.bundles import LABELS, make_bundle

EXTRAS = ("torch", "onnx", "sklearn", "matplotlib", "jinja2", "openvino", "timm")


def base_distributions() -> set[str]:
    """The distributions that a plain ``pip install vertebra`` brings, by the metadata of what is installed here."""
    found: set[str] = set()
    queue = ["vertebra"]
    while queue:
        name = queue.pop()
        if name in found:
            continue
        found.add(name)
        for requirement in importlib.metadata.requires(name) or ():
            bare, _, marker = requirement.partition(";")
            if "extra" in marker or "sys_platform ==" in marker or "platform_system ==" in marker:
                continue
            queue.append(re.split(r"[\s<>=!~\[(]", bare.strip(), maxsplit=1)[0])
        queue = [one for one in queue if _installed(one)]
    return found


def _installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False  # needed on another platform or by another Python
    return True


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for site-packages, with links to the base dependencies and to vertebra."""
    root = tmp_path_factory.mktemp("base")
    for name in base_distributions() - {"vertebra"}:
        distribution = importlib.metadata.distribution(name)
        for top in {Path(file).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (root / top).exists():
                (root / top).symlink_to(distribution.locate_file(top))
    (root / "vertebra").symlink_to(Path(vertebra.__path__[0]))
    return root


def run(packages: Path, *arguments: str | Path, code: int = 0) -> str:
    """Run the command line there; returns its output (of an error: the line)."""
    program = "from vertebra.cli.main import main; main()"
    environment = {"PYTHONPATH": str(packages), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-S", "-W", "error", "-c", program, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_the_environment_has_none_of_the_extras(packages: Path) -> None:
    program = f"import importlib.util as u; print([n for n in {EXTRAS!r} if u.find_spec(n)])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"PYTHONPATH": str(packages)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_predict_and_eval(packages: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    rng = np.random.default_rng(0)
    for name in LABELS:
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(3):
            pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{index}.jpg")
    picture = tmp_path / "data" / LABELS[0] / "0.jpg"
    (found,) = json.loads(run(packages, "predict", bundle, picture, "--json"))
    assert set(found) == {"path", "label", "probability", "top"} and found["path"] == str(picture)
    assert found["label"] in LABELS and found["top"][0] == {k: found[k] for k in ("label", "probability")}
    result = json.loads(run(packages, "eval", bundle, tmp_path / "data", "--json"))
    assert result["n"] == 9 and 0 <= result["top1"] <= 1


def test_architectures_and_doctor(packages: Path) -> None:
    listed = json.loads(run(packages, "list", "--json"))
    assert {"name", "family", "year", "params", "macs", "resolution"} <= set(listed[0])
    costs = json.loads(run(packages, "cost", "resnet50", "--resolution", "224", "--json"))
    # torchvision 0.28, resnet50: parameters and torch's flop counter / 2
    assert (costs["params"], costs["macs"], costs["resolution"]) == (25_557_032, 4_089_184_256, 224)
    doctor = json.loads(run(packages, "doctor", "--json"))
    torch = next(one for one in doctor["packages"] if one["name"] == "torch")
    assert torch["version"] is None and torch["hint"] == "pip install 'vertebra[train]'"


def test_what_needs_an_extra_names_it(packages: Path) -> None:
    assert "vertebra[train]" in run(packages, "fit", "digits", code=2)

"""Rules of the craft that a linter does not know."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import vertebra
from vertebra.arch.fold import Fold
from vertebra.arch.node import kinds

SOURCE = Path(vertebra.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
LONG: dict[str, str] = {}
"""Files that may be longer than 300 lines, with the reason."""


def ids(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_a_file_is_one_thought(path):
    assert len(path.read_text().splitlines()) <= 300 or ids(path) in LONG


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_nothing_inside_imports_the_root(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert "vertebra" not in [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module != "vertebra"


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "__init__.py"], ids=ids)
def test_inner_files_never_import_the_front_of_their_own_package(path):
    own = "vertebra." + path.relative_to(SOURCE).parts[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == own:
            names = {alias.name for alias in node.names}
            assert all((SOURCE / path.relative_to(SOURCE).parts[0] / f"{name}.py").exists() for name in names)


def folds() -> dict[str, Fold]:
    """Every fold of the package, found by importing all of it."""
    found = {}
    for module in pkgutil.walk_packages([str(SOURCE)], "vertebra."):
        if not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, Fold):
                    found[f"{module.name}.{name}"] = value
    return found


def test_no_fold_misses_a_kind():
    own = {kind for kind, cls in kinds().items() if cls.__module__.startswith("vertebra.")}
    found = folds()
    assert {
        "vertebra.costs.rules.MACS",
        "vertebra.costs.rules.ACTIVATIONS",
        "vertebra.costs.operations.OPERATIONS",
        "vertebra.nn.modules.MODULES",
        "vertebra.nn.modules.OPERATIONS",
        "vertebra.onnx.rules.PRIMITIVES",
        "vertebra.onnx.network.COMBINATORS",
        "vertebra.report.labels.LABELS",
        "vertebra.report.drawing.JOINS",
    } <= set(found)
    assert {name: sorted(own & set(fold.missing())) for name, fold in found.items()} == {name: [] for name in found}


def test_light_packages_start_without_torch_and_numpy():
    code = (
        "import sys, vertebra, vertebra.arch, vertebra.zoo, vertebra.costs, vertebra.arch.schema;"
        "print(*sorted({'torch', 'numpy', 'yaml', 'onnx', 'pathlib', 'json', 'difflib', 'hashlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:  # without site, an editable install is not found
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert not {"torch", "numpy", "yaml", "onnx"} & set(done.stdout.split())
    else:
        assert done.stdout.split() == []


def test_the_public_names_are_those_of_the_front():
    import vertebra.arch

    assert sorted(vertebra.arch.__all__) == list(vertebra.arch.__all__)
    assert all(hasattr(vertebra.arch, name) for name in vertebra.arch.__all__)
    own = {cls.__name__ for cls in kinds().values() if cls.__module__.startswith("vertebra.")}
    assert own <= set(vertebra.arch.__all__)

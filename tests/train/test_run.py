from __future__ import annotations

import io
import json
import os
import signal

import numpy as np
import pytest
import safetensors.numpy
from rich.console import Console

from tests.train.helpers import GREY8
from vertebra.arch import codec
from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks.basic import ConvNormAct
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import GlobalPool, Linear
from vertebra.data.preprocess import Preprocess
from vertebra.data.sources import open_data
from vertebra.data.split import split
from vertebra.errors import ArchitectureError, Interrupted, OutputError, RecipeError, WeightsError
from vertebra.train.observer import Silent
from vertebra.train.progress import Bars
from vertebra.train.recipe import Recipe, Sgd
from vertebra.train.run import FILES, Budget, train_run

RECIPE = Recipe(batch=64, optimiser=Sgd(learning_rate=0.1), precision="float32", layout="contiguous")
ARCH = Architecture(
    name="tiny",
    stem=ConvNormAct(8, 3),
    stages=(Stage(ConvNormAct(16, 3, 2)),),
    head=seq(pool=GlobalPool(), fc=Linear(1000)),
    resolution=8,
    channels=1,
)


@pytest.fixture(scope="module")
def data():
    return split(open_data("digits"), seed=0)


class Stop(Silent):
    def stepped(self, status) -> None:
        if status.step == 30:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_leaves_its_folder_and_goes_on_where_it_was_stopped(tmp_path, data):
    screen = io.StringIO()
    with Bars(Console(file=screen, width=100)) as bars:
        whole = train_run(ARCH, data, GREY8, RECIPE, tmp_path / "whole", budget=Budget(epochs=3), observer=bars)
    assert "val accuracy" in screen.getvalue()
    assert {*FILES, "checkpoint"} == {path.name for path in (tmp_path / "whole").iterdir()}
    assert codec.read(tmp_path / "whole" / "architecture.json").classes == 10
    assert Recipe.from_json((tmp_path / "whole" / "recipe.json").read_bytes()) == RECIPE
    assert Preprocess.from_json((tmp_path / "whole" / "preprocess.json").read_bytes()) == GREY8
    assert json.loads((tmp_path / "whole" / "labels.json").read_text())[3] == "3"
    assert whole.val.top1 == whole.history.val_accuracy and whole.test.per_class.keys() == set(data.classes)

    out = tmp_path / "stopped"
    with pytest.raises(Interrupted, match=f"stopped at step 30 of 60; go on with --resume --out {out}"):
        train_run(ARCH, data, GREY8, RECIPE, out, budget=Budget(epochs=3), observer=Stop())
    resumed = train_run(ARCH, data, GREY8, RECIPE, out, budget=Budget(epochs=3), resume=True)
    saved = safetensors.numpy.load_file(out / "weights.safetensors")
    for name, value in whole.weights.items():
        assert np.array_equal(value, resumed.weights[name]) and np.array_equal(value, saved[name])
    again = train_run(ARCH, data, GREY8, RECIPE, out, budget=Budget(epochs=3), resume=True)
    assert again.test.top1 == whole.test.top1


def test_folders_that_are_refused(tmp_path, data):
    def run(out, **changes):
        return train_run(ARCH, data, GREY8, RECIPE, out, budget=Budget(epochs=0.1), **changes)

    with pytest.raises(OutputError, match=r"exists already.*--force"):
        run(tmp_path)
    (tmp_path / "precious").write_text("x")
    with pytest.raises(OutputError, match="not a folder of an earlier run"):
        run(tmp_path, force=True)
    assert (tmp_path / "precious").read_text() == "x"
    with pytest.raises(OutputError, match="no checkpoint"):
        run(tmp_path / "none", resume=True)
    with pytest.raises(OutputError, match="cannot be written"):
        run(tmp_path / "precious" / "below")
    run(tmp_path / "new")
    run(tmp_path / "new", force=True)
    (tmp_path / "new" / "checkpoint").write_bytes(b"no")
    with pytest.raises(WeightsError, match="no checkpoint"):
        run(tmp_path / "new", resume=True)


def test_what_does_not_fit_together(tmp_path, data):
    with pytest.raises(ArchitectureError, match="meant for 8 px"):
        wrong = Preprocess(size=9, resize=9, colour="grey", mean=(0,), std=(1,))
        train_run(ARCH, data, wrong, RECIPE, tmp_path / "x", budget=Budget(epochs=1))
    with pytest.raises(ArchitectureError, match="takes 1 channels"):
        train_run(ARCH, data, Preprocess(size=8, resize=8), RECIPE, tmp_path / "x", budget=Budget(epochs=1))
    assert not (tmp_path / "x").exists()
    for senseless in ({}, {"minutes": 1, "epochs": 1}, {"minutes": 0}, {"epochs": float("nan")}):
        with pytest.raises(RecipeError, match="one of minutes and epochs"):
            Budget(**senseless)

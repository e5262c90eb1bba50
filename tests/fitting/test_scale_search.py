"""The grid search, whole, at toy size on scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import torch

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import from_data, to_json
from vertebra.arch.record import replace
from vertebra.arch.rounding import Rounding
from vertebra.cli.main import main
from vertebra.costs import cost
from vertebra.errors import (
    BudgetError,
    DataError,
    Interrupted,
    OutputError,
    RecipeError,
    UsageError,
    VertebraError,
    WeightsError,
)
from vertebra.fitting import scale_search
from vertebra.fitting.console import Advance, Quiet
from vertebra.fitting.scale_search import PAGE, PLOT, RESULT, Found, search_coefficients
from vertebra.report.coefficients import GridSearch
from vertebra.train.recipe import Recipe, Sgd
from vertebra.zoo.cifar_resnets import cifar_resnet

ALPHAS, BETAS = (1, 1.5, 2), (1, 1.4)


def base() -> Architecture:
    """Two blocks a stage, 4 to 16 channels, 8 px."""
    return replace(cifar_resnet(2, resolution=8).scaled(width=0.25), rounding=Rounding(divisor=1), name="toy")


def searched(out: Path, **changes: object) -> Found:
    asked = {"epochs": 1, "images": 96, "seeds": 2, "alphas": ALPHAS, "betas": BETAS, "out": out}
    return search_coefficients(base(), "digits", **{**asked, **changes})


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Results are equal to the last bit for one number of threads only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    return searched(tmp_path_factory.mktemp("runs") / "search")


def test_everyone_was_trained_alike(found: Found) -> None:
    search = found.search
    assert (search.images, search.epochs, search.seeds, search.classes) == (96, 1.0, (0, 1), 10)
    # 15% of each class of the 1,797, rounded
    assert search.judged == pytest.approx(0.15 * 1797, abs=5)
    assert len(search.cells) >= 3
    for one in (search.reference, *search.cells):
        assert [trial.seed for trial in one.trials] == [0, 1]
        assert all(0 < accuracy <= 1 for accuracy in one.accuracies) and len(one.accuracies) == 2
    assert search.recipe["precision"] == "float32" and search.recipe["layout"] == "channels_last"
    assert search.reference.cost == 1 and all(one.cost == pytest.approx(2, rel=0.1) for one in search.cells)
    arch = from_data(search.architecture, Architecture)
    assert cost(arch).macs == search.reference.macs and arch.channels == 1


def test_the_record_the_page_and_the_heat_map(found: Found) -> None:
    assert {path.name for path in found.path.iterdir()} == {RESULT, PAGE, PLOT, "manifest.json"}
    assert not found.path.with_name("search.run").exists()
    assert msgspec.json.decode((found.path / RESULT).read_bytes(), type=GridSearch) == found.search
    assert (found.path / PLOT).read_text().startswith("<svg")
    said = (found.path / PAGE).read_text()
    assert said.startswith("# Grid search for alpha, beta and gamma: toy") and f"({PLOT})" in said


class Listener(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_a_product_far_from_two_is_a_warning(tmp_path: Path) -> None:
    listener = Listener()
    found = searched(tmp_path / "far", target=3.0, seeds=1, alphas=(1.5,), betas=(1.4,), watcher=listener)
    said = [line for line in listener.lines if "alpha * beta^2 * gamma^2 is 3, not about 2" in line]
    assert len(said) == 1 and said[0].startswith("note: ")
    assert "1 candidate and the base, 1 seed, 1 pass over 96 pictures each" in listener.lines
    product = found.search.winner.compound.product
    assert f"Of the best, alpha * beta^2 * gamma^2 is {product:.3g}, not about 2" in (found.path / PAGE).read_text()


def test_what_was_asked_is_checked_before_the_pictures_are_looked_at(tmp_path: Path) -> None:
    for wrong in ({"target": 9.0}, {"target": float("nan")}, {"resolution": 0}):
        listener = Listener()
        with pytest.raises(VertebraError, match="allowed: "):
            searched(tmp_path / "wrong", watcher=listener, **wrong)
        assert listener.lines == [] and list(tmp_path.iterdir()) == []


class Stopper(Quiet):
    """Presses Ctrl-C: after so many trials, or in the middle of the next one."""

    def __init__(self, trials: int, *, inside: bool) -> None:
        self.left, self.inside = trials, inside

    def say(self, line: str) -> None:
        if ", seed " in line:
            self.left -= 1
            if self.left == 0 and not self.inside:
                raise KeyboardInterrupt

    @contextmanager
    def task(self, name: str) -> Iterator[Advance]:
        def advance(done: float, total: float, note: str) -> None:
            if self.inside and self.left == 0 and name.startswith("training") and done >= 2:
                raise KeyboardInterrupt

        yield advance


@pytest.mark.parametrize("inside", [False, True], ids=["between trials", "within one"])
def test_a_stopped_search_goes_on_to_the_same_end(found: Found, tmp_path: Path, inside: bool) -> None:
    out = tmp_path / "search"
    with pytest.raises(Interrupted, match="go on with the same command and --resume"):
        searched(out, watcher=Stopper(3, inside=inside))
    assert not out.exists() and len(list(tmp_path.glob("search.run/*.checkpoint"))) == inside
    with pytest.raises(OutputError, match="holds a job that was stopped; go on with --resume"):
        searched(out)
    with pytest.raises(OutputError, match="was started with another epochs"):
        searched(out, resume=True, epochs=2)
    again = searched(out, resume=True).search
    for one, other in zip((again.reference, *again.cells), (found.search.reference, *found.search.cells), strict=True):
        assert one.accuracies == other.accuracies and one.macs == other.macs
    assert [path.name for path in tmp_path.iterdir()] == ["search"]


def test_minutes_become_passes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 5 s: a pass of three networks over 32 pictures, two steps each, takes 30 s, judging 269 pictures 84 s.

    Of five minutes that leaves 216 s, less what looking at the data took.
    """
    monkeypatch.setattr(scale_search, "tuned", lambda *arguments: (None, 5.0))
    search = searched(tmp_path / "out", epochs=None, minutes=5, images=32, alphas=(1, 2), betas=(1,), seeds=1).search
    assert len(search.cells) == 2 and search.epochs in (6, 7)


def test_too_few_minutes_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"--minutes: 0.001 minutes are too few for \d+ networks with 2 seeds"):
        searched(tmp_path / "out", epochs=None, minutes=0.001)
    assert list(tmp_path.iterdir()) == []


def test_training_that_fails_is_said(tmp_path: Path) -> None:
    wild = Recipe(optimiser=Sgd(learning_rate=100.0, weight_decay=10.0), warmup=0.0, label_smoothing=0.0)
    with pytest.raises(RecipeError, match="no candidate could be trained: the training loss is"):
        searched(tmp_path / "out", recipe=wild, alphas=(1,), betas=(1,), seeds=1, epochs=8)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "kind", "line"),
    [
        ({"minutes": 1}, UsageError, "both --minutes and --epochs are given (allowed: one of them)"),
        ({"epochs": -1}, UsageError, "--epochs: -1 (allowed: a number above 0)"),
        ({"seeds": 0}, UsageError, "--seeds: 0 (allowed: an integer from 1)"),
        ({"images": 5}, DataError, "5 training pictures (allowed: an integer from 10, one of each class)"),
        ({"alphas": (0.5,)}, UsageError, "--alphas: 0.5 (allowed: numbers from 1 to 4, such as 1,1.2,1.4)"),
    ],
)
def test_bad_input(tmp_path: Path, changes: dict, kind: type[Exception], line: str) -> None:
    with pytest.raises(kind) as caught:
        searched(tmp_path / "out", **changes)
    assert str(caught.value) == line and list(tmp_path.iterdir()) == []


def test_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: Found
) -> None:
    (tmp_path / "toy.json").write_text(to_json(base()))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["vertebra", "scale-search", str(tmp_path / "toy.json"), "digits", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    toy = ["--epochs", "1", "--images", "100", "--seeds", "1", "--alphas", "1,2", "--betas", "1"]
    code, out, _ = run(*toy, "--out", str(tmp_path / "made"))
    assert code == 0 and out.splitlines()[0].split()[:3] == ["alpha", "beta", "gamma"]
    assert "the noise is not known" in out and "to scale so: vertebra scale " in out.splitlines()[-1]
    code, out, err = run(*toy, "--out", str(tmp_path / "made"))
    assert code == 2 and "already exists" in err.splitlines()[-1] and out == ""
    code, out, _ = run(*toy, "--out", str(tmp_path / "made"), "--force", "--json")
    assert code == 0
    assert {"out", "best", "tied", "notes", "search"} <= set(msgspec.json.decode(out))
    code, _, err = run("--alphas", "1,x")
    assert (code, err) == (
        2,
        "vertebra: --alphas: '1,x' is not understood (allowed: numbers from 1, such as 1,1.2,1.4)\n",
    )


def test_a_damaged_checkpoint_is_said_and_left(tmp_path: Path) -> None:
    out = tmp_path / "search"
    with pytest.raises(Interrupted):
        searched(out, watcher=Stopper(1, inside=True))
    (checkpoint,) = tmp_path.glob("search.run/*.checkpoint")
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(bytes(data))
    with pytest.raises(WeightsError, match="is damaged: its hash is another"):
        searched(out, resume=True)
    assert checkpoint.read_bytes() == bytes(data) and not out.exists()

"""The main job, whole, on real images at toy length: scikit-learn's digits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import from_data
from vertebra.bundle.evaluate import evaluate
from vertebra.bundle.manifest import MANIFEST, REQUIRED, verified
from vertebra.costs.count import cost
from vertebra.data.sources import open_data
from vertebra.data.split import split
from vertebra.engines.onnxruntime import OnnxRuntime
from vertebra.fitting.fit import fit
from vertebra.fitting.packing import FitResult
from vertebra.fitting.repeating import repeat
from vertebra.fitting.training import train_bundle
from vertebra.zoo import architecture

SECONDS = 30
PARAMS = 60_000


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No profile and no weights of this machine take part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VERTEBRA_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    return fit("digits", params=PARAMS, minutes=SECONDS / 60, out=tmp_path_factory.mktemp("runs") / "digits")


def test_the_winner_keeps_the_budget_and_has_learned(found: FitResult) -> None:
    assert 0 < found.params <= PARAMS
    assert found.test_accuracy > 0.5  # ten classes: far from chance even in seconds
    assert found.latency_ms == pytest.approx(found.network_ms + found.preprocess_ms)


def test_the_bundle_is_whole(found: FitResult) -> None:
    manifest = verified(found.path)
    assert {*REQUIRED, "card.md", "report.html", "fit.json"} == set(manifest.files)
    assert {path.name for path in found.path.iterdir()} == {*manifest.files, MANIFEST}
    assert [path.name for path in found.path.parent.iterdir()] in (["digits", "study.json"], ["study.json", "digits"])


def test_the_architecture_is_stored_in_both_forms(found: FitResult) -> None:
    stored = json.loads((found.path / "architecture.json").read_text())
    arch = from_data(stored["architecture"], Architecture)
    assert arch.hash == stored["hash"] and cost(arch).params == found.params
    assert stored["expanded"]["kind"] == "seq"


def test_the_test_part_took_no_part_and_its_accuracy_can_be_had_again(found: FitResult) -> None:
    """The split is a function of the seed: cut again, the bundle must score on the test part what was said."""
    again = evaluate(found.bundle, split(open_data("digits"), seed=0), part="test")
    assert (again.top1, again.n) == (pytest.approx(found.test_accuracy), found.test_n)


def test_the_portable_artifact_agrees_with_predict(found: FitResult) -> None:
    engine = OnnxRuntime(found.bundle.portable)
    dataset = open_data("digits")
    for sample in dataset.parts["train"][::100]:
        image = dataset.image(sample)
        np.testing.assert_allclose(engine.run(image), found.bundle.probabilities([image]), atol=1e-3)


class Headings(HTMLParser):
    """The text of a page's headings."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = False
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "h2"

    def handle_data(self, data: str) -> None:
        if self.inside and data.strip():
            self.found.append(data.strip())


def test_the_report_and_the_record(found: FitResult) -> None:
    page = (found.path / "report.html").read_text()
    headings = Headings()
    headings.feed(page)
    text = " ".join(headings.found).lower()
    for part in ("data", "latency", "curves", "confusion", "mistakes", "cost", "use", "long", "further"):
        assert part in text, headings.found
    record = json.loads((found.path / "fit.json").read_text())
    assert record["request"]["seed"] == 0 and record["study"]["environment"]["torch"]
    candidates = record["study"]["candidates"]
    assert all(one["params"] <= PARAMS for one in candidates)
    trained = {one["family"] for one in candidates if one["accuracies"]}
    assert len(trained) == min(4, len({one["family"] for one in candidates if one["fits"]}))
    beyond = record["study"]["further"]
    winner = next(one for one in candidates if one["winner"])
    assert {line["family"] for line in beyond["lines"]} == trained and beyond["lines"][0]["family"] == winner["family"]
    assert beyond["basis_ms"] == winner["network_ms"] + winner["preprocess_ms"] and not beyond["budgeted"]
    assert all(one["params"] <= PARAMS for allowance in beyond["allowances"] for one in allowance["reaches"])


def test_a_bundle_can_be_made_again(found: FitResult, tmp_path: Path) -> None:
    """With one thread (as the tests run) the same steps give the same weights, to the last bit."""
    again = repeat(found.path, tmp_path / "again")
    weights = [(path / "weights.safetensors").read_bytes() for path in (found.path, again.path)]
    assert again.test_accuracy == found.test_accuracy
    if os.environ.get("OMP_NUM_THREADS") == "1":
        assert weights[0] == weights[1]


def test_another_budget_gives_another_winner(found: FitResult, tmp_path: Path) -> None:
    small = fit("digits", params=PARAMS // 8, minutes=SECONDS / 60, out=tmp_path / "small")
    assert small.params <= PARAMS // 8
    assert small.architecture != found.architecture


def test_train_packs_the_named_network(tmp_path: Path) -> None:
    result = train_bundle(architecture("cifar_resnet20"), "digits", epochs=2, resolution=16, out=tmp_path / "one")
    assert result.architecture == "cifar_resnet20" and result.bundle.preprocess.size == 16
    assert result.bundle.labels == tuple("0123456789")


def test_a_stopped_job_goes_on(tmp_path: Path) -> None:
    """Ctrl-C leaves a run that --resume ends; what was measured and decided before stands."""
    out = tmp_path / "stopped"
    command = [sys.executable, "-m", "vertebra.cli", "fit", "digits", "--params", str(PARAMS)]
    command += ["--minutes", "0.4", "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # A shell that runs this in the background ignores Ctrl-C, and children inherit that.
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    state = out.with_name("stopped.run") / "state.json"
    deadline = time.monotonic() + 90
    while not (state.is_file() and json.loads(state.read_bytes())["contenders"]) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2 and "--resume" in said.splitlines()[-1]
    assert "Traceback" not in said and not out.exists()
    before = json.loads(state.read_bytes())
    resumed = subprocess.run([*command, "--resume", "--json"], capture_output=True, text=True, env=environment)
    assert resumed.returncode == 0, resumed.stderr
    record = json.loads((out / "fit.json").read_text())
    assert record["state"]["timed"] == before["timed"] and record["state"]["contenders"] == before["contenders"]
    said_at_the_end = json.loads(resumed.stdout)
    wanted = {"bundle", "architecture", "test_accuracy", "latency_ms", "params", "macs", "seconds"}
    assert wanted <= set(said_at_the_end)

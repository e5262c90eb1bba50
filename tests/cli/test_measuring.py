"""The verbs measure and profile, from the words to the database."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.bundles import make_bundle
from tests.latency.made_up import made_up_profile
from tests.latency.small import small
from tests.latency.test_database import BF16, PHONE, profile
from vertebra.arch import codec
from vertebra.cli.main import main
from vertebra.engines.device import describe
from vertebra.errors import EngineError
from vertebra.latency import measure as module
from vertebra.latency.database import Database, database_path
from vertebra.latency.stored import canonical


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Run the command line in a folder of its own: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "home"))
    (tmp_path / "net.json").write_text(codec.to_json(small("net")))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vertebra", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return run


QUICK = ("--seconds", "0.001", "--threads", "1")


# -- measure ------------------------------------------------------------------------------------------------------


def test_measured_printed_and_stored(run, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    code, out, _ = run("measure", "net.json", bundle, "cifar_resnet2[0]", *QUICK, "--batch", 2, "--json")
    assert code == 0
    found = json.loads(out)
    assert len(found["measurements"]) == 3 and found["measurements"][0]["name"] == "net"
    for one in found["measurements"]:
        assert one["setting"] == {"engine": "onnxruntime", "precision": "fp32", "batch": 2, "threads": 1}
        assert one["median_ms"] > 0 and one["n"] >= 20
    assert found["stored"] == str(database_path())
    with Database() as database:
        assert [one.name for one in database.measurements()] == [one["name"] for one in found["measurements"]]


def test_a_table(run) -> None:
    code, out, _ = run("measure", "net.json", *QUICK, "--resolution", 32)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["name", "px", "median", "ms", "p10", "p90", "spread", "calls", "warm-up"]
    assert lines[1].split()[:2] == ["net", "32"]
    assert "onnxruntime fp32, batch 1, 1 thread: its graph optimised (onnxruntime " in out
    assert str(describe()) in out


def test_not_stored(run) -> None:
    code, out, _ = run("measure", "net.json", *QUICK, "--no-store", "--json")
    assert code == 0 and json.loads(out)["stored"] is None
    assert not database_path().exists()


def test_a_busy_machine_is_noted(run, monkeypatch: pytest.MonkeyPatch) -> None:
    from vertebra.latency.load import Load

    monkeypatch.setattr(module, "between", lambda start, end, drift: Load(others=0.8))
    _, out, err = run("measure", "net.json", *QUICK, "--json")
    assert "note: the machine was busy: other processes used 0.8 cores meanwhile; measure again" in err
    assert json.loads(out)["warnings"] == ["the machine was busy: other processes used 0.8 cores meanwhile"]


def test_ctrl_c_keeps_what_is_stored(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ready_bytes", lambda: 1)
    real, made = module.runner, []

    def runner(arch, setting, *, resolution):
        if made:
            raise KeyboardInterrupt
        made.append(arch)
        return real(arch, setting, resolution=resolution)

    monkeypatch.setattr(module, "runner", runner)
    code, out, err = run("measure", "net.json", "cifar_resnet20", *QUICK)
    assert (code, out) == (2, "")
    assert err.endswith("vertebra: stopped: 1 of 2 networks are measured and stored\n")
    with Database() as database:
        assert [one.name for one in database.measurements()] == ["net"]


def test_what_is_stored_when_an_engine_fails(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ready_bytes", lambda: 1)
    real = module.runner

    def runner(arch, setting, *, resolution):
        if arch.name == "cifar_resnet20":
            raise EngineError("it cannot")
        return real(arch, setting, resolution=resolution)

    monkeypatch.setattr(module, "runner", runner)
    code, out, err = run("measure", "net.json", "cifar_resnet20", *QUICK)
    assert (code, out) == (2, "")
    assert err == "note: 1 of 2 networks are measured and stored\nvertebra: cifar_resnet20: it cannot\n"


def test_more_threads_than_cores(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    line = "vertebra: threads: 65536 (allowed: from 1 to 4, the cores of this machine)\n"
    assert run("measure", "net.json", "--threads", 65536) == (2, "", line)
    assert run("profile", "build", "--threads", 65536) == (2, "", line)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("measure", "resnet5"), "unknown architecture 'resnet5' (allowed: "),
        (("measure", "nothing*"), "no architecture fits 'nothing*' (allowed: "),
        (("measure", "absent.json"), "absent.json: cannot be read: No such file or directory"),
        (("measure", "net.json", "--engine", "tensorrt"), "engine: unknown engine 'tensorrt' (allowed: onnxruntime, "),
        (("measure", "net.json", "--precision", "bf16"), "precision: onnxruntime is not timed in 'bf16' "),
        (("measure", "net.json", "--batch", "0"), "batch: 0 (allowed: an integer from 1 to 65536)"),
        (("measure", "net.json", "--threads", "0"), "threads: 0 (allowed: an integer from 1 to 65536)"),
        (("measure", "net.json", "--seconds", "-1"), "seconds: -1.0 (allowed: above 0, at most 3600)"),
        (("measure", "net.json", "--resolution", "0"), "a resolution of 0 px (allowed: an integer from 1 to 16384)"),
        (("measure", "alexnet", "--resolution", "16"), ""),
        (("profile", "export", "1", "p.json"), "no profile has the number 1 (allowed: there is none yet)"),
        (("profile", "remove", "1"), "no profile has the number 1 (allowed: there is none yet)"),
        (("profile", "import", "absent.json"), "absent.json: cannot be read: No such file or directory"),
        (("profile", "import", "net.json"), "net.json: is no profile; give a file of `vertebra profile export`"),
    ],
)
def test_bad_input(run, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and err.startswith(f"vertebra: {said}"), err


@pytest.mark.parametrize("verb", [("measure", "net.json"), ("profile", "list"), ("profile", "remove", "1")])
def test_a_database_of_another_program_is_left_alone(run, verb: tuple[str, ...]) -> None:
    database_path().parent.mkdir()
    database_path().write_text("a diary\n" * 1000)
    code, out, err = run(*verb)
    assert (code, out) == (2, "")
    assert err == (
        f"vertebra: {database_path()}: the database is corrupt: file is not a database; "
        "move it away and a new one will be made (it is left as it is)\n"
    )
    assert database_path().read_text() == "a diary\n" * 1000


# -- profile ------------------------------------------------------------------------------------------------------


WORKING = made_up_profile().stored().document


def test_a_profile_that_cannot_predict_is_not_kept(run) -> None:
    with Database() as database:
        database.put(profile(BF16, PHONE))
    assert run("profile", "export", 1, "phone.json")[0] == 0
    code, _, err = run("profile", "import", "phone.json")
    assert code == 2 and err.startswith("vertebra: phone.json: is corrupt"), err
    with Database() as database:
        assert len(database.profiles()) == 1


def test_a_profile_goes_to_another_machine(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run("profile", "list")[1] == "no profiles yet: make one with `vertebra profile build`\n"
    assert not database_path().exists(), "to look makes nothing"
    with Database() as database:
        database.put(profile(device=describe()))
        database.put(profile(BF16, PHONE, document=WORKING))
    assert [row["number"] for row in json.loads(run("profile", "list", "--json")[1])] == [1, 2]
    assert "Cortex" in run("profile", "list")[1]
    assert run("profile", "export", 2, "phone.json")[0] == 0
    line = "vertebra: phone.json: already exists; use --force to replace it, or another name\n"
    assert run("profile", "export", 1, "phone.json") == (2, "", line)
    assert run("profile", "export", 2, "phone.json", "--force")[0] == 0

    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "elsewhere"))
    code, out, _ = run("profile", "import", "phone.json")
    assert code == 0 and "kept as number 1; it is of another device, so using it here needs --anyway" in out
    assert json.loads(run("profile", "import", "phone.json", "--json")[1])["number"] == 1, "it is kept once"
    with Database() as database:
        (found,) = database.profiles()
    assert (found.setting, found.device, found.document) == (BF16, PHONE, canonical(WORKING))
    assert run("profile", "remove", 1)[1] == "profile of openvino bf16, batch 1, 2 threads on Cortex: removed\n"
    assert json.loads(run("profile", "list", "--json")[1]) == []

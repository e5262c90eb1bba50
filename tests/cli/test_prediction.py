"""The verbs profile build and predict-latency, from the words to what is printed."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.latency.made_up import made_up_profile
from tests.latency.small import small
from vertebra.arch import codec
from vertebra.cli.main import main
from vertebra.engines.device import Device
from vertebra.errors import ProfileError
from vertebra.latency import building
from vertebra.latency.database import Database, database_path
from vertebra.latency.predictor import Predictor
from vertebra.latency.profile import VERSION, Profile
from vertebra.latency.setting import Setting
from vertebra.latency.stored import StoredProfile

PROFILE = made_up_profile()
HERE = PROFILE.setting
PHONE = Device("Cortex", 8, 8, ("asimd",), 1 << 32, "Android 16")


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


def keep(stored: StoredProfile | None = None) -> StoredProfile:
    with Database() as database:
        return database.put(PROFILE.stored() if stored is None else stored)


# -- predict-latency ----------------------------------------------------------------------------------------------


def test_no_profile_and_the_remedy(run) -> None:
    line = f"vertebra: there is no profile of {HERE}; make one with `vertebra profile build`\n"
    assert run("predict-latency", "resnet18") == (2, "", line)
    assert run("predict-latency", "resnet18", "--anyway", "--json") == (2, "", line)


def test_a_table(run) -> None:
    keep()
    code, out, err = run("predict-latency", "resnet18", "net.json")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["name", "px", "ms", "from", "to"]
    expected = Predictor.of(PROFILE).predict(small("net"))
    assert lines[2].split() == ["net", "24", *(f"{value:.3g}" for value in (expected.ms, expected.low, expected.high))]
    assert lines[-1] == f"profile 1: {HERE}, {PROFILE.device.processor}"


def test_json(run) -> None:
    keep()
    code, out, err = run("predict-latency", "net.json", "cifar_resnet2[0]", "--resolution", 48, "--json")
    found = json.loads(out)
    assert (code, err, found["note"]) == (0, "", None)
    assert [(one["name"], one["resolution"]) for one in found["predictions"]] == [("net", 48), ("cifar_resnet20", 48)]
    expected = Predictor.of(PROFILE).predict(small(), 48)
    first = found["predictions"][0]
    assert (first["ms"], first["low_ms"], first["high_ms"]) == pytest.approx(msgspec.structs.astuple(expected))
    assert found["profile"]["number"] == 1
    assert found["profile"]["setting"] == msgspec.to_builtins(HERE)
    assert found["profile"]["device"]["processor"] == PROFILE.device.processor


def test_the_units_that_take_longest(run) -> None:
    keep()
    found = json.loads(run("predict-latency", "net.json", "--units", "--json")[1])["predictions"][0]
    times = [one["ms"] for one in found["units"]]
    assert times == sorted(times, reverse=True)
    beside = found["beside"]
    assert beside["start_ms"] == PROFILE.estimator.start_ms and beside["streaming_ms"] >= 0
    assert sum(times) + beside["start_ms"] + beside["streaming_ms"] == pytest.approx(found["ms"])
    out = run("predict-latency", "net.json", "--units")[1]
    assert "net: what takes longest" in out
    assert f"beside its units: a run's start {PROFILE.estimator.start_ms:.3g} ms" in out
    longest = found["units"][0]
    first = out.partition("longest\n")[2].splitlines()[1].split("  ")[0]
    assert first == longest["kind"]


@pytest.mark.parametrize("other", [("--batch", "8"), ("--engine", "openvino"), ("--threads", "3000")])
def test_another_setting_is_refused(run, other: tuple[str, str]) -> None:
    keep()
    code, out, err = run("predict-latency", "net.json", *other)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert f" on this device: number 1 is of another setting, {HERE}; " in err
    assert err.endswith("make one with `vertebra profile build`, or use that one --anyway\n")
    code, out, err = run("predict-latency", "net.json", *other, "--anyway")
    assert (code, err) == (0, f"note: predicted by a profile of another setting: {HERE}\n")
    found = json.loads(run("predict-latency", "net.json", *other, "--anyway", "--json")[1])
    assert found["note"] == f"predicted by a profile of another setting: {HERE}"
    assert found["profile"]["setting"] == msgspec.to_builtins(HERE)


def test_another_device_is_refused(run) -> None:
    keep(msgspec.structs.replace(PROFILE.stored(), device=PHONE))
    code, out, err = run("predict-latency", "net.json")
    assert (code, out) == (2, "") and f"number 1 is of another device, {PHONE}; " in err
    assert run("predict-latency", "net.json", "--anyway")[2] == (
        f"note: predicted by a profile of another device: {PHONE}\n"
    )
    found = json.loads(run("predict-latency", "net.json", "--batch", 2, "--anyway", "--json")[1])
    assert found["note"] == f"predicted by a profile of another setting: {HERE}; of another device: {PHONE}"


def test_the_latest_profile_is_used(run) -> None:
    keep()
    keep(made_up_profile(5).stored())
    found = json.loads(run("predict-latency", "net.json", "--json")[1])
    assert found["profile"]["number"] == 2
    assert found["predictions"][0]["ms"] == pytest.approx(Predictor.of(made_up_profile(5)).predict(small()).ms)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("resnet5",), "unknown architecture 'resnet5' (allowed: "),
        (("nothing*",), "no architecture fits 'nothing*' (allowed: "),
        (("absent.json",), "absent.json: cannot be read: No such file or directory"),
        (("net.json", "--engine", "tensorrt"), "engine: unknown engine 'tensorrt' (allowed: onnxruntime, "),
        (("net.json", "--precision", "int8"), "precision: onnxruntime is not timed in 'int8' "),
        (("net.json", "--batch", "0"), "batch: 0 (allowed: an integer from 1 to 65536)"),
        (("net.json", "--resolution", "0"), "a resolution of 0 px (allowed: an integer from 1 to 16384)"),
        (("alexnet", "--resolution", "16"), "alexnet: stages.1.entry: a window of 3 does not fit an input of 1 "),
    ],
)
def test_bad_input(run, arguments: tuple[str, ...], said: str) -> None:
    keep()
    code, out, err = run("predict-latency", *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and err.startswith(f"vertebra: {said}"), err


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"units": [1, 2]}', "profile 1: is corrupt: "),
        (f'{{"document": {VERSION + 1}}}', "profile 1: was made by a newer vertebra, as document "),
    ],
)
def test_a_profile_that_cannot_be_read(run, document: str, said: str) -> None:
    keep(msgspec.structs.replace(PROFILE.stored(), document=document))
    code, out, err = run("predict-latency", "net.json")
    assert (code, out) == (2, "") and err.startswith(f"vertebra: {said}") and err.count("\n") == 1
    listed = run("profile", "list")[1].splitlines()
    assert listed[0].startswith("number") and listed[1].split()[0] == "1", "it is kept, and listed all the same"
    assert listed[2].startswith(said) and listed[2].endswith(", or `vertebra profile remove 1`") and len(listed) == 3
    assert json.loads(run("profile", "list", "--json")[1])[0]["fault"].startswith(said)


def test_a_profile_that_cannot_be_read_hides_no_other(run) -> None:
    """The one before it predicts, and it is said."""
    keep()
    keep(msgspec.structs.replace(PROFILE.stored(), document=f'{{"document": {VERSION + 1}}}'))
    code, out, err = run("predict-latency", "net.json")
    said = f"profile 2 is passed over: was made by a newer vertebra, as document {VERSION + 1}"
    assert (code, err) == (0, f"note: {said}\n")
    assert out.splitlines()[-1].startswith("profile 1: ")
    assert json.loads(run("predict-latency", "net.json", "--json")[1])["note"] == said


def keep_with_an_unknown_engine() -> None:
    """Profile 1, and as 2 one whose setting no vertebra of today knows."""
    keep()
    keep(msgspec.structs.replace(PROFILE.stored(), setting=Setting(engine="openvino")))
    with sqlite3.connect(database_path()) as plain:
        plain.execute("""UPDATE settings SET setting = replace(setting, '"openvino"', '"tensorrt"')""")
    plain.close()


def test_a_row_that_cannot_be_read(run) -> None:
    """It is named where nothing else fits, and hides nothing where something does."""
    keep_with_an_unknown_engine()
    code, out, err = run("predict-latency", "net.json")
    assert (code, err) == (0, "") and out.splitlines()[-1].startswith("profile 1: ")
    run("profile", "remove", 1)
    code, _, err = run("predict-latency", "net.json")
    assert code == 2
    assert f"there is no profile of {HERE}; profile 2 cannot be read (see `vertebra profile list`); make one" in err


def test_what_is_listed_of_a_row_that_cannot_be_read(run) -> None:
    keep_with_an_unknown_engine()
    code, out, _ = run("profile", "list")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 3 and lines[1].split()[0] == "1"
    assert lines[2] == (
        "profile 2: holds what this vertebra does not know: engine: unknown engine 'tensorrt' (allowed: onnxruntime, "
        "openvino, torch, torch.compile); update vertebra, or `vertebra profile remove 2`"
    )
    first, second = json.loads(run("profile", "list", "--json")[1])
    assert (first["number"], first["fault"]) == (1, None)
    assert second["number"] == 2 and second["setting"] is None and second["fault"].startswith("profile 2: holds what")
    code, _, err = run("profile", "export", 2, "p.json")
    assert code == 2 and err.startswith("vertebra: profile 2: holds what this vertebra does not know")
    assert run("profile", "remove", 2)[1] == "profile 2, which could not be read: removed\n"
    assert [one["number"] for one in json.loads(run("profile", "list", "--json")[1])] == [1]


def test_a_profile_that_came_by_file(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keep()
    before = json.loads(run("predict-latency", "net.json", "--json")[1])["predictions"]
    assert run("profile", "export", 1, "here.json")[0] == 0
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "elsewhere"))
    assert run("profile", "import", "here.json")[0] == 0
    assert json.loads(run("predict-latency", "net.json", "--json")[1])["predictions"] == before


# -- profile build ------------------------------------------------------------------------------------------------


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Setting, float]]:
    """What was asked for, instead of five minutes."""
    asked: list[tuple[Setting, float]] = []

    def build(setting: Setting, *, seconds: float, progress: object, say: Any) -> Profile:
        asked.append((setting, seconds))
        return msgspec.structs.replace(PROFILE, setting=setting)

    monkeypatch.setattr(building, "build", build)
    return asked


def test_built_kept_and_used(run, built: list[tuple[Setting, float]]) -> None:
    code, out, _ = run("profile", "build", "--minutes", "0.5", "--threads", 1)
    setting = Setting(threads=1)
    assert code == 0 and built == [(setting, 30.0)]
    assert out.splitlines() == [
        f"profile 1: {setting}, 0 networks and 0 kinds of units",
        "nine of ten networks that half of it had not seen took 0.90 to 1.20 times what that predicts",
    ]
    found = json.loads(run("predict-latency", "net.json", "--threads", 1, "--json")[1])
    assert found["predictions"][0]["ms"] == pytest.approx(Predictor.of(PROFILE).predict(small()).ms)


def test_built_as_json(run, built: list[tuple[Setting, float]]) -> None:
    code, out, _ = run("profile", "build", "--engine", "openvino", "--precision", "bf16", "--batch", 4, "--json")
    found = json.loads(out)
    assert code == 0 and built[0] == (Setting(engine="openvino", precision="bf16", batch=4), 300.0)
    assert (found["number"], found["networks"], found["units"], found["interval"]) == (1, 0, 0, [0.9, 1.2])
    assert found["setting"]["engine"] == "openvino" and isinstance(found["warnings"], list)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--minutes", "0"), "--minutes: 0 (allowed: from 0.02 to 1,440)"),
        (("--minutes", "nan"), "--minutes: nan (allowed: from 0.02 to 1,440)"),
        (("--minutes", "1441"), "--minutes: 1441 (allowed: from 0.02 to 1,440)"),
        (("--minutes", "5 sec"), "Invalid value for '--minutes': '5 sec' is not a valid float"),
        (("--engine", "tensorrt"), "engine: unknown engine 'tensorrt' (allowed: onnxruntime, "),
        (("--precision", "bf16"), "precision: onnxruntime is not timed in 'bf16' "),
        (("--threads", "0"), "threads: 0 (allowed: an integer from 1 to 65536)"),
    ],
)
def test_building_with_bad_input(run, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run("profile", "build", *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and err.startswith(f"vertebra: {said}"), err


def test_a_corrupt_database_is_told_before_minutes_are_spent(run, built: list[tuple[Setting, float]]) -> None:
    database_path().parent.mkdir()
    database_path().write_text("a diary\n" * 1000)
    code, _, err = run("profile", "build")
    assert code == 2 and "the database is corrupt: file is not a database" in err and built == []


def test_too_little_time(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(setting: Setting, *, seconds: float, progress: object, say: Any) -> Profile:
        raise ProfileError("3 networks were timed", allowed="at least 30", remedy="give it more minutes")

    monkeypatch.setattr(building, "build", build)
    line = "vertebra: 3 networks were timed (allowed: at least 30); give it more minutes\n"
    assert run("profile", "build", "--json") == (2, "", line)
    assert json.loads(run("profile", "list", "--json")[1]) == []

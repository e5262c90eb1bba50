"""The database: nothing is lost, several processes at once, and what is not ours is refused and left alone."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertebra.engines.device import Device
from vertebra.errors import OutputError, ProfileError
from vertebra.latency.database import Database, database_path
from vertebra.latency.load import Load
from vertebra.latency.measure import Measurement
from vertebra.latency.setting import Setting
from vertebra.latency.stored import StoredProfile

HERE = Device("Zen", 2, 2, ("avx2", "fma"), 1 << 34, "Linux 6.1 x86_64")
PHONE = Device("Cortex", 8, 8, ("asimd",), 1 << 32, "Android 16")
PC = Device("Core", 4, 4, ("avx2",), 1 << 33, "Linux 6.1 x86_64")
FP32 = Setting(engine="onnxruntime", threads=2)
BF16 = Setting(engine="openvino", precision="bf16", threads=2)


def measurement(name: str = "net", setting: Setting = FP32, device: Device = HERE, ms: float = 5.25) -> Measurement:
    load = Load(before=0.1, after=1.2, others=0.05, drift=-0.01)
    return Measurement(
        name=name, hash="0" * 64, resolution=224, setting=setting, version="onnxruntime 1.2", device=device,
        median_ms=ms, p10_ms=5.1, p90_ms=1 / 3 + 5, spread=0.1, n=200, warmup=16, load=load,
        when="2026-01-02T03:04:05+00:00",
    )  # fmt: skip


def profile(setting: Setting = FP32, device: Device = HERE, document: str = '{"units":[1,2.5]}') -> StoredProfile:
    made = "2026-01-02T03:04:05+00:00"
    return StoredProfile(device=device, setting=setting, version="onnxruntime 1.2", made=made, document=document)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "latency.sqlite"


# -- measurements -------------------------------------------------------------------------------------------------


def test_what_is_kept_is_read_back(path: Path) -> None:
    kept = (measurement("one"), measurement("two", BF16), measurement("three", device=PHONE, ms=0.1 + 0.2))
    with Database(path) as database:
        assert database.measurements() == ()
        database.add(kept[:2])
        database.add(kept[2:])
    with Database(path) as database:
        assert database.measurements() == kept


def test_a_device_is_the_same_after_an_update(path: Path) -> None:
    """The system's version and the memory change; the processor, its cores and instruction sets make the device."""
    updated = msgspec.structs.replace(HERE, system="Linux 6.2 x86_64", memory_bytes=1 << 33)
    with Database(path) as database:
        database.add([measurement(device=HERE), measurement(device=updated), measurement(device=PHONE)])
        assert [one.device for one in database.measurements()] == [HERE, HERE, PHONE]


def test_all_or_nothing(path: Path) -> None:
    with Database(path) as database:
        broken = msgspec.structs.replace(measurement(), median_ms=None)
        with pytest.raises(ProfileError):
            database.add([measurement(), broken])
        assert database.measurements() == ()
        database.add([measurement()])
        assert len(database.measurements()) == 1


def test_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path / "mine"))
    with Database() as database:
        assert database.path == database_path() == tmp_path / "mine" / "latency.sqlite"
        assert database.path.is_file()


WRITER = """
import sys
from pathlib import Path
from tests.latency.test_database import measurement
from vertebra.latency.database import Database
for index in range(10):
    with Database(Path(sys.argv[1])) as database:
        database.add([measurement(f"{sys.argv[2]}-{index}")])
"""


def test_several_processes_at_once(path: Path) -> None:
    """They begin together, so that they make the file together too."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, f"w{n}"], cwd=root, stderr=subprocess.PIPE) for n in range(3)]
    for one in writers:
        said = one.communicate()[1].decode()
        assert one.returncode == 0, said
    with Database(path) as database:
        names = sorted(one.name for one in database.measurements())
    assert names == sorted(f"w{n}-{index}" for n in range(3) for index in range(10))
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# -- profiles -----------------------------------------------------------------------------------------------------


def test_profiles(path: Path) -> None:
    with Database(path) as database:
        first, second = database.put(profile()), database.put(profile(BF16, PHONE))
        assert (first.number, second.number) == (1, 2)
        assert database.profiles() == (first, second)
        assert database.profile(2) == second == msgspec.structs.replace(profile(BF16, PHONE), number=2)
        assert database.put(profile()) == first, "the same one is kept once"
        assert database.remove(1) == first
        assert database.profiles() == (second,)
        assert database.put(profile()).number == 3, "a number is not used again"
        with pytest.raises(ProfileError, match=r"^no profile has the number 1 \(allowed: 2, 3\); see `vertebra pro"):
            database.profile(1)
        with pytest.raises(ProfileError, match="no profile has the number 9"):
            database.remove(9)


def test_a_document_is_kept_in_one_layout(path: Path) -> None:
    with Database(path) as database:
        kept = database.put(profile(document='{ "b" : 1.0, "a": [1] }'))
        assert database.put(profile(document='{"a":[1],"b":1.0}')).number == kept.number
        assert database.profile(kept.number).document == '{"a":[1],"b":1.0}'


# -- what is refused ----------------------------------------------------------------------------------------------


def refused(path: Path, error: type[Exception] = ProfileError) -> str:
    """The line; the file is as it was."""
    before = path.read_bytes()
    with pytest.raises(error) as found:
        Database(path)
    assert path.read_bytes() == before
    assert str(found.value).startswith(f"{path}: ")
    return str(found.value)


def test_a_newer_schema(path: Path) -> None:
    with Database(path) as database:
        database.add([measurement()])
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 7")
    newer.close()
    line = refused(path)
    assert "written by a newer vertebra, with schema 7 (allowed: schema 1); update vertebra" in line


def test_another_programs_database(tmp_path: Path) -> None:
    path = tmp_path / "photos.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE photos (id INTEGER)")
    other.close()
    assert "is a database of another program" in refused(path)


def test_no_database_at_all(tmp_path: Path) -> None:
    path = tmp_path / "latency.sqlite"
    path.write_text("measured with a stopwatch\n" * 100)
    assert "the database is corrupt: file is not a database; move it away" in refused(path)


def test_a_truncated_database(path: Path) -> None:
    with Database(path) as database:
        database.add([measurement(f"net{index}") for index in range(400)])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "corrupt" in refused(path)


def test_rows_that_mean_nothing(path: Path) -> None:
    with Database(path) as database:
        database.add([measurement()])
    for column, value in (("median_ms", "soon"), ("load", "{"), ("n", 1.5)):
        broken = path.with_name("broken.sqlite")
        shutil.copy(path, broken)
        with sqlite3.connect(broken) as other:
            other.execute(f"UPDATE measurements SET {column} = ?", (value,))
        other.close()
        with Database(broken) as database, pytest.raises(ProfileError, match="the database is corrupt: "):
            database.measurements()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("""UPDATE settings SET setting = '{"engine":"tensorrt"}' WHERE id = 2""", "holds what this vertebra does"),
        ("""UPDATE settings SET setting = '{"of":"later"}' WHERE id = 2""", "is corrupt: Object contains unknown"),
        ("UPDATE devices SET device = x'00ff' WHERE id = 2", "is corrupt: "),
        ("UPDATE profiles SET device = 99 WHERE id = 2", "is corrupt: "),
        ("UPDATE profiles SET document = CAST(x'ff' AS TEXT) WHERE id = 2", "is corrupt: "),
        ("UPDATE profiles SET made = x'00' WHERE id = 2", "is corrupt: Expected `str`, got `bytes`"),
    ],
)  # fmt: skip
def test_a_profile_that_cannot_be_read_hides_no_other(path: Path, change: str, said: str) -> None:
    with Database(path) as database:
        first, _, third = database.put(profile()), database.put(profile(BF16, PHONE)), database.put(profile(device=PC))
    with sqlite3.connect(path) as other:
        other.execute(change)
    other.close()
    with Database(path) as database:
        assert database.profiles() == (first, third) and database.profile(3) == third
        (broken,) = database.unreadable()
        assert broken.number == 2 and str(broken.fault).startswith(f"profile 2: {said}")
        with pytest.raises(ProfileError, match=r"^profile 2: "):
            database.profile(2)
        with pytest.raises(ProfileError, match=r"no profile has the number 9 \(allowed: 1, 2, 3\)"):
            database.remove(9)
        assert database.remove(2).number == 2 and database.unreadable() == ()
        assert database.profiles() == (first, third)


def test_a_place_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        Database(tmp_path / "file" / "latency.sqlite")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot be used: unable to open database file"):
        Database(tmp_path / "folder")


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    (tmp_path / "latency.sqlite").touch()
    with Database(tmp_path / "latency.sqlite") as database:
        assert database.measurements() == ()


@cache
def whole() -> bytes:
    """A database with measurements and a profile."""
    with tempfile.TemporaryDirectory() as folder, Database(Path(folder, "latency.sqlite")) as database:
        database.add([measurement(f"net{index}") for index in range(5)])
        database.put(profile())
        database.close()
        return Path(folder, "latency.sqlite").read_bytes()


@settings(max_examples=40, deadline=None)
@given(place=st.floats(0, 0.9999), value=st.integers(0, 255), cut=st.booleans())
def test_damage(place: float, value: int, cut: bool) -> None:
    """A changed byte or a missing end: it is read, or an error says why not."""
    data = whole()
    at = int(place * len(data))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "latency.sqlite")
        path.write_bytes(data[:at] if cut else data[:at] + bytes([value]) + data[at + 1 :])
        try:
            with Database(path) as database:
                database.measurements()
                database.profiles()
                database.unreadable()
        except (ProfileError, OutputError) as error:  # OutputError: a header that says that it may not be written
            assert str(error).startswith(f"{path}: ")

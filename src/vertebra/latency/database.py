"""The profile database: what was measured on which device and how, and the profiles made of it.

One SQLite file in ``VERTEBRA_HOME``, which several processes may use at once (write-ahead log; so not on a network
drive).  A file that is corrupt, of another program, or of a newer vertebra is refused and left as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import msgspec

from vertebra.engines.device import Device
from vertebra.errors import OutputError, ProfileError, VertebraError
from vertebra.home import home
from vertebra.latency.faults import CORRUPT, corrupt, told
from vertebra.latency.load import Load
from vertebra.latency.measure import Measurement
from vertebra.latency.setting import Setting
from vertebra.latency.stored import StoredProfile, canonical, identity

SCHEMA = 1
"""Of the tables below; a newer one is refused."""

APPLICATION = 0x76727462
"""``vrtb``, by which SQLite's header says whose file it is."""

WAIT_MS = 30_000
"""For another process that is writing."""

TABLES = """
CREATE TABLE devices (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, device TEXT NOT NULL);
CREATE TABLE settings (id INTEGER PRIMARY KEY, setting TEXT NOT NULL UNIQUE);
CREATE TABLE measurements (
    id INTEGER PRIMARY KEY, device INTEGER NOT NULL REFERENCES devices, setting INTEGER NOT NULL REFERENCES settings,
    version TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL, resolution INTEGER NOT NULL,
    median_ms REAL NOT NULL, p10_ms REAL NOT NULL, p90_ms REAL NOT NULL, spread REAL NOT NULL,
    n INTEGER NOT NULL, warmup INTEGER NOT NULL, load TEXT NOT NULL, made TEXT NOT NULL
);
CREATE INDEX measured ON measurements (hash, resolution, setting, device);
CREATE TABLE profiles (
    id INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL REFERENCES devices,
    setting INTEGER NOT NULL REFERENCES settings, version TEXT NOT NULL, made TEXT NOT NULL, document TEXT NOT NULL
);
"""

T = TypeVar("T")


class Unreadable(NamedTuple):
    """A profile that this vertebra cannot read, and why."""

    number: int
    fault: ProfileError


def database_path() -> Path:
    """Where the database is: ``latency.sqlite`` in ``VERTEBRA_HOME``."""
    return home() / "latency.sqlite"


class Database:
    """An opened database; close it, or use it in a ``with``.  Every addition is kept at once.

    Raises ProfileError for a file that is corrupt, of another program or newer; OutputError where the place cannot be
    read or written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = database_path() if path is None else path
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot be made: {error.strerror}", where=str(self.path.parent)) from None
        with told(self.path):
            self._db = sqlite3.connect(self.path, timeout=WAIT_MS / 1e3, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Keep measurements: all of them, or none where it fails."""
        with self._transaction("IMMEDIATE"):
            for one in measurements:
                values = {name: getattr(one, name) for name in _PLAIN}
                values |= {"device": self._device(one.device), "setting": self._setting(one.setting)}
                values |= {"load": _text(one.load), "made": one.when}
                marks = ", ".join(f":{name}" for name in values)
                self._db.execute(f"INSERT INTO measurements ({', '.join(values)}) VALUES ({marks})", values)

    def measurements(self) -> tuple[Measurement, ...]:
        """All that was measured, in the order in which it was kept."""
        with told(self.path):
            rows = self._db.execute(
                f"SELECT devices.device, settings.setting, load, made, {', '.join(_PLAIN)} FROM measurements"
                " JOIN devices ON devices.id = measurements.device JOIN settings ON settings.id = measurements.setting"
                " ORDER BY measurements.id"
            ).fetchall()
        return tuple(self._measurement(row) for row in rows)

    def put(self, profile: StoredProfile) -> StoredProfile:
        """Keep a profile; gives it with its number, or the one that is kept already where it is the same."""
        with self._transaction("IMMEDIATE"):
            device, setting = self._device(profile.device), self._setting(profile.setting)
            values = (device, setting, profile.version, profile.made, canonical(profile.document))
            same = "device = ? AND setting = ? AND version = ? AND made = ? AND document = ?"
            kept = self._db.execute(f"SELECT id FROM profiles WHERE {same}", values).fetchone()
            if kept is None:
                columns = "device, setting, version, made, document"
                number = self._db.execute(f"INSERT INTO profiles ({columns}) VALUES (?, ?, ?, ?, ?)", values).lastrowid
            else:
                (number,) = kept
        return msgspec.structs.replace(profile, number=number or 0)

    def profiles(self) -> tuple[StoredProfile, ...]:
        """Every profile that can be read, the oldest first.  What is in their documents is not looked at."""
        return tuple(one for one in self._profiles() if isinstance(one, StoredProfile))

    def unreadable(self) -> tuple[Unreadable, ...]:
        """The others."""
        return tuple(one for one in self._profiles() if isinstance(one, Unreadable))

    def profile(self, number: int) -> StoredProfile:
        """The profile of a number; raises ProfileError where there is none, or where it cannot be read."""
        found = self._numbered(number)
        if isinstance(found, Unreadable):
            raise found.fault
        return found

    def remove(self, number: int) -> StoredProfile | Unreadable:
        """Forget a profile, and give it; raises ProfileError where there is none of that number."""
        found = self._numbered(number)
        with self._transaction("IMMEDIATE"):
            self._db.execute("DELETE FROM profiles WHERE id = ?", (number,))
        return found

    # -- within ---------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        with self._transaction("DEFERRED"):  # the header as it is at one moment
            ours = self._is_ours()
        if not ours:
            with self._transaction("IMMEDIATE"):
                if not self._is_ours():  # another process may have been quicker
                    for statement in TABLES.strip().strip(";").split(";"):
                        self._db.execute(statement)
                    self._db.execute(f"PRAGMA application_id = {APPLICATION}")
                    self._db.execute(f"PRAGMA user_version = {SCHEMA}")
        verdict = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise corrupt(self.path, verdict)
        if self._pragma("journal_mode") != "wal":
            with suppress(sqlite3.OperationalError):  # in use by another process at this moment: next time
                self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")

    def _is_ours(self) -> bool:
        """Whether the tables are there, False for an empty file; raises ProfileError for anything else."""
        application, schema = self._pragma("application_id"), self._pragma("user_version")
        if application == APPLICATION and schema == SCHEMA:
            return True
        if application == APPLICATION:
            what = f"written by a newer vertebra, with schema {schema}"
            remedy = "update vertebra, or set VERTEBRA_HOME to another folder (it is left as it is)"
            raise ProfileError(what, where=str(self.path), allowed=f"schema {SCHEMA}", remedy=remedy)
        if application or schema or self._pragma("schema_version"):
            remedy = "move it away, or set VERTEBRA_HOME to another folder"
            raise ProfileError("is a database of another program", where=str(self.path), remedy=remedy)
        return False

    def _pragma(self, name: str) -> Any:
        return self._db.execute(f"PRAGMA {name}").fetchone()[0]

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        """All of it, or nothing."""
        with told(self.path):
            self._db.execute(f"BEGIN {kind}")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # SQLite has rolled back itself where the disk is full
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _device(self, device: Device) -> int:
        key = identity(device)
        self._db.execute("INSERT OR IGNORE INTO devices (identity, device) VALUES (?, ?)", (key, _text(device)))
        return int(self._db.execute("SELECT id FROM devices WHERE identity = ?", (key,)).fetchone()[0])

    def _setting(self, setting: Setting) -> int:
        text = _text(setting)
        self._db.execute("INSERT OR IGNORE INTO settings (setting) VALUES (?)", (text,))
        return int(self._db.execute("SELECT id FROM settings WHERE setting = ?", (text,)).fetchone()[0])

    def _numbered(self, number: int) -> StoredProfile | Unreadable:
        found = {one.number: one for one in self._profiles()}
        if number not in found:
            known = ", ".join(map(str, found)) or "there is none yet"
            remedy = "see `vertebra profile list`"
            raise ProfileError(f"no profile has the number {number}", allowed=known, remedy=remedy)
        return found[number]

    def _profiles(self) -> Iterator[StoredProfile | Unreadable]:
        """One by one, so that one that cannot be read hides no other."""
        with told(self.path):
            numbers = [number for (number,) in self._db.execute("SELECT id FROM profiles ORDER BY id").fetchall()]
        for number in numbers:
            try:
                with told(self.path):
                    row = self._db.execute(
                        "SELECT profiles.id, devices.device, settings.setting, version, made, document FROM profiles"
                        " LEFT JOIN devices ON devices.id = profiles.device"
                        " LEFT JOIN settings ON settings.id = profiles.setting WHERE profiles.id = ?",
                        (number,),
                    ).fetchone()
                if row is not None:  # else another process has just removed it
                    yield self._profile(row)
            except ProfileError as error:
                corrupt = error.what.startswith(CORRUPT)
                what = f"is corrupt: {error.what.removeprefix(CORRUPT)}" if corrupt else error.what
                remedy = "build it again" if corrupt else "update vertebra"
                yield Unreadable(number, ProfileError(what, where=f"profile {number}", remedy=remedy))

    def _measurement(self, row: tuple[Any, ...]) -> Measurement:
        device, setting, load, made, *plain = row
        data: dict[str, object] = dict(zip(_PLAIN, plain, strict=True))
        data |= {"device": self._decoded(device, Device), "setting": self._decoded(setting, Setting)}
        data |= {"load": self._decoded(load, Load), "when": made}
        return self._converted(data, Measurement)

    def _profile(self, row: tuple[Any, ...]) -> StoredProfile:
        number, device, setting, version, made, document = row
        data: dict[str, object] = {"number": number, "version": version, "made": made, "document": document}
        data |= {"device": self._decoded(device, Device), "setting": self._decoded(setting, Setting)}
        return self._converted(data, StoredProfile)

    def _converted(self, data: dict[str, object], kind: type[T]) -> T:
        try:
            return msgspec.convert(data, kind)
        except msgspec.MsgspecError as error:
            raise corrupt(self.path, str(error)) from None

    def _decoded(self, text: str, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(text, type=kind)
        except VertebraError as error:  # a setting that is none here
            what, remedy = f"holds what this vertebra does not know: {error}", "update vertebra (it is left as it is)"
            raise ProfileError(what, where=str(self.path), remedy=remedy) from None
        except (msgspec.MsgspecError, TypeError) as error:  # TypeError: a column that holds no text
            raise corrupt(self.path, str(error)) from None


_PLAIN = ("version", "name", "hash", "resolution", "median_ms", "p10_ms", "p90_ms", "spread", "n", "warmup")
"""Fields of a measurement that are columns as they are."""


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()

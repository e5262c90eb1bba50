"""The folder of a job under way: what was asked, what is done, the checkpoints.  Gone when the bundle is written."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from vertebra.bundle.folder import check_output
from vertebra.costs.budget import Budgets
from vertebra.errors import OutputError
from vertebra.fitting.measuring import Latency

T = TypeVar("T")

REQUEST = "request.json"
STATE = "state.json"
STUDY = "study.json"


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job was asked to do.  ``architecture`` (JSON) is given where one network is to be trained, not found."""

    data: str
    budgets: Budgets
    minutes: float | None
    epochs: float | None = None
    seed: int
    skip_bad: bool
    architecture: str | None = None
    recipe: str | None = None


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate's latency as it was measured, by the plan's name."""

    name: str
    latency: Latency
    bytes: int


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a stopped job had found out: nothing of it is measured or decided twice."""

    timed: tuple[Timed, ...] = ()
    contenders: tuple[str, ...] = ()
    round_seconds: tuple[float, ...] = ()
    final_seconds: float | None = None
    spent: float = 0.0


class RunFolder:
    """``OUT.run`` beside the bundle that is to be."""

    def __init__(self, out: Path, request: Request) -> None:
        self.out = out
        self.path = out.with_name(f"{out.name}.run")
        self.request = request
        self.state = State()

    @classmethod
    def opened(cls, out: Path, request: Request, *, force: bool, resume: bool) -> RunFolder:
        """A new folder, or the one of a stopped job; raises OutputError where that cannot be."""
        folder = cls(out, request)
        check_output(out, force=force or resume)
        if resume:
            folder._take_over()
            return folder
        if folder.path.exists():
            if not force:
                raise OutputError(
                    "holds a job that was stopped",
                    where=str(folder.path),
                    remedy="go on with --resume, or start anew with --force",
                )
            if not (folder.path / REQUEST).is_file():
                raise OutputError("is no folder of a job", where=str(folder.path), remedy="choose another --out")
            shutil.rmtree(folder.path)
        try:
            folder.path.mkdir(parents=True)
        except OSError as error:
            raise OutputError(f"cannot be made: {error.strerror}", where=str(folder.path)) from None
        folder._write(REQUEST, request)
        return folder

    def _take_over(self) -> None:
        begun = self._read(REQUEST, Request)
        if begun != self.request:
            names = [name for name in Request.__struct_fields__ if getattr(begun, name) != getattr(self.request, name)]
            raise OutputError(
                f"was started with another {names[0].replace('_', '-')}",
                where=str(self.path),
                remedy="resume with the same arguments, or start anew with --force",
            )
        if (self.path / STATE).is_file():
            self.state = self._read(STATE, State)

    def note(self, **changes: object) -> None:
        """Keep what was found out, at once."""
        self.state = msgspec.structs.replace(self.state, **changes)
        self._write(STATE, self.state)

    def checkpoint(self, name: str) -> Path:
        """Where a contender's checkpoint goes."""
        return self.path / f"{name}.checkpoint"

    def remove(self) -> None:
        """The job is done."""
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def remedy(self) -> str:
        """How a user goes on after a stop."""
        return f"go on with the same command and --resume (the run is in {self.path})"

    def _write(self, name: str, value: msgspec.Struct) -> None:
        data = msgspec.json.format(msgspec.json.encode(value), indent=2)
        temporary = self.path / f".{name}.tmp"
        try:
            temporary.write_bytes(data)
            temporary.replace(self.path / name)
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror}", where=str(self.path / name)) from None

    def _read(self, name: str, kind: type[T]) -> T:
        path = self.path / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except OSError:
            raise OutputError("holds no job to resume", where=str(self.path), remedy="start without --resume") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise OutputError(f"cannot be read: {error}", where=str(path), remedy="start anew with --force") from None


class Began(msgspec.Struct, frozen=True):
    """When the first run in a folder of runs began."""

    began: str


def study_began(parent: Path) -> date:
    """The day of the first run in this folder of runs; noted there if this is the first."""
    path = parent / STUDY
    try:
        return date.fromisoformat(msgspec.json.decode(path.read_bytes(), type=Began).began[:10])
    except (OSError, msgspec.MsgspecError, ValueError):
        today = datetime.now(UTC)
    try:
        if not path.exists():
            path.write_bytes(msgspec.json.encode(Began(today.isoformat(timespec="seconds"))))
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=str(path)) from None
    return today.date()

"""The folder of a job under way: what was asked, what is known so far, a lock.  Gone when the result stands."""

from __future__ import annotations

import fcntl
import shutil
from io import TextIOWrapper
from pathlib import Path
from typing import Generic, Self, TypeVar

import msgspec

from vertebra.bundle.files import write_whole
from vertebra.bundle.folder import check_output
from vertebra.errors import OutputError

REQUEST = "request.json"
STATE = "state.json"
LOCK = ".lock"


class Progress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every job notes of itself.

    ``replaces``: whether an earlier result may be replaced (``--force`` at the start).  ``spent``: seconds a step.
    """

    replaces: bool = False
    spent: dict[str, float] = {}


T = TypeVar("T")
Request = TypeVar("Request", bound=msgspec.Struct)
State = TypeVar("State", bound=Progress)


class HeldFolder(Generic[Request, State]):
    """``OUT.run`` beside the result that is to be; locked while a job uses it.

    ``state`` is a job's at its beginning, every field at its default; a stopped job's takes its place.
    """

    def __init__(self, out: Path, request: Request, state: State) -> None:
        self.out = out
        self.path = out.with_name(f"{out.name}.run")
        self.request = request
        self.state = state
        self._lock: TextIOWrapper | None = None

    def begun(self, *, force: bool, resume: bool) -> Self:
        """Itself, as a new folder or as the one of a stopped job; raises OutputError where that cannot be."""
        try:
            return self._resumed() if resume else self._new(force)
        except BaseException:  # Ctrl-C too: nobody else could let go of the lock
            self.release()
            raise

    def _resumed(self) -> Self:
        self._hold()
        self._take_over()
        check_output(self.out, force=self.state.replaces)
        return self

    def _new(self, force: bool) -> Self:
        check_output(self.out, force=force)
        if self.path.exists():
            self._clear(force)
        try:
            self.path.mkdir(parents=True)
        except OSError as error:
            raise OutputError(f"cannot be made: {error.strerror}", where=str(self.path)) from None
        self._hold()
        self._write(REQUEST, self.request)
        self.note(replaces=force)
        return self

    def _clear(self, force: bool) -> None:
        """Remove a stopped job; raises OutputError where that was not asked for, or is no job, or is under way."""
        if not (self.path / REQUEST).is_file():
            raise OutputError("is no folder of a job", where=str(self.path), remedy="choose another --out")
        self._hold()
        if not force:
            remedy = "go on with --resume, or start anew with --force"
            raise OutputError("holds a job that was stopped", where=str(self.path), remedy=remedy)
        self.remove()

    def _hold(self) -> None:
        """Lock the folder; raises OutputError where another process holds it."""
        try:
            self._lock = (self.path / LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError("is in use by a job under way", where=str(self.path), remedy="wait for it") from None
        except OSError:
            raise OutputError("holds no job to resume", where=str(self.path), remedy="start without --resume") from None

    def _take_over(self) -> None:
        begun = self._read(REQUEST, type(self.request))
        if begun != self.request:
            names = [
                name for name in self.request.__struct_fields__ if getattr(begun, name) != getattr(self.request, name)
            ]
            raise OutputError(
                f"was started with another {names[0].replace('_', '-')}",
                where=str(self.path),
                remedy="resume with the same arguments, or start anew with --force",
            )
        if (self.path / STATE).is_file():
            self.state = self._read(STATE, type(self.state))

    def note(self, **changes: object) -> None:
        """Keep what was found out, at once."""
        self.state = msgspec.structs.replace(self.state, **changes)
        self._write(STATE, self.state)

    @property
    def holds_work(self) -> bool:
        """Whether there is anything that was trained."""
        return any(self.path.glob("*.checkpoint"))

    def remove(self) -> None:
        """The job is done."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def remedy(self) -> str:
        """How a user goes on after a stop."""
        return f"go on with the same command and --resume (the run is in {self.path})"

    def _write(self, name: str, value: msgspec.Struct) -> None:
        write_whole(self.path / name, msgspec.json.format(msgspec.json.encode(value), indent=2))

    def _read(self, name: str, kind: type[T]) -> T:
        path = self.path / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except OSError:
            raise OutputError("holds no job to resume", where=str(self.path), remedy="start without --resume") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise OutputError(f"cannot be read: {error}", where=str(path), remedy="start anew with --force") from None

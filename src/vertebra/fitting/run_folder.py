"""The folder of a job under way: what was asked, what is done, the checkpoints.  Gone when the bundle is written."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from datetime import UTC, date, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TypeVar

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.bundle.folder import check_output
from vertebra.costs.budget import Budgets
from vertebra.errors import OutputError, UsageError
from vertebra.fitting.measuring import Latency
from vertebra.fitting.offers import Offer
from vertebra.train.checkpoint import write_whole
from vertebra.train.schedule import Plan

T = TypeVar("T")

REQUEST = "request.json"
STATE = "state.json"
STUDY = "study.json"
LOCK = ".lock"


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job was asked to do.

    ``weights``: where pretrained ones are looked for, as the user named them.  ``architecture`` and ``recipe`` (JSON)
    are given where one network is to be trained, not found, ``offer`` where it starts from weights; ``plans`` and
    ``fingerprint`` (of the weights) where it is to be trained as before.
    """

    data: str
    budgets: Budgets
    minutes: float | None
    epochs: float | None = None
    seed: int
    skip_bad: bool
    weights: tuple[str, ...] = ()
    architecture: str | None = None
    recipe: str | None = None
    offer: Offer | None = None
    fingerprint: str | None = None
    plans: tuple[Plan, ...] = ()

    def __post_init__(self) -> None:
        if type(self.seed) is not int or not 0 <= self.seed < 1 << 63:
            raise UsageError(f"{self.seed!r}", where="--seed", allowed="an integer from 0")
        for name, value in (("minutes", self.minutes), ("epochs", self.epochs)):
            if value is not None and not 0 < value < 1e6:
                raise UsageError(f"{value!r}", where=f"--{name}", allowed="a number above 0")


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate's latency as it was measured, by the plan's name."""

    name: str
    latency: Latency
    bytes: int


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a stopped job had found out: nothing of it is measured or decided twice.

    ``replaces``: whether an earlier bundle may be replaced (``--force`` at the start).  ``spent``: seconds a step.
    ``offers``: the weights that could be had (None: not looked for yet).  ``fingerprints``: SHA-256 of those that a
    contender, by its name, began with.
    """

    replaces: bool = False
    offers: tuple[Offer, ...] | None = None
    fingerprints: dict[str, str] = {}
    timed: tuple[Timed, ...] = ()
    contenders: tuple[str, ...] = ()
    round_seconds: tuple[float, ...] = ()
    final_seconds: float | None = None
    spent: dict[str, float] = {}


class RunFolder:
    """``OUT.run`` beside the bundle that is to be; locked while a job uses it."""

    def __init__(self, out: Path, request: Request) -> None:
        self.out = out
        self.path = out.with_name(f"{out.name}.run")
        self.request = request
        self.state = State()
        self._lock: TextIOWrapper | None = None

    @classmethod
    def opened(cls, out: Path, request: Request, *, force: bool, resume: bool) -> RunFolder:
        """A new folder, or the one of a stopped job; raises OutputError where that cannot be."""
        folder = cls(out, request)
        if resume:
            folder._hold()
            folder._take_over()
            check_output(out, force=folder.state.replaces)
            return folder
        check_output(out, force=force)
        if folder.path.exists():
            folder._clear(force)
        try:
            folder.path.mkdir(parents=True)
        except OSError as error:
            raise OutputError(f"cannot be made: {error.strerror}", where=str(folder.path)) from None
        folder._hold()
        folder._write(REQUEST, request)
        folder.note(replaces=force)
        return folder

    def _clear(self, force: bool) -> None:
        """Remove a stopped job; raises OutputError where that was not asked for, or is no job, or is under way."""
        if not (self.path / REQUEST).is_file():
            raise OutputError("is no folder of a job", where=str(self.path), remedy="choose another --out")
        self._hold()
        if not force:
            self.release()
            remedy = "go on with --resume, or start anew with --force"
            raise OutputError("holds a job that was stopped", where=str(self.path), remedy=remedy)
        self.remove()

    def _hold(self) -> None:
        """Lock the folder; raises OutputError where another process holds it."""
        try:
            self._lock = (self.path / LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise OutputError("is in use by a job under way", where=str(self.path), remedy="wait for it") from None
        except OSError:
            raise OutputError("holds no job to resume", where=str(self.path), remedy="start without --resume") from None

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

    def checkpoint(self, arch: Architecture, offer: Offer | None = None) -> Path:
        """Where the checkpoint of a network goes; its name, which may be anybody's, is no part of the path."""
        begun = "" if offer is None else "-" + hashlib.sha256(offer.source.encode()).hexdigest()[:8]
        return self.path / f"{arch.hash[:16]}-{arch.resolution}{begun}.checkpoint"

    @property
    def has_checkpoints(self) -> bool:
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

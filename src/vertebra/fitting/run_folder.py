"""The folder of a fit or a training under way: its request, what is known so far, the checkpoints."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.bundle.files import write_whole
from vertebra.costs.budget import Budgets
from vertebra.errors import UsageError
from vertebra.fitting.held_folder import HeldFolder, Progress
from vertebra.fitting.measuring import Latency
from vertebra.fitting.offers import Offer
from vertebra.train.schedule import Plan

STUDY = "study.json"


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


class State(Progress, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a stopped job had found out: nothing of it is measured or decided twice.

    ``offers``: the weights that could be had (None: not looked for yet).  ``fingerprints``: SHA-256 of those that a
    contender, by its name, began with.
    """

    offers: tuple[Offer, ...] | None = None
    fingerprints: dict[str, str] = msgspec.field(default_factory=dict)
    timed: tuple[Timed, ...] = ()
    contenders: tuple[str, ...] = ()
    round_seconds: tuple[float, ...] = ()
    final_seconds: float | None = None


class RunFolder(HeldFolder[Request, State]):
    """The folder of a job whose result is a bundle, with a checkpoint for each network."""

    @classmethod
    def opened(cls, out: Path, request: Request, *, force: bool, resume: bool) -> RunFolder:
        """A new folder, or the one of a stopped job; raises OutputError where that cannot be."""
        return cls(out, request, State()).begun(force=force, resume=resume)

    def checkpoint(self, arch: Architecture, offer: Offer | None = None) -> Path:
        """Where the checkpoint of a network goes; its name, which may be anybody's, is no part of the path."""
        begun = "" if offer is None else "-" + hashlib.sha256(offer.source.encode()).hexdigest()[:8]
        return self.path / f"{arch.hash[:16]}-{arch.resolution}{begun}.checkpoint"


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
    if not path.exists():
        write_whole(path, msgspec.json.encode(Began(today.isoformat(timespec="seconds"))))
    return today.date()

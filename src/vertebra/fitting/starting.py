"""How every job begins and ends: its folder, its clock, the look at the data; and what a stop leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vertebra.errors import Interrupted, OutputError, VertebraError
from vertebra.fitting.console import Watcher
from vertebra.fitting.held_folder import HeldFolder
from vertebra.fitting.job import Job
from vertebra.fitting.looking import look
from vertebra.fitting.run_folder import Request, RunFolder, study_began
from vertebra.fitting.steps import Stopwatch
from vertebra.train.device import use_own_cores
from vertebra.train.memory import keep_freed_memory


@contextmanager
def job(request: Request, out: Path, *, force: bool, resume: bool, watcher: Watcher) -> Iterator[Job]:
    """A job with its data looked at.  Whatever stops it, what was trained is kept; where nothing was, no folder stays.

    Raises OutputError for a place that is taken, DataError for data that cannot be used, Interrupted after Ctrl-C.
    """
    folder = RunFolder.opened(whole(out), request, force=force, resume=resume)
    with running(folder) as watch:
        study_began(folder.out.parent)
        with watch.step("looking at the data"):
            seen = look(request.data, seed=request.seed, skip_bad=request.skip_bad, watcher=watcher)
        yield Job(seen, folder, watch, watcher)


@contextmanager
def running(folder: HeldFolder[Any, Any]) -> Iterator[Stopwatch]:
    """The clock of a job in its folder, on the cores of this process.

    A typed error before anything was trained takes the folder away; after any other end it stays as it is, unlocked,
    with the time that was spent.  Raises Interrupted, with the way to go on, for Ctrl-C.
    """
    watch = Stopwatch(folder.state.spent)
    try:
        use_own_cores()
        keep_freed_memory()
        yield watch
    except KeyboardInterrupt:
        raise Interrupted("stopped", remedy=folder.remedy) from None
    except Interrupted:
        raise
    except VertebraError:
        if not folder.holds_work:
            folder.remove()
        raise
    finally:
        if folder.path.is_dir():
            folder.note(spent=watch.spent)
        folder.release()


def whole(out: Path) -> Path:
    """An absolute path with a name of its own; raises OutputError."""
    path = Path(os.path.abspath(out))
    if not path.name or path == Path.cwd():
        raise OutputError("is no place for a result", where=str(out) or "--out", remedy="name a new folder")
    return path

"""How every job begins and ends: its folder, its clock, the look at the data; and what a stop leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vertebra.errors import Interrupted, OutputError, VertebraError
from vertebra.fitting.console import Watcher
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
    folder = RunFolder.opened(_whole(out), request, force=force, resume=resume)
    watch = Stopwatch(folder.state.spent)
    try:
        study_began(folder.out.parent)
        use_own_cores()
        keep_freed_memory()
        with watch.step("looking at the data"):
            seen = look(request.data, seed=request.seed, skip_bad=request.skip_bad, watcher=watcher)
        yield Job(seen, folder, watch, watcher)
    except KeyboardInterrupt:
        raise Interrupted("stopped", remedy=folder.remedy) from None
    except Interrupted:
        raise
    except VertebraError:
        if not folder.has_checkpoints:
            folder.remove()
        raise
    finally:
        if folder.path.is_dir():
            folder.note(spent=watch.spent)
        folder.release()


def _whole(out: Path) -> Path:
    """An absolute path with a name of its own."""
    path = Path(os.path.abspath(out))
    if not path.name or path == Path.cwd():
        raise OutputError("is no place for a bundle", where=str(out) or "--out", remedy="name a new folder")
    return path

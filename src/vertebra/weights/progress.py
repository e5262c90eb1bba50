"""On standard error, where that is a terminal: a bar for a download, and words for a wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vertebra.weights.download import Progress


@contextmanager
def bar(name: str) -> Iterator[Progress]:
    """A callback (bytes that are there, bytes in all) that draws."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def waiting(words: str) -> Iterator[None]:
    """Words on standard error while something is waited for; nothing where that is no terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(words):
        yield

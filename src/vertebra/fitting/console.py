"""What a person sees of a long job: lines and progress bars on standard error, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console as Terminal
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

Advance = Callable[[float, float, str], None]
"""(done, total, a note beside the bar)."""


class Watcher(Protocol):
    """Whoever watches a job."""

    def say(self, line: str) -> None:
        """A sentence for the user."""

    def task(self, name: str) -> AbstractContextManager[Advance]:
        """A piece of work with a bar."""


class Quiet:
    """Nobody watches."""

    def say(self, line: str) -> None:
        pass

    @contextmanager
    def task(self, name: str) -> Iterator[Advance]:
        yield lambda done, total, note: None


class Console:
    """Lines and bars on standard error; standard output stays free for JSON."""

    def __init__(self) -> None:
        self.terminal = Terminal(stderr=True, highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """A sentence on a line of its own."""
        self.terminal.print(line, markup=False)

    @contextmanager
    def task(self, name: str) -> Iterator[Advance]:
        """A bar that goes away when the work is done; where there is no terminal, one line says what is being done."""
        if not self.terminal.is_terminal:
            self.say(f"{name} ...")
            yield lambda done, total, note: None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.terminal, transient=True) as progress:
            bar = progress.add_task(name, total=None, note="")

            def advance(done: float, total: float, note: str) -> None:
                progress.update(bar, completed=done, total=total, note=note)

            yield advance

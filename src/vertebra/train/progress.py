"""Progress in the terminal, drawn by rich."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vertebra.train.history import Point
from vertebra.train.observer import Status
from vertebra.train.tuning import Setting

REDRAW = 0.1
"""Seconds between two looks at the state of training."""


class Bars:
    """An observer that draws bars: use it as a context.  Evaluations are printed as lines above them."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[note]}"), console=console, transient=True)
        self._tasks: dict[str, TaskID] = {}
        self._drawn = 0.0
        self._note = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def loading(self, done: int, total: int) -> None:
        """Moves the bar of decoding."""
        self._move("decode", done, total, "")

    def tuned(self, setting: Setting) -> None:
        """Prints the choice."""
        speed = max((one.images_per_second for one in setting.measured), default=0)
        self._progress.console.print(f"[dim]{setting.layout}, {setting.precision}, about {speed:,.0f} images/s[/dim]")

    def stepped(self, status: Status) -> None:
        """Moves the bar of training."""
        self._move("train", status.step, status.steps, f"epoch {status.epoch:.1f}  {self._note}")

    def evaluated(self, point: Point) -> None:
        """Prints the point of the learning curve."""
        self._note = "" if point.val_accuracy is None else f"val {100 * point.val_accuracy:.2f}%"
        loss = "-" if point.train_loss is None else f"{point.train_loss:.3f}"
        line = f"epoch {point.epoch:6.2f}  {point.seconds:6.1f} s  train loss {loss}"
        if point.val_accuracy is not None:
            line += f"  val loss {point.val_loss:.3f}  val accuracy {100 * point.val_accuracy:.2f}%"
        self._progress.console.print(line, highlight=False)

    def _move(self, name: str, done: int, total: int, note: str) -> None:
        now = time.monotonic()
        if now - self._drawn < REDRAW and done < total:
            return
        self._drawn = now
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, note=note)
        self._progress.update(self._tasks[name], completed=done, total=total, note=note)

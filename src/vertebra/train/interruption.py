"""Ctrl-C at a moment when the weights are whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether the user has asked to stop.

    While ``patient`` the first Ctrl-C waits for :meth:`check`; a second one, and any where steps are slow, raises
    KeyboardInterrupt at once. ``whole`` says whether the weights stand between two steps.
    """

    def __init__(self) -> None:
        self.asked = False
        self.patient = True
        self.whole = True

    def check(self) -> None:
        """Raises KeyboardInterrupt if the user has asked to stop."""
        if self.asked:
            raise KeyboardInterrupt

    @contextmanager
    def torn(self) -> Iterator[None]:
        """Around a step; if it does not come to its end, ``whole`` stays False."""
        self.whole = False
        yield
        self.whole = True

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self.asked or not self.patient:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def heard() -> Iterator[Interruption]:
    """Ctrl-C sets ``asked`` inside this block, instead of raising somewhere in the middle of a step.

    Off the main thread, where signals cannot be handled, it is never set; a handler that is not Python's own is left.
    """
    interruption = Interruption()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield interruption
        return
    signal.signal(signal.SIGINT, interruption._handle)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)

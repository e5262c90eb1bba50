"""The books of an imagined allocator: what is allocated now, and the most at each moment."""

from __future__ import annotations

from typing import Literal

import msgspec

Phase = Literal["forward", "backward"]


class Moment(msgspec.Struct, frozen=True):
    """The most that is allocated at once while one layer (or sum, concatenation, gate) runs."""

    path: str
    phase: Phase
    bytes: int
    """Activations, their gradients and workspace; neither weights nor their gradients."""


class Buffer:
    """A block of memory, and how many refer to it."""

    __slots__ = ("bytes", "held")

    def __init__(self, size: int) -> None:
        self.bytes = size
        self.held = 1


class Ledger:
    """Buffers are taken, kept by further holders, and dropped by each; the last one frees them."""

    def __init__(self) -> None:
        self.live = 0
        self.watching = True
        """Whether what happens now belongs to a moment."""
        self._moments: list[tuple[str, Phase, int]] = []

    def begin(self, path: str, phase: Phase) -> None:
        """From here on the layer at ``path`` runs, in its forward or backward pass."""
        if not self.watching:
            return
        if not self._moments or self._moments[-1][:2] != (path, phase):
            self._moments.append((path, phase, self.live))

    def take(self, size: int) -> Buffer:
        """A new buffer, held once."""
        self.live += size
        self.briefly(0)
        return Buffer(size)

    def keep(self, buffer: Buffer) -> Buffer:
        """The buffer, held once more."""
        buffer.held += 1
        return buffer

    def drop(self, buffer: Buffer) -> None:
        """One holder less."""
        buffer.held -= 1
        if not buffer.held:
            self.live -= buffer.bytes

    def briefly(self, size: int) -> None:
        """Note that so many bytes are allocated beside what is live, and freed at once."""
        if self.watching and self._moments:
            path, phase, most = self._moments[-1]
            if self.live + size > most:
                self._moments[-1] = (path, phase, self.live + size)

    @property
    def moments(self) -> tuple[Moment, ...]:
        """What was noted, in order."""
        return tuple(Moment(*moment) for moment in self._moments)

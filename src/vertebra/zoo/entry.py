"""What the registry holds: a family with its paper, and its members with their published accuracy."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from vertebra.arch.architecture import Architecture


class Accuracy(msgspec.Struct, frozen=True):
    """A published top-1 accuracy in percent, the resolution in pixels at which it was measured, and where it stands."""

    top1: float
    resolution: int
    source: str


class Entry(msgspec.Struct, frozen=True):
    """One named architecture: how to make it, and what was published of it."""

    name: str
    make: Callable[[], Architecture]
    accuracy: Accuracy | None = None
    note: str = ""
    """Where it differs from its paper, or why no accuracy is given."""


class Family(msgspec.Struct, frozen=True):
    """A family: its paper, its idea in a sentence, its members."""

    name: str
    title: str
    year: int
    paper: str
    idea: str
    entries: tuple[Entry, ...]

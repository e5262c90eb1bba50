"""What the registry holds: a family with its paper, its members with their published figures, and who else has them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.zoo.keys import KeyMap

TORCHVISION_V1 = "torchvision IMAGENET1K_V1 weights"
"""The source of many an accuracy."""


class Accuracy(msgspec.Struct, frozen=True):
    """A published top-1 accuracy in percent, the resolution in pixels at which it was measured, and where it stands."""

    top1: float
    resolution: int
    source: str


class Published(msgspec.Struct, frozen=True):
    """Figures of a paper for a network that neither torchvision nor timm has, as the paper prints them.

    Ours must be as near as ``within``: by half of the last digit that is printed, or as the entry says why not.
    """

    source: str
    params: float | None = None
    macs: float | None = None
    digits: int = 2
    """Significant digits that are printed."""
    within: float | None = None
    """A relative tolerance, where the paper's figure is not a count of this very network."""

    def holds(self, params: int, macs: int) -> bool:
        """Whether a count is as near to every figure here as it must be."""
        pairs = [(self.params, params), (self.macs, macs)]
        return all(self._near(printed, own) for printed, own in pairs if printed is not None)

    def _near(self, printed: float, own: int) -> bool:
        if self.within is not None:
            return abs(own - printed) <= self.within * printed
        return float(f"{own:.{self.digits - 1}e}") == float(f"{printed:.{self.digits - 1}e}")


class Peer(msgspec.Struct, frozen=True):
    """The same network in another project: its name and its tensors' names there.

    ``make`` gives the variant of ours that is exactly theirs, where it differs in what no tensor shows, such as an
    epsilon; None: the entry's own.
    """

    name: str
    keys: KeyMap
    make: Callable[[], Architecture] | None = None


class Entry(msgspec.Struct, frozen=True):
    """One named architecture: how to make it, what was published of it, and where else it is found."""

    name: str
    make: Callable[[], Architecture]
    accuracy: Accuracy | None = None
    note: str = ""
    """Where it differs from its paper, in parts that semicolons divide; the first says why no accuracy is given, where
    none is.
    """
    torchvision: Peer | None = None
    timm: Peer | None = None
    published: Published | None = None

    @property
    def peers(self) -> dict[str, Peer]:
        """The projects that have it: ``torchvision``, ``timm``."""
        both = {"torchvision": self.torchvision, "timm": self.timm}
        return {source: peer for source, peer in both.items() if peer is not None}


def cifar_entry(
    name: str, make: Callable[[], Architecture], error: float, source: str, millions: float, digits: int
) -> Entry:
    """A network whose paper prints its CIFAR-10 error in percent, and its parameters in millions to so many digits."""
    published = Published(source, params=millions * 1e6, digits=digits)
    return Entry(name, make, Accuracy(round(100 - error, 2), 32, source), published=published)


class Family(msgspec.Struct, frozen=True):
    """A family: its paper, its idea in a sentence, its members."""

    name: str
    title: str
    year: int
    paper: str
    idea: str
    entries: tuple[Entry, ...]
    predecessor: str = ""
    """The family that it grew from, by its name in the registry; none for the first of a line."""
    difference: str = ""
    """What it changed of its predecessor, or of what went before, in a sentence."""

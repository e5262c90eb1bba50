"""Weights that candidates may start from: whose they are, where they lie, and what is known before they are fetched."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import from_json, to_json
from vertebra.data.preprocess import Preprocess
from vertebra.weights.catalogue import usual


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights and all that a candidate is laid out by; plain data, so that a run keeps it.

    ``source``: as ``vertebra.load`` takes it.  ``architecture``: JSON of the network that they are of, with its own
    classes, channels and resolution.  ``bytes``: of the file, as far as it is known.  ``at_hand``: nothing need be
    downloaded to try it.
    """

    name: str
    family: str
    source: str
    architecture: str
    preprocess: Preprocess
    bytes: int | None = None
    at_hand: bool = True
    licence: str | None = None

    @classmethod
    def of(
        cls,
        arch: Architecture,
        source: str,
        preprocess: Preprocess,
        *,
        name: str | None = None,
        family: str | None = None,
        size: int | None = None,
        at_hand: bool = True,
        licence: str | None = None,
    ) -> Offer:
        """From an architecture; its ``name`` is its own by default, its ``family`` its name."""
        return cls(
            name=name or arch.name,
            family=family or name or arch.name,
            source=source,
            architecture=to_json(arch),
            preprocess=preprocess,
            bytes=size,
            at_hand=at_hand,
            licence=licence,
        )

    @property
    def arch(self) -> Architecture:
        """The network that the weights are of."""
        return _decoded(self.architecture)

    @property
    def said(self) -> str:
        """The source as a report names it: of a file its last two names, since the rest is of this machine alone."""
        scheme, _, rest = self.source.partition(":")
        return "/".join(Path(rest).parts[-2:]) if scheme == "file" else self.source

    def preprocess_at(self, size: int) -> Preprocess:
        """The weights' own preprocessing for a network of ``size`` px, which sees the whole shorter side."""
        return msgspec.structs.replace(self.preprocess, size=size, resize=size)


@lru_cache(maxsize=512)
def _decoded(text: str) -> Architecture:
    return from_json(text)


def preprocess_of(arch: Architecture, naming: str = "") -> Preprocess:
    """For weights that say nothing: that of the project whose names the tensors have, else ImageNet's statistics."""
    size, found = arch.resolution, usual(arch.name, naming)
    if found is not None and arch.channels == len(found[0].mean):
        return found[0].preprocess()
    if arch.channels == 1:
        return Preprocess(size=size, resize=size, colour="grey", mean=(0.5,), std=(0.5,))
    return Preprocess(size=size, resize=size)

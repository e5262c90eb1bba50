"""A device profile: what was timed on a device at a setting, and what was learned of it."""

from __future__ import annotations

from typing import Annotated, Self

import msgspec
from msgspec import Meta

from vertebra.arch.record import brief
from vertebra.engines.device import Device
from vertebra.errors import ProfileError
from vertebra.latency.estimator import Estimator
from vertebra.latency.features import ACTS, KINDS
from vertebra.latency.pace import Milliseconds, Pace
from vertebra.latency.setting import Setting
from vertebra.latency.stored import StoredProfile
from vertebra.latency.units import Unit

VERSION = 3
"""Of the document, which rises when what it holds, or what features mean, changes; another one is refused."""


class TimedUnit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A unit and its time within networks, as the engine notes it: the median of ``times`` places where it stood.

    None where the engine did not say: it is then known from whole networks alone.
    """

    unit: Unit
    ms: Annotated[float, Meta(ge=0)] | None = None
    times: Annotated[int, Meta(ge=0)] = 0


class TimedNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network's median time.  ``units``: (place in the profile's units, how often it runs)."""

    name: str
    family: str
    whole: bool
    units: Annotated[tuple[tuple[int, int], ...], Meta(min_length=1)]
    ms: Milliseconds


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``made``: when, ISO 8601, UTC.  ``seconds``: what timing took.  ``version``: the engine's.

    ``pace`` is the machine's usual one while the networks were timed; their times are at it, however it varied.
    ``interval``: the ratios of measured to predicted times between which nine of ten networks lay that a member of the
    estimator had not learned from and predicted.
    """

    device: Device
    setting: Setting
    version: str
    made: str
    seconds: float
    pace: Pace
    units: tuple[TimedUnit, ...]
    networks: tuple[TimedNetwork, ...]
    estimator: Estimator
    interval: tuple[float, float]

    @classmethod
    def of(cls, stored: StoredProfile) -> Self:
        """The profile in a stored document; raises ProfileError for one that is corrupt, newer or older."""
        where = f"profile {stored.number}" if stored.number else "profile"
        try:
            head = msgspec.json.decode(stored.document, type=_Head)
            if head.document < 1:
                raise ProfileError(f"is corrupt: document {head.document}", where=where, remedy="build it again")
            if head.document != VERSION:
                newer = head.document > VERSION
                raise ProfileError(
                    f"was made by {'a newer' if newer else 'an older'} vertebra, as document {head.document}",
                    where=where,
                    allowed=f"document {VERSION}",
                    remedy="update vertebra" if newer else "build it again",
                )
            body = msgspec.json.decode(stored.document, type=_Document)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # ValueError: text that is none
            raise ProfileError(f"is corrupt: {error}", where=where, remedy="build it again") from None
        made = cls(
            device=stored.device,
            setting=stored.setting,
            version=stored.version,
            made=stored.made,
            **{name: getattr(body, name) for name in _FIELDS},
        )
        made._check(where)
        return made

    def stored(self) -> StoredProfile:
        """As the database and files keep it."""
        body = _Document(document=VERSION, **{name: getattr(self, name) for name in _FIELDS})
        return StoredProfile(
            device=self.device,
            setting=self.setting,
            version=self.version,
            made=self.made,
            document=msgspec.json.encode(body).decode(),
        )

    def _check(self, where: str) -> None:
        """Raise ProfileError where the parts do not fit together."""
        count = len(self.units)
        strange = next((one.unit for one in self.units if not _known(one.unit)), None)
        stray = any(not (0 <= place < count and times >= 1) for one in self.networks for place, times in one.units)
        low, high = self.interval
        if strange is not None or stray or not 0 < low <= high:
            fault = "its parts do not fit together" if strange is None else f"it knows a unit {brief(tuple(strange))}"
            raise ProfileError(f"is corrupt: {fault}", where=where, remedy="build it again")
        try:
            self.estimator.ready()
        except ProfileError as error:
            raise error.at(where) from None


def _known(unit: Unit) -> bool:
    """Whether it may stand in a network."""
    maps = all(len(shape) in (1, 3) and min(shape) >= 1 for shape in (unit.enters, unit.leaves))
    windows = min(*unit.kernel, *unit.stride, *unit.dilation, unit.groups) >= 1 and unit.joins >= 0
    return maps and windows and unit.kind in KINDS and unit.act in ("", *ACTS)


class _Head(msgspec.Struct, frozen=True):
    document: int


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The profile without what is kept beside it."""

    document: int
    seconds: float
    pace: Pace
    units: tuple[TimedUnit, ...]
    networks: tuple[TimedNetwork, ...]
    estimator: Estimator
    interval: tuple[float, float]


_FIELDS = ("seconds", "pace", "units", "networks", "estimator", "interval")

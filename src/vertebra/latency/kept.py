"""The predictor of this device, from the profile that the database keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vertebra.engines.device import Device, describe
from vertebra.errors import ProfileError, some
from vertebra.latency.database import Database, Unreadable, database_path
from vertebra.latency.predictor import Predictor
from vertebra.latency.profile import Profile
from vertebra.latency.setting import Setting
from vertebra.latency.stored import StoredProfile, chosen, identity


class Kept(NamedTuple):
    """``note`` says, where it is so, that the profile is of another device or setting than was asked for, and which
    later documents cannot be used; None where there is nothing to say.
    """

    predictor: Predictor
    stored: StoredProfile
    note: str | None


def predictor_of(setting: Setting, *, anyway: bool = False) -> Kept:
    """By the latest profile of this setting on this device; ``anyway`` takes another where there is none.

    One that is corrupt or newer is passed over where there is another.  Raises ProfileError that says which profiles
    there are, or why the one that there is cannot be used.
    """
    profiles: tuple[StoredProfile, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    if database_path().exists():  # to look makes nothing
        with Database() as database:
            profiles, unreadable = database.profiles(), database.unreadable()
    here = describe()
    faults: list[ProfileError] = []
    predictor = None
    while predictor is None:
        try:
            stored = chosen(profiles, setting, here, anyway=anyway)
        except ProfileError as error:
            raise (faults[0] if faults else _beside(error, unreadable)) from None
        try:
            predictor = Predictor.of(Profile.of(stored))
        except ProfileError as error:
            faults.append(error)
            profiles = tuple(one for one in profiles if one is not stored)
    notes = [f"{fault.where} is passed over: {fault.what}" for fault in faults]
    return Kept(predictor, stored, "; ".join([*_foreign(stored, setting, here), *notes]) or None)


def _foreign(stored: StoredProfile, setting: Setting, here: Device) -> list[str]:
    """A line where the profile is another's."""
    others = []
    if stored.setting != setting:
        others.append(f"setting: {stored.setting}")
    if identity(stored.device) != identity(here):
        others.append(f"device: {stored.device}")
    return [f"predicted by a profile of another {'; of another '.join(others)}"] if others else []


def _beside(error: ProfileError, unreadable: Sequence[Unreadable]) -> ProfileError:
    """The error that no profile fits, which one of those that cannot be read might have done."""
    if not unreadable:
        return error
    which = some([f"profile {one.number}" for one in unreadable])
    what = f"{error.what}; {which} cannot be read (see `vertebra profile list`)"
    return ProfileError(what, allowed=error.allowed, remedy=error.remedy)

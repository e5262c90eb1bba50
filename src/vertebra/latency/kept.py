"""The predictor of this device, from the profile that the database keeps."""

from __future__ import annotations

from typing import NamedTuple

from vertebra.engines.device import describe
from vertebra.latency.database import Database, database_path
from vertebra.latency.predictor import Predictor
from vertebra.latency.profile import Profile
from vertebra.latency.setting import Setting
from vertebra.latency.stored import StoredProfile, chosen, identity


class Kept(NamedTuple):
    """``foreign`` says, where it is so, that the profile is of another device or setting than was asked for."""

    predictor: Predictor
    stored: StoredProfile
    foreign: str | None


def predictor_of(setting: Setting, *, anyway: bool = False) -> Kept:
    """By the latest profile of this setting on this device; ``anyway`` takes another where there is none.

    Raises ProfileError that says which profiles there are, or that the database or the profile is corrupt or newer.
    """
    profiles: tuple[StoredProfile, ...] = ()
    if database_path().exists():  # to look makes nothing
        with Database() as database:
            profiles = database.profiles()
    stored = chosen(profiles, setting, describe(), anyway=anyway)
    others = []
    if stored.setting != setting:
        others.append(f"setting: {stored.setting}")
    if identity(stored.device) != identity(describe()):
        others.append(f"device: {stored.device}")
    foreign = f"predicted by a profile of another {'; of another '.join(others)}" if others else None
    return Kept(Predictor.of(Profile.of(stored)), stored, foreign)

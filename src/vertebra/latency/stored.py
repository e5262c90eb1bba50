"""Profiles as they are kept and sent: an opaque document with the device and the setting that it is of."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from vertebra.engines.device import Device
from vertebra.errors import EngineError, ProfileError
from vertebra.latency.setting import Setting

FORMAT = "vertebra-profile"
VERSION = 1
"""Of the file; a newer one is refused."""

MOST_BYTES = 64 << 20
"""Of a file that is imported."""

REMEDY = "give a file of `vertebra profile export`"


class StoredProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile: ``document`` (JSON) says what was learned of ``device`` at ``setting``.

    ``number`` is its own in the database (0: not kept yet), ``version`` the engine's, ``made`` when, in ISO 8601, UTC.
    """

    number: int = 0
    device: Device
    setting: Setting
    version: str
    made: str
    document: str


class _Head(msgspec.Struct, frozen=True):
    format: str = ""
    version: int = 0


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    version: int
    device: Device
    setting: Setting
    engine: str
    made: str
    document: msgspec.Raw
    sha256: str


def identity(device: Device) -> str:
    """What makes it the same device: processor, cores and instruction sets.

    Memory and the system's version may change and latencies stay.
    """
    return msgspec.json.encode([device.processor, device.cores, sorted(device.instruction_sets)]).decode()


def chosen(
    profiles: Sequence[StoredProfile], setting: Setting, device: Device, *, anyway: bool = False
) -> StoredProfile:
    """The latest profile of this setting on this device.

    ``anyway`` takes, where there is none, the latest of this setting from another device, or else of this device, or
    else of all.  Raises ProfileError that says what there is instead.
    """
    here = [one for one in profiles if identity(one.device) == identity(device)]
    fitting = [one for one in here if one.setting == setting]
    if fitting:
        return fitting[-1]
    of_setting = [one for one in profiles if one.setting == setting]
    others = of_setting or here or list(profiles)
    if not others:
        raise ProfileError(f"there is no profile of {setting}", remedy="make one with `vertebra profile build`")
    latest = others[-1]
    if anyway:
        return latest
    what = f"of another device, {latest.device}" if of_setting else f"of another setting, {latest.setting}"
    raise ProfileError(
        f"there is no profile of {setting} on this device: number {latest.number} is {what}",
        remedy="make one with `vertebra profile build`, or use that one --anyway",
    )


def file_text(profile: StoredProfile) -> str:
    """A profile as the JSON file that other machines import."""
    fields = _fields(profile.device, profile.setting, profile.version, profile.made, profile.document)
    return msgspec.json.format(msgspec.json.encode({**fields, "sha256": _digest(fields)}), indent=1).decode() + "\n"


def from_file(text: bytes, where: str) -> StoredProfile:
    """The profile in a file, verified; raises ProfileError for one that is none, that was changed, or that is newer."""
    if len(text) > MOST_BYTES:
        raise ProfileError(f"is larger than {MOST_BYTES >> 20} MiB", where=where)
    try:
        head = msgspec.json.decode(text, type=_Head)
        if head.format != FORMAT:
            raise ProfileError("is no profile", where=where, remedy=REMEDY)
        if head.version > VERSION:
            what = f"was written by a newer vertebra, as version {head.version}"
            raise ProfileError(what, where=where, allowed=f"version {VERSION}", remedy="update vertebra")
        file = msgspec.json.decode(text, type=_File)
        document = canonical(bytes(file.document))
        fields = _fields(file.device, file.setting, file.engine, file.made, document)
        intact = head.version == VERSION and file.sha256 == _digest(fields)
    except (msgspec.MsgspecError, EngineError, ValueError, OverflowError, RecursionError) as error:
        raise ProfileError(f"is no profile: {error}", where=where, remedy=REMEDY) from None
    if not intact:
        what = "was changed after it was exported: its checksum differs"
        raise ProfileError(what, where=where, remedy="export it again")
    return StoredProfile(
        device=file.device, setting=file.setting, version=file.engine, made=file.made, document=document
    )


def _fields(device: Device, setting: Setting, engine: str, made: str, document: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "device": device,
        "setting": setting,
        "engine": engine,
        "made": made,
        "document": msgspec.json.decode(document),
    }


def _digest(fields: dict[str, Any]) -> str:
    """Of what is said, not of how it is laid out."""
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()


def canonical(document: str | bytes) -> str:
    """JSON in the one way in which it is kept."""
    return msgspec.json.encode(msgspec.json.decode(document), order="sorted").decode()


def read_file(path: Path) -> bytes:
    """The bytes of a profile's file; raises ProfileError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise ProfileError(f"cannot be read: {getattr(error, 'strerror', error)}", where=str(path)) from None

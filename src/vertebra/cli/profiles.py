"""The verbs profile ...: what was learned of devices, listed, sent and forgotten."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vertebra.cli.measuring import Batch, Engine, Precision, Threads
from vertebra.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from vertebra.latency.database import Unreadable
    from vertebra.latency.stored import StoredProfile

Number = Annotated[int, typer.Argument(help="The profile's number in `vertebra profile list`.")]

group = typer.Typer(no_args_is_help=True, help="Latency profiles of devices: make, list, send, take over, forget.")


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.add_typer(group, name="profile")


@group.command()
def build(
    minutes: Annotated[float, typer.Option(help="For timing and learning; five make a good one.")] = 5.0,
    engine: Engine = "onnxruntime",
    precision: Precision = "fp32",
    batch: Batch = 1,
    threads: Threads = None,
    json: Json = False,
) -> None:
    """Time random networks for some minutes and learn what their parts take, for `vertebra predict-latency`."""
    from vertebra.cli.progress import bar
    from vertebra.data.threads import cores
    from vertebra.errors import UsageError
    from vertebra.latency.building import MOST_SECONDS
    from vertebra.latency.building import build as built
    from vertebra.latency.database import Database
    from vertebra.latency.load import between, moment
    from vertebra.latency.setting import Setting

    setting = Setting(engine=engine, precision=precision, batch=batch, threads=cores() if threads is None else threads)
    if not 1 <= 60 * minutes <= MOST_SECONDS:
        raise UsageError(f"{minutes:g}", where="--minutes", allowed=f"from 0.02 to {MOST_SECONDS // 60:,}")
    start = moment()
    with Database() as database:  # opened first: a fault of it is told before minutes are spent
        with bar("timing networks", quiet=json) as progress:
            made = built(setting, seconds=60 * minutes, progress=progress, say=_noted)
        load = between(start, moment())
        kept = database.put(made.stored())
    low, high = made.interval
    said = {
        "networks": len(made.networks),
        "units": len(made.units),
        "seconds": made.seconds,
        "interval": made.interval,
    }
    if json:
        print_json({**_row(kept), **said, "warnings": load.warnings})
        return
    for warning in load.warnings:
        print(f"note: {warning}; build it again when it is quiet", file=sys.stderr)
    print(f"profile {kept.number}: {setting}, {len(made.networks):,} networks and {len(made.units):,} kinds of units")
    print(f"nine of ten networks that half of it had not seen took {low:.2f} to {high:.2f} times what that predicts")


def _noted(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)


@group.command("list")
def list_(json: Json = False) -> None:
    """Every profile in the database, the oldest first."""
    from vertebra.latency.database import Database, database_path

    found: tuple[StoredProfile, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    if database_path().exists():
        with Database() as database:
            found, unreadable = database.profiles(), database.unreadable()
    faults = {one.number: str(one.fault) for one in unreadable} | _faults(found)
    if json:
        nothing = dict.fromkeys(("setting", "engine", "made", "device"))
        rows = [_row(one) for one in found] + [{"number": one.number, **nothing} for one in unreadable]
        rows.sort(key=lambda row: row["number"])
        print_json([{**row, "fault": faults.get(row["number"])} for row in rows])
        return
    if not found and not unreadable:
        print("no profiles yet: make one with `vertebra profile build`")
        return
    if found:
        print_table(
            ("number", "setting", "engine", "made", "device"),
            ((one.number, one.setting, one.version, one.made, one.device) for one in found),
        )
    for number, fault in sorted(faults.items()):
        print(f"{fault}, or `vertebra profile remove {number}`")


@group.command()
def export(
    number: Number,
    file: Annotated[Path, typer.Argument(help="The .json file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    json: Json = False,
) -> None:
    """Write a profile to one JSON file, for another machine."""
    from vertebra.bundle.files import check_free, write_whole
    from vertebra.latency.database import Database
    from vertebra.latency.stored import file_text

    check_free(file, force=force)
    with Database() as database:
        found = database.profile(number)
    write_whole(file, file_text(found))
    _said(found, f"written to {file}", json, file=str(file))


@group.command("import")
def import_(file: Annotated[Path, typer.Argument(help="A file of `vertebra profile export`.")],
            json: Json = False) -> None:  # fmt: skip
    """Verify an exported profile and keep it, with the device that it is of."""
    from vertebra.engines.device import describe
    from vertebra.errors import ProfileError
    from vertebra.latency.database import Database
    from vertebra.latency.predictor import Predictor
    from vertebra.latency.profile import Profile
    from vertebra.latency.stored import from_file, identity, read_file

    profile = from_file(read_file(file), str(file))
    try:
        Predictor.of(Profile.of(profile))  # what cannot predict is not kept
    except ProfileError as error:
        raise ProfileError(error.what, where=str(file), allowed=error.allowed, remedy=error.remedy) from None
    with Database() as database:
        found = database.put(profile)
    here = identity(found.device) == identity(describe())
    note = "" if here else "; it is of another device, so using it here needs --anyway"
    _said(found, f"kept as number {found.number}{note}", json)


@group.command()
def remove(number: Number, json: Json = False) -> None:
    """Forget a profile."""
    from vertebra.latency.database import Database
    from vertebra.latency.stored import StoredProfile

    with Database() as database:
        found = database.remove(number)
    if isinstance(found, StoredProfile):
        _said(found, "removed", json)
    elif json:
        print_json({"number": number, "fault": str(found.fault)})
    else:
        print(f"profile {number}, which could not be read: removed")


def _faults(profiles: Sequence[StoredProfile]) -> dict[int, str]:
    """Of those whose documents cannot be read, by their numbers."""
    from vertebra.errors import ProfileError
    from vertebra.latency.profile import Profile

    found = {}
    for one in profiles:
        try:
            Profile.of(one)
        except ProfileError as error:
            found[one.number] = str(error)
    return found


def _said(profile: StoredProfile, what: str, json: bool, **more: str) -> None:
    if json:
        print_json({**_row(profile), **more})
        return
    print(f"profile of {profile.setting} on {profile.device.processor}: {what}")


def _row(profile: StoredProfile) -> dict[str, Any]:
    return {
        "number": profile.number,
        "setting": profile.setting,
        "engine": profile.version,
        "made": profile.made,
        "device": profile.device,
    }

"""The verb predict-latency: what a network would take, without running it."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from vertebra.cli.measuring import Batch, Engine, Names, Precision, Resolution, Threads
from vertebra.cli.output import Blocks, Json, architectures_of, print_json, print_table

Anyway = Annotated[
    bool, typer.Option("--anyway", help="Use a profile of another device or setting where there is none of these.")
]
Units = Annotated[bool, typer.Option("--units", help="Also the units that take longest.")]
SHOWN = 12


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command("predict-latency")(predict_latency)


def predict_latency(
    names: Names,
    engine: Engine = "onnxruntime",
    precision: Precision = "fp32",
    batch: Batch = 1,
    threads: Threads = None,
    resolution: Resolution = None,
    anyway: Anyway = False,
    units: Units = False,
    json: Json = False,
    blocks: Blocks = None,
) -> None:
    """Latency by the profile of this device (`vertebra profile build`), with the interval that nine of ten lie in."""
    from vertebra.data.threads import cores
    from vertebra.latency.kept import predictor_of
    from vertebra.latency.measure import named
    from vertebra.latency.setting import Setting

    archs = architectures_of(names, blocks)
    setting = Setting(engine=engine, precision=precision, batch=batch, threads=cores() if threads is None else threads)
    kept = predictor_of(setting, anyway=anyway)
    rows: list[dict[str, Any]] = []
    for arch in archs:
        with named(arch):
            found = kept.predictor.predict(arch, resolution)
        row: dict[str, Any] = {"name": arch.name, "resolution": resolution or arch.resolution}
        row |= {"ms": found.ms, "low_ms": found.low, "high_ms": found.high}
        if units:
            times = sorted(kept.predictor.units(arch, resolution).items(), key=lambda pair: -pair[1])
            row["units"] = [unit._asdict() | {"ms": ms} for unit, ms in times]
            row["beside"] = kept.predictor.beside(arch, resolution)
        rows.append(row)
    if json:
        stored = {"number": kept.stored.number, "setting": kept.stored.setting, "device": kept.stored.device}
        print_json({"predictions": rows, "profile": stored, "note": kept.note})
        return
    if kept.note:
        print(f"note: {kept.note}", file=sys.stderr)
    print_table(
        ("name", "px", "ms", "from", "to"),
        ((r["name"], r["resolution"], *(f"{r[key]:.3g}" for key in ("ms", "low_ms", "high_ms"))) for r in rows),
    )
    for row in rows if units else ():
        print(f"\n{row['name']}: what takes longest")
        print_table(
            ("unit", "enters", "leaves", "kernel", "stride", "groups", "act", "ms"),
            (
                (
                    one["kind"],
                    _extents(one["enters"]),
                    _extents(one["leaves"]),
                    _extents(one["kernel"]),
                    _extents(one["stride"]),
                    one["groups"],
                    one["act"] or "-",
                    f"{one['ms']:.3g}",
                )
                for one in row["units"][:SHOWN]
            ),
        )
        beside = row["beside"]
        print(
            f"beside its units: a run's start {beside.start_ms:.3g} ms, streaming weights {beside.streaming_ms:.3g} ms"
        )
    print(f"\nprofile {kept.stored.number}: {kept.stored.setting}, {kept.stored.device.processor}")


def _extents(values: tuple[int, ...]) -> str:
    return " x ".join(str(value) for value in values)

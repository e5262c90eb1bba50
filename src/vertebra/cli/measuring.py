"""The verb measure: how long networks take on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vertebra.cli.output import Blocks, Json, architectures_of, print_json, print_table

if TYPE_CHECKING:
    from vertebra.latency.database import Database
    from vertebra.latency.measure import Measurement

Names = Annotated[
    list[str], typer.Argument(help="Names, aliases, patterns such as 'resnet*', .json and .yaml files, or bundles.")
]
Engine = Annotated[str, typer.Option(help="onnxruntime, openvino, torch (eager) or torch.compile.")]
Precision = Annotated[str, typer.Option(help="fp32, or bf16 where the engine has it.")]
Batch = Annotated[int, typer.Option(help="Images at once.")]
Threads = Annotated[int | None, typer.Option(help="Threads of the engine; all cores by default.")]
Resolution = Annotated[int | None, typer.Option(help="Side of the image in px; each network's own by default.")]
Seconds = Annotated[float, typer.Option(help="Of timed calls, for each network.")]
NoStore = Annotated[bool, typer.Option("--no-store", help="Leave the database of measurements as it is.")]


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(measure)


def measure(
    names: Names,
    engine: Engine = "onnxruntime",
    precision: Precision = "fp32",
    batch: Batch = 1,
    threads: Threads = None,
    resolution: Resolution = None,
    seconds: Seconds = 1.0,
    json: Json = False,
    no_store: NoStore = False,
    blocks: Blocks = None,
) -> None:
    """Median latency on this machine: warmed up, timed in turn with one another, stored with device and versions."""
    from contextlib import AbstractContextManager, nullcontext

    from vertebra.cli.progress import bar
    from vertebra.data.threads import cores
    from vertebra.errors import VertebraError
    from vertebra.latency.database import Database
    from vertebra.latency.measure import measure as measured
    from vertebra.latency.setting import Setting

    archs = architectures_of(names, blocks)
    setting = Setting(engine=engine, precision=precision, batch=batch, threads=cores() if threads is None else threads)
    opened: AbstractContextManager[Database | None] = nullcontext() if no_store else Database()
    with opened as database, bar("measuring", quiet=json) as progress:
        store = _Store(database, len(archs))
        try:
            found = measured(archs, setting, resolution=resolution, seconds=seconds, keep=store.keep, progress=progress)
        except KeyboardInterrupt:
            raise store.interrupted() from None
        except VertebraError:
            if store.kept:
                print(f"note: {store.said}", file=sys.stderr)
            raise
    warnings = list(dict.fromkeys(warning for one in found for warning in one.load.warnings))
    for warning in warnings:
        print(f"note: {warning}; measure again when it is quiet", file=sys.stderr)
    if json:
        stored = str(database.path) if database is not None else None
        print_json({"measurements": found, "warnings": warnings, "stored": stored})
        return
    _show(found)


class _Store:
    """Keeps what is measured as soon as it is."""

    def __init__(self, database: Database | None, wanted: int) -> None:
        self.database = database
        self.wanted = wanted
        self.kept = 0

    def keep(self, measurements: tuple[Measurement, ...]) -> None:
        if self.database is not None:
            self.database.add(measurements)
            self.kept += len(measurements)

    def interrupted(self) -> Exception:
        from vertebra.errors import Interrupted

        if self.database is None:
            return Interrupted("stopped: nothing was to be stored")
        return Interrupted(f"stopped: {self.said}")

    @property
    def said(self) -> str:
        return f"{self.kept} of {self.wanted} networks are measured and stored"


def _show(found: tuple[Measurement, ...]) -> None:
    from vertebra.latency.engines import ENGINES

    first = found[0]
    print_table(
        ("name", "px", "median ms", "p10", "p90", "spread", "calls", "warm-up"),
        (
            (
                one.name,
                one.resolution,
                f"{one.median_ms:.3f}",
                f"{one.p10_ms:.3f}",
                f"{one.p90_ms:.3f}",
                f"{100 * one.spread:.1f}%",
                one.n,
                one.warmup,
            )
            for one in found
        ),
    )
    print(f"\n{first.setting}: {ENGINES[first.setting.engine].how} ({first.version})\n{first.device}")

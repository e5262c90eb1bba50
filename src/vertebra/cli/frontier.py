"""The verb frontier: the best of thousands of scaled networks for each budget."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vertebra.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from vertebra.arch.architecture import Architecture
    from vertebra.latency.predictor import Predictor
    from vertebra.scale.frontier import Frontier

SHOWN = 5
"""Families that the table shows for each budget."""

Families = Annotated[str | None, typer.Option(help="Only these families: resnet,efficientnet.")]
Latency = Annotated[str | None, typer.Option(help="Predicted latency by this device's profile: 1ms..50ms, or 8ms.")]
Macs = Annotated[str | None, typer.Option(help="Multiply-accumulates: 100M..2G, or 600M.")]
Params = Annotated[str | None, typer.Option(help="Parameters: 1M..20M, or 10M.")]
Activations = Annotated[str | None, typer.Option(help="Activations (conv outputs): 5M.")]
Classes = Annotated[int, typer.Option(min=1, help="Outputs of every network.")]
Resolution = Annotated[
    str | None, typer.Option(help="Sides in px: 224, or 96..320; around each network's own by default.")
]
Number = Annotated[int, typer.Option("--variants", min=1, max=1_000_000, help="About how many are laid out.")]
Engine = Annotated[str, typer.Option(help="Of the latency: onnxruntime, openvino, torch or torch.compile.")]
Precision = Annotated[str, typer.Option(help="Of the latency: fp32 or bf16.")]
Batch = Annotated[int, typer.Option(help="Of the latency: images at once.")]
Threads = Annotated[int | None, typer.Option(help="Of the latency; all cores by default.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Take a profile of another device or setting too.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page whose scatter answers to the pointer.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Write the picture: .svg, .png or .pdf.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(frontier)


def frontier(
    families: Families = None,
    latency: Latency = None,
    macs: Macs = None,
    params: Params = None,
    activations: Activations = None,
    classes: Classes = 1000,
    resolution: Resolution = None,
    variants: Number = 5000,
    engine: Engine = "onnxruntime",
    precision: Precision = "fp32",
    batch: Batch = 1,
    threads: Threads = None,
    anyway: Anyway = False,
    html: Html = None,
    plot: Plot = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Thousands of scaled variants of all families, and which hold the most for what they cost: no training needed."""
    from vertebra.cli.progress import waiting
    from vertebra.costs.budget import parse_range
    from vertebra.data.threads import cores
    from vertebra.latency.kept import predictor_of
    from vertebra.latency.setting import Setting
    from vertebra.latency.sweep import Sweep
    from vertebra.scale.bases import families_named
    from vertebra.scale.frontier import frontier as found_frontier
    from vertebra.scale.grid import sides_of

    if html is not None or plot is not None:
        from vertebra.report.picture import check_places

        check_places(html, plot, force=force)
    asked = {"latency": latency, "macs": macs, "params": params, "activations": activations}
    limits: Any = {name: parse_range(name, value) for name, value in asked.items() if value is not None}
    wanted = families_named(None if families is None else [name.strip() for name in families.split(",")])
    sides = None if resolution is None else sides_of(resolution)
    clock, interval, note = None, None, ""
    if latency is not None:
        kept = predictor_of(
            Setting(engine=engine, precision=precision, batch=batch, threads=cores() if threads is None else threads),
            anyway=anyway,
        )
        clock, interval = Sweep.of(kept.predictor.profile), partial(_interval, kept.predictor)
        note = f"{kept.stored.setting}, {kept.stored.device.processor}"
        if kept.note:
            print(f"note: {kept.note}", file=sys.stderr)
    what = "costing" if clock is None else "costing and timing by prediction"
    with waiting(f"{what} about {variants:,} variants", quiet=json):
        found = found_frontier(
            wanted, limits=limits, clock=clock, interval=interval, variants=variants, classes=classes, sides=sides
        )
    if html is not None or plot is not None:
        from vertebra.report.frontier_page import write

        write(found, html, plot, note=note, force=force)
    _say(found, note, json=json)


def _interval(predictor: Predictor, arch: Architecture) -> tuple[float, float]:
    found = predictor.predict(arch)
    return found.low, found.high


def _say(found: Frontier, note: str, *, json: bool) -> None:
    from vertebra.report import frontier_view as view

    if json:
        bracket, variants = found.bracket, found.variants
        front = [
            view.row(variants.variant(place), bracket.above_of(place), bracket.below_of(place))
            for place in map(int, found.places)
        ]
        rows = [
            {"budget": one.budget, "interval_ms": one.interval, **view.row(one.variant, one.above, one.below)}
            for one in found.best
        ]
        print_json(
            {
                "paid": found.paid, "held": found.held, "note": note, "laid_out": found.laid_out,
                "within": found.reached, "budgets": found.budgets, "best": rows, "frontier": front,
            }
        )  # fmt: skip
        return
    lines: list[tuple[str, ...]] = []
    for budget, best in view.rows_by_budget(found):
        label = view.budget_said(found.paid, budget)
        shown = [(label if not place else "", *view.cells(found, one)) for place, one in enumerate(best[:SHOWN])]
        lines += shown or [(label, "nothing costs so little", *"-" * (len(view.head(found)) - 2))]
    print_table(view.head(found), lines)
    if any(len(best) > SHOWN for _, best in view.rows_by_budget(found)):
        print(f"\n{SHOWN} families for each budget; all of them: --html FILE or --json")
    print(f"\n{view.summary(found, note)}")

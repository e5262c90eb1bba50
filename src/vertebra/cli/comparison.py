"""The verb that sets networks beside one another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vertebra.cli.output import (
    Blocks,
    Json,
    architecture_of,
    is_bundle,
    is_file_name,
    print_json,
    print_table,
    run_blocks,
)

Names = Annotated[
    list[str], typer.Argument(help="Names, aliases, patterns such as 'resnet*', .json and .yaml files, or bundles.")
]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page with the table and the scatter.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Write the scatter with its frontier: .svg, .png or .pdf.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(compare)


def compare(
    names: Names,
    json: Json = False,
    html: Html = None,
    plot: Plot = None,
    force: Force = False,
    blocks: Blocks = None,
) -> None:
    """The table that papers print, recomputed: each network at the resolution at which its accuracy was measured."""
    from vertebra.report.comparison import HEAD, best_said, cells, ideas
    from vertebra.report.comparison import compare as compared

    run_blocks(blocks)
    rows = compared(names, lambda name: architecture_of(name) if is_file_name(name) or is_bundle(name) else None)
    if html is not None or plot is not None:
        from vertebra.report.comparison_page import write

        write(rows, html, plot, force=force)
    if json:
        print_json(rows)
        return
    print_table(HEAD, (cells(one) for one in rows))
    if any(one.frontier for one in rows):
        print(f"\n* {best_said(rows)}")
    for family, idea in ideas(rows):
        print(f"\n{family}: {idea}" if family else f"\n{idea}")

"""Verbs on what networks cost: cost, diff."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeVar, get_args

import typer

from vertebra.cli.architectures import Name
from vertebra.cli.output import Blocks, Json, architecture_of, print_json, print_table
from vertebra.errors import UsageError

Precision = Annotated[str, typer.Option(help="Of the values in memory: fp32, bf16, fp16 or int8.")]
Batch = Annotated[int, typer.Option(help="Images at once in memory; every other figure is for one image.")]
Checkpointing = Annotated[
    str, typer.Option(help="What training runs again in place of keeping its values: none, block or stage.")
]
Resolution = Annotated[int | None, typer.Option(help="Side of the image in px; each architecture's own by default.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page with pictures of where the cost sits.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a page that exists.")]

W = TypeVar("W", bound=str)


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(cost)
    app.command()(diff)


def cost(
    name: Name,
    resolution: Resolution = None,
    per: Annotated[str, typer.Option(help="whole, kind, stage or layer: what has a line of its own.")] = "stage",
    batch: Batch = 1,
    precision: Precision = "fp32",
    checkpointing: Checkpointing = "none",
    html: Html = None,
    force: Force = False,
    json: Json = False,
    blocks: Blocks = None,
) -> None:
    """Parameters, MACs (multiply-accumulates), activations (conv outputs), bytes moved and peak memory, counted."""
    from vertebra.costs.memory import Checkpointing as Checkpoints
    from vertebra.costs.precision import BYTES
    from vertebra.report import cost_table as tables
    from vertebra.report.cost_data import Per, cost_data
    from vertebra.report.cost_profile import profiled

    level: Per = one_of(per, get_args(Per), "--per")
    of = profiled(
        architecture_of(name, blocks),
        resolution=resolution,
        batch=batch,
        precision=one_of(precision, BYTES, "--precision"),
        checkpointing=one_of(checkpointing, get_args(Checkpoints), "--checkpointing"),
    )
    if html is not None:
        from vertebra.report.cost_page import write

        write(of, html, force=force)
    if json:
        print_json(cost_data(of, level))
        return
    if level == "whole":
        print_table(tables.WHOLE_HEAD, tables.whole_rows(of))
        return
    if level == "kind":
        print_table(tables.KIND_HEAD, tables.kind_rows(of))
        print("\nmoved: bytes in fp32, one image")
        return
    head, rows = (
        (tables.STAGE_HEAD, tables.stage_rows(of)) if level == "stage" else (tables.LAYER_HEAD, tables.layer_rows(of))
    )
    print_table(head, [*rows, tables.total_row(of)])
    print(f"\nmoved: bytes in fp32, one image; field: {tables.FIELD}; peaks: {tables.conditions(of.memory)}")


def diff(
    before: Annotated[str, typer.Argument(help="A registered name, or a .json or .yaml file.")],
    after: Annotated[str, typer.Argument(help="Another one.")],
    resolution: Resolution = None,
    per: Annotated[str, typer.Option(help="block or layer: what has a line of its own.")] = "block",
    json: Json = False,
    blocks: Blocks = None,
) -> None:
    """What differs between two architectures, node by node, and what each difference adds to the cost."""
    from vertebra.costs.difference import difference
    from vertebra.report import difference_table as tables
    from vertebra.report.cost_data import difference_data
    from vertebra.report.cost_table import conditions

    level = one_of(per, ("block", "layer"), "--per")
    found = difference(architecture_of(before, blocks), architecture_of(after), resolution=resolution)
    if json:
        print_json(difference_data(found))
        return
    names = found.names if len(set(found.names)) == 2 else (before, after)  # a changed copy often keeps the name
    print_table(("", *names, "difference", ""), tables.total_rows(found))
    rows = tables.rows(found.layers if level == "layer" else found.changes)
    if not rows:
        print("\nno difference")
        return
    print()
    print_table(tables.HEAD, rows)
    print(f"\n{tables.legend(rows)}; peaks: {conditions(found.before.memory)}")
    if level == "block":
        print("each layer: --per layer; all of it: --json")


def one_of(given: str, allowed: Iterable[W], option: str) -> W:
    """The word that was given; raises UsageError where it is none of the allowed ones."""
    words = tuple(allowed)
    for word in words:
        if word == given:
            return word
    raise UsageError(f"{given!r} is not known", where=option, allowed=", ".join(words))

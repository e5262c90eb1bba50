"""Verbs on architectures: list, show, schema."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from vertebra.cli.output import (
    Blocks,
    Json,
    architecture_of,
    fits,
    nothing_fits,
    print_json,
    print_table,
    run_blocks,
)
from vertebra.errors import UsageError

Name = Annotated[str, typer.Argument(help="A registered name, or a .json or .yaml file.")]


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command("list")(list_)
    app.command()(show)
    app.command()(schema)


def list_(
    pattern: Annotated[str, typer.Argument(help="Only names and aliases that hold this, or fit it: 'resnet*'.")] = "",
    json: Json = False,
) -> None:
    """Every architecture: family, year, parameters and MACs at its own resolution, published accuracy, aliases."""
    from vertebra.costs.count import cost as cost_of
    from vertebra.report.text import short
    from vertebra.zoo.registry import aliases, architecture, families, names

    rows: list[dict[str, Any]] = []
    for family in families():
        for entry in family.entries:
            peers = {source: peer.name for source, peer in entry.peers.items()}
            if not fits(pattern, entry.name, *peers.values()):
                continue
            arch = architecture(entry.name)
            costs = cost_of(arch)
            published = entry.accuracy
            rows.append(
                {
                    "name": entry.name,
                    "family": family.name,
                    "year": family.year,
                    "params": costs.params,
                    "macs": costs.macs,
                    "resolution": arch.resolution,
                    "top1": published and published.top1,
                    "top1_resolution": published and published.resolution,
                    "top1_source": published and published.source,
                    "paper": family.paper,
                    "idea": family.idea,
                    "note": entry.note,
                    "peers": peers,
                }
            )
    if not rows:
        raise nothing_fits(pattern, "architecture", [*names(), *aliases()], "vertebra list")
    if json:
        print_json(rows)
        return
    print_table(
        ("name", "family", "year", "params", "MACs", "px", "top-1", "also", "source"),
        (
            (r["name"], r["family"], r["year"], short(r["params"]), short(r["macs"]), r["resolution"], *_published(r))
            for r in rows
        ),
    )


def _published(row: dict[str, Any]) -> tuple[str, str, str]:
    """Top-1, the network's names elsewhere, the source of the accuracy or why there is none."""
    from vertebra.report.comparison import percent

    also = ", ".join(sorted({name for name in row["peers"].values() if name != row["name"]})) or "-"
    if row["top1"] is None:
        return "-", also, row["note"].partition("; ")[0]
    return percent(row["top1"]), also, row["top1_source"]


def show(name: Name, json: Json = False, yaml: Annotated[bool, typer.Option(help="Print YAML.")] = False,
         blocks: Blocks = None) -> None:  # fmt: skip
    """An architecture: its stages as a table, or as the JSON or YAML that describes it."""
    from vertebra.arch import codec

    if json and yaml:
        raise UsageError("both --json and --yaml are given", allowed="one of them")
    arch = architecture_of(name, blocks)
    if json or yaml:
        print((codec.to_yaml(arch) if yaml else codec.to_json(arch)).rstrip())
        return
    print(arch)
    print(f"\nhash  {arch.hash}")
    from vertebra.zoo.registry import aliases, entry, names

    if name in names() or name in aliases():
        family, one = entry(name)
        print(f"paper {family.paper}\nidea  {family.idea}")
        if one.accuracy is not None:
            print(f"top-1 {one.accuracy.top1}% at {one.accuracy.resolution} px ({one.accuracy.source})")
        if one.peers:
            print(f"peers {', '.join(f'{source} {peer.name}' for source, peer in one.peers.items())}")
        if one.note:
            print(f"note  {one.note}")


def schema(
    json: Annotated[bool, typer.Option("--json", help="On one line; it is JSON either way.")] = False,
    blocks: Blocks = None,
) -> None:
    """The JSON Schema of architecture files, with your own blocks if you name their file."""
    from vertebra.arch.schema import json_schema

    run_blocks(blocks)
    if json:
        print_json(json_schema())
        return
    print(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode())

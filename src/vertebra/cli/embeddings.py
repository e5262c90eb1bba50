"""The verb features: a vector for each picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vertebra.cli.output import Json, print_json


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(features)


def features(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A bundle, a saved network, or a registered name with --weights.")
    ],
    data: Annotated[str, typer.Argument(help="A folder of pictures, a .tar of one, or digits.")],
    out: Annotated[Path, typer.Option(help="The table: a .parquet, or a .npz.")],
    weights: Annotated[
        str | None, typer.Option(help="Of a registered name: auto, a file, torchvision:TAG, timm:TAG, hub:OWNER/NAME.")
    ] = None,
    resolution: Annotated[int | None, typer.Option(min=1, help="Side in px; the weights' own by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier table, or a stopped run.")] = False,
    json: Json = False,
) -> None:
    """Embeddings of all pictures as a table: path, label, embedding.  After a stop the same command goes on."""
    from vertebra.fitting.console import Console
    from vertebra.fitting.embedding import embed

    done = embed(model, data, out, weights=weights, resolution=resolution, force=force, watcher=Console())
    if json:
        bad = [{"path": one.path, "reason": one.reason} for one in done.bad]
        print_json({"out": str(done.path), "n": done.n, "size": done.size, "bad": bad})

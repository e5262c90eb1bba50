"""The long verbs: fit, train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vertebra.cli.output import Blocks, Json, architecture_of, print_json

Data = Annotated[
    str, typer.Argument(help="A folder (CLASS/*.jpg or train|val|test/CLASS/...), a .tar of one, or digits.")
]
Out = Annotated[Path | None, typer.Option(help="Where the bundle goes.")]
Minutes = Annotated[float | None, typer.Option(min=0.05, help="How long the whole job may take.")]
Seed = Annotated[int, typer.Option(help="Seed of the split, the weights and the draws.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an earlier result.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="SOURCE",
        help="Pretrained weights: auto, none, a folder, a file, a bundle, torchvision:TAG; may be repeated.",
    ),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Go on without pictures that cannot be read.")]


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(fit)
    app.command()(train)


def fit(
    data: Annotated[str | None, typer.Argument(help="As for train; without it, scikit-learn's scanned digits.")] = None,
    latency: Annotated[str | None, typer.Option(help="Network and preprocessing, median, batch 1: 5ms.")] = None,
    params: Annotated[str | None, typer.Option(help="Parameters: 1M.")] = None,
    macs: Annotated[str | None, typer.Option(help="Multiply-accumulates: 50M.")] = None,
    size: Annotated[str | None, typer.Option(help="Bytes of the artifact: 4MB.")] = None,
    minutes: Minutes = None,
    out: Out = None,
    seed: Seed = 0,
    force: Force = False,
    resume: Resume = False,
    skip_bad: SkipBad = False,
    weights: Weights = None,
    again: Annotated[
        Path | None,
        typer.Option("--from", help="A bundle: train its network again, step for step, as its fit.json says."),
    ] = None,
    json: Json = False,
) -> None:
    """Find, train, check and pack the best backbone that fits the budget on this machine."""
    from vertebra.fitting.console import Console
    from vertebra.fitting.fit import fit as run

    if again is not None:
        _repeat(again, out, force=force, resume=resume, json=json)
        return
    result = run(
        data,
        latency=latency,
        params=params,
        macs=macs,
        size=size,
        minutes=minutes,
        out=out,
        seed=seed,
        force=force,
        resume=resume,
        skip_bad=skip_bad,
        weights=weights or "auto",
        watcher=Console(),
    )
    if json:
        print_json(result.summary())


def _repeat(bundle: Path, out: Path | None, *, force: bool, resume: bool, json: bool) -> None:
    from vertebra.fitting.console import Console
    from vertebra.fitting.repeating import repeat

    place = out or bundle.with_name(f"{bundle.name}-again")
    result = repeat(bundle, place, force=force, resume=resume, watcher=Console())
    if json:
        print_json(result.summary())


def train(
    name: Annotated[str, typer.Argument(help="A registered name, or a .json or .yaml file.")],
    data: Data,
    minutes: Minutes = None,
    epochs: Annotated[float | None, typer.Option(min=0.01, help="Passes over the data, instead of minutes.")] = None,
    resolution: Annotated[
        int | None, typer.Option(help="Side of the image in px; the architecture's own by default.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.json; a default for the data without it.")] = None,
    out: Out = None,
    seed: Seed = 0,
    force: Force = False,
    resume: Resume = False,
    skip_bad: SkipBad = False,
    weights: Annotated[
        str, typer.Option(help="Pretrained ones to begin with: none, auto, a file, a bundle, torchvision:TAG.")
    ] = "none",
    blocks: Blocks = None,
    json: Json = False,
) -> None:
    """Train one architecture, and pack it as a bundle."""
    from vertebra.fitting.console import Console
    from vertebra.fitting.training import train_bundle

    result = train_bundle(
        architecture_of(name, blocks),
        data,
        minutes=minutes,
        epochs=epochs,
        resolution=resolution,
        recipe=recipe,
        out=out,
        seed=seed,
        force=force,
        resume=resume,
        skip_bad=skip_bad,
        weights=weights,
        watcher=Console(),
    )
    if json:
        print_json(result.summary())

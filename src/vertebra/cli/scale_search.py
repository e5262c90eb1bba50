"""The verb that searches the coefficients of compound scaling for a base network and data."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from vertebra.cli.jobs import Data, Force, Minutes, Resume, Seed, SkipBad
from vertebra.cli.output import Blocks, Json, architecture_of, print_json, print_table
from vertebra.errors import UsageError

Grid = Annotated[str | None, typer.Option(help="Numbers from 1, as 1,1.2,1.4; a grid of its own without it.")]


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(scale_search)


def scale_search(
    name: Annotated[str, typer.Argument(help="The base: a registered name, or a .json or .yaml file.")],
    data: Data,
    minutes: Minutes = None,
    epochs: Annotated[float | None, typer.Option(min=0.01, help="Passes of each training, instead of minutes.")] = None,
    images: Annotated[int, typer.Option(help="Training pictures that every candidate sees.")] = 10_000,
    seeds: Annotated[int, typer.Option(help="Trainings of each candidate; their spread is the noise.")] = 2,
    resolution: Annotated[int | None, typer.Option(help="The base's side in px; its own by default.")] = None,
    alphas: Grid = None,
    betas: Grid = None,
    target: Annotated[float, typer.Option(help="The candidates' MACs, as a multiple of the base's.")] = 2.0,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.json; a default for the data without it.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the record, the table and the heat map go.")] = None,
    seed: Seed = 0,
    force: Force = False,
    resume: Resume = False,
    skip_bad: SkipBad = False,
    blocks: Blocks = None,
    json: Json = False,
) -> None:
    """Grid search for alpha, beta, gamma: how to spend twice the cost, by training small proxies of a base."""
    from vertebra.fitting.coefficients import ALPHAS, BETAS
    from vertebra.fitting.console import Console
    from vertebra.fitting.scale_search import search_coefficients
    from vertebra.report.coefficient_page import HEAD, cells, verdict

    found = search_coefficients(
        architecture_of(name, blocks),
        data,
        minutes=minutes,
        epochs=epochs,
        images=images,
        seeds=seeds,
        resolution=resolution,
        alphas=ALPHAS if alphas is None else _numbers("alphas", alphas),
        betas=BETAS if betas is None else _numbers("betas", betas),
        target=target,
        recipe=recipe,
        out=out,
        seed=seed,
        force=force,
        resume=resume,
        skip_bad=skip_bad,
        watcher=Console(),
    )
    search = found.search
    best = search.winner
    if json:
        notes = [one.compound.warning for one in (best,) if one is not None and one.compound.warning]
        print_json({"out": str(found.path), "best": best, "tied": search.tied, "notes": notes, "search": search})
        return
    print_table(HEAD, (cells(search.reference, base=True), *(cells(one) for one in search.ranked)))
    print()
    for sentence in verdict(search):
        print(sentence.replace("**", ""))  # Markdown's
    print(f"\nthe record, the table and the heat map are in {found.path}")
    if best is not None:
        of = best.compound
        chosen = f"--alpha {of.alpha:.4g} --beta {of.beta:.4g} --gamma {of.gamma:.4g}"
        print(f"to scale so: vertebra scale {shlex.quote(name)} {chosen} --phi 1")


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(",") if number.strip())
    except ValueError:
        allowed = "numbers from 1, such as 1,1.2,1.4"
        raise UsageError(f"{text!r} is not understood", where=f"--{option}", allowed=allowed) from None

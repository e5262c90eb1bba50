"""Verbs on bundles: predict, eval.  Neither needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vertebra.cli.output import Json, print_json, print_table

BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A folder that `vertebra fit` wrote.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the engine; all cores by default.")]


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(predict)
    app.command("eval")(evaluate)


def predict(
    bundle: BundlePath,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures, or folders of them.")],
    json: Json = False,
    threads: Threads = None,
) -> None:
    """The likeliest classes of pictures."""
    from vertebra.bundle.bundle import load_bundle
    from vertebra.data.folder import pictures_under

    opened = load_bundle(bundle, threads=threads)
    paths: list[str | Path] = [path for image in images for path in pictures_under(image)]
    found = opened.predict(paths)
    if json:
        print_json(
            [
                {
                    "path": one.path,
                    "label": one.label,
                    "probability": one.probability,
                    "top": [{"label": label, "probability": probability} for label, probability in one.top],
                }
                for one in found
            ]
        )
        return
    rows = []
    for one in found:
        others = ", ".join(f"{label} {100 * probability:.1f}%" for label, probability in one.top[1:3])
        rows.append((one.path, one.label, f"{100 * one.probability:.1f}%", others))
    print_table(("image", "class", "probability", "then"), rows)


def evaluate(
    bundle: BundlePath,
    data: Annotated[str, typer.Argument(help="A folder, a .tar, or digits.")],
    part: Annotated[str | None, typer.Option(help="train, val or test; test if there is one.")] = None,
    json: Json = False,
    threads: Threads = None,
) -> None:
    """Accuracy on a data set, by class; classes are matched by name."""
    from vertebra.bundle.bundle import load_bundle
    from vertebra.bundle.evaluate import evaluate as run
    from vertebra.cli.progress import bar
    from vertebra.data.sources import open_data

    opened = load_bundle(bundle, threads=threads)
    dataset = open_data(data)
    with bar("evaluating", quiet=json) as progress:
        result = run(opened, dataset, part=part, progress=progress)
    if json:
        print_json(
            {
                "top1": result.top1,
                "n": result.n,
                "part": result.part,
                "classes": {one.label: {"n": one.n, "correct": one.correct} for one in result.classes},
            }
        )
        return
    print_table(
        ("class", "images", "correct", "accuracy"),
        ((c.label, c.n, c.correct, f"{100 * c.correct / c.n:.1f}%" if c.n else "-") for c in result.classes),
    )
    print(f"\ntop-1 {100 * result.top1:.2f}% of {result.n} images ({result.part})")
    if result.part == "train":
        print("the data have no test part: if the bundle was made of them, its held-out accuracy is in card.md")

"""The verb weights: every published weight that is known, and where it comes from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vertebra.cli.output import Json, fits, nothing_fits, print_json, print_table
from vertebra.errors import WeightsError


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(weights)


def weights(
    pattern: Annotated[str, typer.Argument(help="Only whose name or weight holds this, or fits it: 'resnet50*'.")] = "",
    json: Json = False,
) -> None:
    """Every known pretrained weight: accuracy with its resolution and source, licence, size, preprocessing."""
    from vertebra.weights.catalogue import known
    from vertebra.zoo.registry import aliases, names

    own = aliases().get(pattern, pattern)
    found = [
        (name, weight)
        for name, of in known().items()
        for weight in of
        if own == name or fits(pattern, name, weight.name, weight.model, f"{weight.model}.{weight.tag}")
    ]
    if not found and own in names():
        raise WeightsError(f"no weights are known for {pattern}", remedy="see `vertebra weights`")
    if not found:
        called = {weight.name for of in known().values() for weight in of}
        raise nothing_fits(pattern, "known weight", [*names(), *aliases(), *sorted(called)], "vertebra weights")
    if json:
        print_json([_row(name, weight) for name, weight in found])
        return
    print_table(
        ("name", "weights", "top-1", "px", "source", "licence", "MB", "classes", "preprocessing"),
        (
            (
                name,
                weight.name,
                "-" if weight.top1 is None else f"{weight.top1:.2f}",
                weight.resolution or "-",
                weight.top1_source or "no published figure",
                weight.licence or "unknown",
                f"{weight.bytes / 1e6:.1f}",
                weight.classes or "-",
                weight.input,
            )
            for name, weight in found
        ),
    )


def _row(name: str, weight: Any) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(weight)
    shown = {key: plain[key] for key in ("source", "model", "tag", "top1", "resolution", "top1_source", "licence")}
    return {
        "name": name,
        "weights": weight.name,
        **shown,
        "bytes": weight.bytes,
        "classes": weight.classes,
        "preprocessing": plain["input"],
        "larger": plain["larger"],
        "default": weight.default,
        "repository": weight.repository,
        "file": weight.file,
        "sha256": weight.sha256 or None,
    }

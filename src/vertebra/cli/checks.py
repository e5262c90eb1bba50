"""The verb doctor: what is installed, which engines, what the machine offers, and a hint for each missing piece."""

from __future__ import annotations

import typer

from vertebra.cli.output import Json, print_json, print_table


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(doctor)


def doctor(json: Json = False) -> None:
    """What is installed, which engines run here, cores and instruction sets, a hint for each missing piece."""
    from vertebra.engines.doctor import examination

    found = examination()
    if json:
        print_json(found)
        return
    print_table(("machine", ""), ((key, value) for key, value in found["machine"].items()))
    print()
    print_table(
        ("package", "version", "for", "hint"),
        ((p["name"], p["version"] or "missing", p["use"], p["hint"]) for p in found["packages"]),
    )
    print()
    print_table(("engine", "state"), ((e["name"], e["state"]) for e in found["engines"]))

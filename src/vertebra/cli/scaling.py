"""The verb scale: one network made larger or smaller, to a phi or to what one can pay."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vertebra.cli.output import Blocks, Json, architecture_of, is_file_name, print_json, print_table, short
from vertebra.errors import ArchitectureError, UsageError

if TYPE_CHECKING:
    from vertebra.arch.architecture import Architecture
    from vertebra.scale.compound import Compound
    from vertebra.scale.solve import Solution
    from vertebra.scale.timing import Clock

Name = Annotated[str, typer.Argument(help="A registered name, or a .json or .yaml file.")]
Macs = Annotated[str | None, typer.Option(help="Multiply-accumulates at most: 600M.")]
Params = Annotated[str | None, typer.Option(help="Parameters at most: 10M.")]
Memory = Annotated[
    str | None, typer.Option(help="Weights and peak activations of one image in float32 at most: 200MB.")
]
Latency = Annotated[str | None, typer.Option(help="The network's median at batch 1 on this machine at most: 8ms.")]
Phi = Annotated[float | None, typer.Option(help="Scale by this much instead of to a budget; below 0 shrinks.")]
Fixed = Annotated[
    list[str] | None, typer.Option(help="A dimension that stays: width, depth or resolution; may be repeated.")
]
Only = Annotated[list[str] | None, typer.Option(help="The one dimension that is scaled; may be repeated.")]
Alpha = Annotated[float | None, typer.Option(help="Depth grows as alpha**phi; 1.2 by default.")]
Beta = Annotated[float | None, typer.Option(help="Width grows as beta**phi; 1.1 by default.")]
Gamma = Annotated[float | None, typer.Option(help="The resolution grows as gamma**phi; 1.15 by default.")]
Engine = Annotated[str, typer.Option(help="Of the latency: onnxruntime, openvino, torch or torch.compile.")]
Precision = Annotated[str, typer.Option(help="Of the latency: fp32 or bf16.")]
Threads = Annotated[int | None, typer.Option(help="Of the latency; all cores by default.")]
Anyway = Annotated[bool, typer.Option("--anyway", help="Predict by a profile of another device or setting too.")]
Save = Annotated[Path | None, typer.Option("--save", help="Write the network as a .json or .yaml file.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


def register(app: typer.Typer) -> None:
    """Enter this file's verbs."""
    app.command()(scale)


def scale(
    name: Name,
    macs: Macs = None,
    params: Params = None,
    memory: Memory = None,
    latency: Latency = None,
    phi: Phi = None,
    fixed: Fixed = None,
    only: Only = None,
    alpha: Alpha = None,
    beta: Beta = None,
    gamma: Gamma = None,
    engine: Engine = "onnxruntime",
    precision: Precision = "fp32",
    threads: Threads = None,
    anyway: Anyway = False,
    save: Save = None,
    force: Force = False,
    json: Json = False,
    blocks: Blocks = None,
) -> None:
    """The largest network within budgets: width, depth and resolution scaled together, and what binds."""
    from vertebra.costs.budget import parse_budgets
    from vertebra.scale.solve import at, to

    asked = {"macs": macs, "params": params, "memory": memory, "latency": latency}
    _check(phi, asked, save, force)
    # Before anything is loaded or measured.
    parse_budgets(macs=macs, params=params, memory=memory, latency=latency)
    arch, coefficients, notes = architecture_of(name, blocks), _coefficients(alpha, beta, gamma), []
    coefficients = coefficients.restricted(fixed=fixed or (), only=only or ())
    own = any(one is not None for one in (alpha, beta, gamma))
    if coefficients.warning and (own or not (fixed or only)):  # to leave a dimension as it is calls for no warning
        notes.append(coefficients.warning)
    if phi is not None:
        solution = at(arch, phi, coefficients=coefficients)
    else:
        predict = measure = None
        if latency is not None:
            from vertebra.latency.clocks import clocks
            from vertebra.latency.load import between, moment

            start = moment()
            predict, measure, note = clocks(engine, precision, threads, anyway=anyway)
            notes += [note] if note else []
            measure = measure if json else _told(measure)
        solution = to(
            arch,
            macs=macs,
            params=params,
            memory=memory,
            latency=latency,
            predict=predict,
            measure=measure,
            coefficients=coefficients,
        )
        if latency is not None:
            notes += between(start, moment()).warnings
    if save is not None:
        _write(solution, save)
    _say(solution, asked, notes, json=json)


def _told(measure: Clock) -> Clock:
    """It says on a terminal what it has measured: each takes seconds."""

    def told(arch: Architecture) -> float:
        ms = measure(arch)
        if sys.stderr.isatty():
            print(f"measured {arch.name} at {arch.resolution} px: {ms:.3g} ms", file=sys.stderr)
        return ms

    return told


def _check(phi: float | None, asked: dict[str, str | None], save: Path | None, force: bool) -> None:
    from vertebra.bundle.files import check_free

    given = [f"--{name}" for name, value in asked.items() if value is not None]
    if phi is not None and given:
        raise UsageError(f"--phi and {given[0]} are given", allowed="one phi, or budgets")
    if phi is None and not given:
        raise UsageError("no budget is given", allowed=f"{', '.join(f'--{name}' for name in asked)}, or --phi")
    if save is not None:
        if not is_file_name(save.name):
            raise UsageError(f"{save} is no architecture file", where="--save", allowed="a name in .json or .yaml")
        check_free(save, force=force)


def _coefficients(alpha: float | None, beta: float | None, gamma: float | None) -> Compound:
    from vertebra.scale.compound import Compound

    usual = Compound()
    try:
        return Compound(
            usual.alpha if alpha is None else alpha,
            usual.beta if beta is None else beta,
            usual.gamma if gamma is None else gamma,
        )
    except ArchitectureError as error:
        option = (error.where or "").replace("Compound.", "--")
        raise UsageError(error.what, where=option, allowed=error.allowed or "a number from 1 to 4") from error


def _write(solution: Solution, save: Path) -> None:
    from vertebra.arch import codec
    from vertebra.bundle.files import write_whole

    written = codec.to_json if save.suffix.lower() == ".json" else codec.to_yaml
    write_whole(save, written(solution.arch))


def _say(solution: Solution, asked: dict[str, str | None], notes: list[str], *, json: bool) -> None:
    from vertebra.report.text import ms
    from vertebra.scale.solve import at

    has = solution.summary()
    if json:
        print_json({**has, "why": solution.why, "notes": notes})
        return
    was = at(solution.base, 0.0).summary()
    rows = [
        (label, short(was[key]), short(has[key]), asked.get(budget) or "-")
        for label, key, budget in (
            ("parameters", "params", "params"),
            ("MACs", "macs", "macs"),
            ("activations", "activations", ""),
            ("bytes of memory", "memory_bytes", "memory"),
        )
    ]
    rows.append(("pixels", str(was["resolution"]), str(has["resolution"]), "-"))
    rows += [(f"{each} multiplier", f"{was[each]:.4f}", f"{has[each]:.4f}", "-") for each in ("width", "depth")]
    for word in ("predicted", "measured"):
        if has[f"{word}_ms"] is not None:
            rows.append((f"ms, {word}", "-", ms(has[f"{word}_ms"], ""), asked["latency"] or "-"))
    print(f"{solution.arch.name}, phi {solution.phi:g}\n")
    print_table(("", solution.base.name, "scaled", "at most"), rows)
    if solution.binds or any(asked.values()):
        print(f"\n{solution.why}")
    for note in notes:
        print(f"note: {note}", file=sys.stderr)

"""What the verbs print: JSON, or tables for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from vertebra.arch.architecture import Architecture
from vertebra.errors import ArchitectureError, UnknownNameError

_SIGNS = str.maketrans("", "", ",.-+")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Blocks = Annotated[
    Path | None, typer.Option("--blocks", help="A Python file of your own that defines blocks; it is run first.")
]


def fits(pattern: str, *names: str) -> bool:
    """Whether one of the names holds the pattern, or is matched by it where it has ``*``, ``?`` or ``[``."""
    if any(sign in pattern for sign in "*?["):
        from fnmatch import fnmatchcase

        return any(fnmatchcase(name, pattern) for name in names)
    return any(pattern in name for name in names)


def nothing_fits(pattern: str, what: str, known: Iterable[str], verb: str) -> UnknownNameError:
    """The error for a pattern that fits none of the ``known`` names: the nearest ones, and the verb to look with."""
    from vertebra.arch.codec import nearest
    from vertebra.arch.record import brief

    near = ", ".join(nearest(pattern.strip("*?[]"), known, cutoff=0))
    return UnknownNameError(f"no {what} fits {brief(pattern)}", allowed=f"{near}, ...", remedy=f"see `{verb}`")


def print_json(value: Any) -> None:
    """One JSON document on one line of standard output."""
    print(msgspec.json.encode(value).decode(), flush=True)


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(head), *cells]) for i in range(len(head))]
    right = [all(_is_number(row[i]) for row in cells) for i in range(len(head))]
    for row in [list(head), *cells]:
        pads = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        print("  ".join(pads).rstrip())


def _is_number(cell: str) -> bool:
    return cell.translate(_SIGNS).rstrip("%kMGTBmsu ").isdigit() or cell == "-"


def short(count: float) -> str:
    """``385814752`` as ``386M``."""
    from vertebra.report import text

    return text.short(count).replace(" ", "")


def architecture_of(name: str, blocks: Path | None = None) -> Architecture:
    """A registered name, a ``.json`` or ``.yaml`` file, or a bundle; ``blocks`` is run first: its kinds are known."""
    run_blocks(blocks)
    if is_bundle(name):
        from vertebra.bundle.bundle import load_bundle

        return load_bundle(name).architecture
    if is_file_name(name):
        from vertebra.arch import codec

        return codec.read(name)
    from vertebra.zoo.registry import architecture

    try:
        return architecture(name)
    except UnknownNameError:
        if not (os.path.exists(name) or os.sep in name):
            raise
    allowed = "a registered name, a .json or .yaml file, or a bundle's folder"
    raise ArchitectureError("is no architecture", where=name, allowed=allowed, remedy="see `vertebra list`")


def architectures_of(wanted: Sequence[str], blocks: Path | None = None) -> tuple[Architecture, ...]:
    """For each name what :func:`architecture_of` gives, for a pattern (``resnet*``) what fits; each word once."""
    from vertebra.zoo.registry import architecture, names

    run_blocks(blocks)
    found: dict[str, Architecture] = {}
    for name in wanted:
        if is_file_name(name) or not any(sign in name for sign in "*?["):
            found.setdefault(name, architecture_of(name))
            continue
        fitting = [one for one in names() if fits(name, one)]
        if not fitting:
            raise nothing_fits(name, "architecture", names(), "vertebra list")
        for one in fitting:
            found.setdefault(one, architecture(one))
    return tuple(found.values())


def is_bundle(name: str) -> bool:
    """Whether a name is that of a bundle's folder; a registered name comes first."""
    from vertebra.bundle.manifest import ARCHITECTURE
    from vertebra.zoo.registry import aliases, names

    return name not in names() and name not in aliases() and os.path.isfile(os.path.join(name, ARCHITECTURE))


def is_file_name(name: str) -> bool:
    """Whether a name is that of an architecture file rather than of a registered network."""
    return name.lower().endswith((".json", ".yaml", ".yml"))


def run_blocks(path: Path | None) -> None:
    """Run a user's file, so that the blocks that it defines are known."""
    if path is None:
        return
    import importlib.util

    name = f"vertebra_blocks_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ArchitectureError("is no Python file", where=str(path), allowed="--blocks FILE.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations that are strings are looked up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ArchitectureError(f"cannot be run: {type(error).__name__}: {error}", where=str(path)) from error

"""What differs between two networks, as a table that a terminal can hold: alike differences of a stage share a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vertebra.costs.changes import Change, Kind
from vertebra.costs.difference import Difference
from vertebra.report import text

SIGNS: dict[Kind, str] = {"removed": "-", "added": "+", "changed": "~", "fed": "=", "renamed": ">"}
LEGEND: dict[str, str] = {
    "-": "removed",
    "+": "added",
    "~": "changed",
    "=": "the same, for a map of another shape",
    ">": "renamed",
}
HEAD = ("", "params", "MACs", "activations", "where", "what")
_WIDEST = 76
"""Columns that a description may take."""


def signed(number: int) -> str:
    """``+2.36 M``, ``-528 k``, ``0``"""
    return f"{'+' if number > 0 else ''}{text.short(number)}"


def share(difference: int, of: int) -> str:
    """``+3.5%``, ``-0.03%``: a difference as a part of what was there before; what is less than that is ``~0%``."""
    if not difference or not of:
        return "-"
    part = 100 * difference / of
    return f"{part:+.1f}%" if abs(part) >= 0.05 else f"{part:+.2f}%" if abs(part) >= 0.005 else "~0%"


def total_rows(of: Difference) -> list[tuple[str, ...]]:
    """What each network costs as a whole: before, after, the difference, and its share."""
    before, after = of.before, of.after
    counts = (
        ("pixels", before.resolution, after.resolution),
        ("params", before.params, after.params),
        ("MACs", before.macs, after.macs),
        ("activations", before.activations, after.activations),
        ("peak bytes, run", before.peak_inference_bytes, after.peak_inference_bytes),
        ("peak bytes, train", before.peak_training_bytes or 0, after.peak_training_bytes or 0),
    )
    return [
        (name, f"{old:,}", f"{new:,}", f"{new - old:+,}" if new != old else "0", share(new - old, old))
        for name, old, new in counts
    ]


def legend(table: Iterable[Sequence[str]]) -> str:
    """The signs of a table in words."""
    signs = {row[0] for row in table}
    return "; ".join(f"{sign} {said}" for sign, said in LEGEND.items() if sign in signs)


def rows(changes: Iterable[Change]) -> list[tuple[str, ...]]:
    """A line for each difference, under ``HEAD``; those of a stage that read alike are summed up in one."""
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change in changes:
        groups.setdefault(_key(change), []).append(change)
    return [_row(group) for group in groups.values()]


def _key(change: Change) -> tuple[str, ...]:
    if change.kind == "fed":
        return change.kind, change.part
    _, tail = _place(change)
    return change.kind, change.part, tail, change.what


def _row(group: Sequence[Change]) -> tuple[str, ...]:
    sums = [sum(getattr(change, count) for change in group) for count in ("params", "macs", "activations")]
    where, what = _where(group), group[0].what
    if len(group) > 1 and group[0].kind == "fed":
        where, what = group[0].part, f"{len(group)} nodes as they were, for maps of another shape"
    return SIGNS[group[0].kind], *map(signed, sums), where, text.begun(what, _WIDEST)


def _place(change: Change) -> tuple[str, str]:
    """The block of a stage in which a difference stands (``3``, ``entry``), and the path from there."""
    if not change.path.startswith(f"{change.part}."):
        return "", change.path
    block, _, tail = change.path.removeprefix(f"{change.part}.").partition(".")
    return block, tail


def _where(group: Sequence[Change]) -> str:
    """``stages.2.6-22.conv``: the blocks of a stage with their numbers put together."""
    blocks = [_place(change)[0] for change in group]
    if len(group) == 1 or not all(block.isdecimal() for block in blocks):
        return ", ".join(dict.fromkeys(change.path or change.part for change in group))
    tail = _place(group[0])[1]
    return f"{group[0].part}.{_ranges([int(block) for block in blocks])}{'.' if tail else ''}{tail}"


def _ranges(numbers: Sequence[int]) -> str:
    """``0-2,5``"""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)

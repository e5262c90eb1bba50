"""The table that papers print, recomputed: networks beside one another, each at the resolution of its accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import nearest
from vertebra.arch.receptive import reach
from vertebra.arch.record import brief
from vertebra.costs.count import cost
from vertebra.errors import UnknownNameError
from vertebra.report import text
from vertebra.zoo.entry import Accuracy, Entry, Family
from vertebra.zoo.registry import architecture, entry, names


class Row(msgspec.Struct, frozen=True):
    """A network in a comparison.

    MACs and activations are for one image of ``resolution`` px: that at which ``top1`` (percent) was measured, or the
    network's own where no accuracy was published.  ``receptive_field``: pixels across that one position of the last map
    sees through windows; ``context`` says that something beside them takes the whole map, such as a squeeze.
    """

    name: str
    family: str
    year: int | None
    params: int
    macs: int
    activations: int
    resolution: int
    receptive_field: int
    context: bool
    classes: int | None
    top1: float | None
    source: str
    idea: str
    aliases: tuple[str, ...]
    note: str
    frontier: bool = False
    """No other network of the comparison with as many classes has as high a top-1 for as few MACs."""


def compare(wanted: Sequence[str], other: Callable[[str], Architecture | None] = lambda name: None) -> tuple[Row, ...]:
    """A row for each name, alias or pattern (``resnet*``), in that order, each network once.

    ``other`` gives architectures that are not registered, such as those of files and bundles.  Raises UnknownNameError
    for a name that is neither, and for a pattern that fits none.
    """
    rows: dict[str, Row] = {}
    for name in wanted:
        arch = other(name)
        if arch is not None:
            rows.setdefault(name, row_of(arch))
            continue
        for one in _fitting(name):
            rows.setdefault(one, row(one))
    return with_frontier(tuple(rows.values()))


def _fitting(name: str) -> Iterable[str]:
    if not any(sign in name for sign in "*?["):
        return (entry(name)[1].name,)
    found = [one for one in names() if fnmatchcase(one, name)]
    if not found:
        near = ", ".join(nearest(name.strip("*?[]").lower(), names(), cutoff=0))
        raise UnknownNameError(
            f"no architecture fits {brief(name)}", allowed=f"{near}, ...", remedy="see `vertebra list`"
        )
    return found


def row(name: str) -> Row:
    """The row of a registered name or alias; raises UnknownNameError with the nearest names."""
    family, one = entry(name)
    return row_of(architecture(one.name), family, one)


def row_of(arch: Architecture, family: Family | None = None, one: Entry | None = None) -> Row:
    """The row of an architecture, with what the registry knows of it."""
    accuracy: Accuracy | None = one.accuracy if one else None
    costs = cost(arch, resolution=accuracy.resolution if accuracy else None)
    seen = reach(arch.tree(), arch.channels)
    return Row(
        name=arch.name,
        family=family.title if family else "",
        year=family.year if family else None,
        params=costs.params,
        macs=costs.macs,
        activations=costs.activations,
        resolution=costs.resolution,
        receptive_field=seen.rows.span,
        context=seen.context,
        classes=arch.classes,
        top1=accuracy.top1 if accuracy else None,
        source=accuracy.source if accuracy else "",
        idea=family.idea if family else "",
        aliases=other_names(one) if one else (),
        note=one.note if one else "",
    )


def other_names(one: Entry) -> tuple[str, ...]:
    """What other projects call an entry, where that is not its own name: ``timm: mobilenetv2_100``."""
    return tuple(f"{source}: {peer.name}" for source, peer in one.peers.items() if peer.name != one.name)


def with_frontier(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with their place on the frontier of MACs and top-1, among those with as many classes."""
    return tuple(msgspec.structs.replace(one, frontier=_unbeaten(one, rows)) for one in rows)


def _unbeaten(one: Row, rows: Sequence[Row]) -> bool:
    if one.top1 is None:
        return False
    return not any(
        other.top1 is not None
        and other.classes == one.classes
        and other.macs <= one.macs
        and other.top1 >= one.top1
        and (other.macs, other.top1) != (one.macs, one.top1)
        for other in rows
    )


HEAD = ("name", "year", "params", "MACs", "px", "activations", "field", "top-1", "source")


def cells(one: Row) -> tuple[str, ...]:
    """A row as a table shows it, under ``HEAD``."""
    return (
        one.name + " *" * one.frontier,
        "-" if one.year is None else str(one.year),
        text.short(one.params),
        text.short(one.macs),
        str(one.resolution),
        text.short(one.activations),
        field(one),
        "-" if one.top1 is None else percent(one.top1),
        one.source or one.note.partition("; ")[0] or "-",
    )


def best_said(rows: Sequence[Row]) -> str:
    """What sets the networks on the frontier apart from the others of a comparison."""
    several = len({one.classes for one in rows if one.top1 is not None}) > 1
    return f"no other network here{' with as many classes' * several} has as high a top-1 for as few MACs"


def percent(published: float) -> str:
    """A published accuracy with two of its decimals if it has so many: ``76.13``, ``77.1``."""
    return str(round(published, 2))


def field(one: Row) -> str:
    """The receptive field as a table shows it: a plus where something beside the windows takes the whole map."""
    return f"{one.receptive_field}{'+' * one.context}"


def ideas(rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """The key idea of each family in the comparison, once."""
    return tuple({one.family: one.idea for one in rows if one.idea}.items())

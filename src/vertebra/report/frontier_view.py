"""What the table, the picture and the page of a frontier share: words, units, looks, and which points are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebra.costs.budget import Range
from vertebra.report import text
from vertebra.report.svg import MARKERS, PALETTE
from vertebra.report.ticks import prefixed
from vertebra.scale.frontier import WORDS, Best, Frontier
from vertebra.scale.references import Reference
from vertebra.scale.variants import Quantity, Variant
from vertebra.zoo.registry import families

AXES: dict[Quantity, str] = {
    "latency": "predicted latency, ms",
    "macs": "multiply-accumulates for one image",
    "params": "parameters",
    "activations": "activations (values that leave convolutions)",
}
SIGNS = dict(zip(MARKERS, "\u25cf\u25a0\u25b2\u25c6\u25bc\u271a\u2716", strict=True))
"""Each marker as a letter of a legend."""
TOP1 = "published top-1 of the best member that it holds, %"


def budget_said(quantity: Quantity, value: float) -> str:
    """A budget with what it limits: ``5 ms``, ``300M MACs``."""
    return f"{value:g} ms" if quantity == "latency" else f"{prefixed(float(f'{value:.4g}'))} {WORDS[quantity]}"


def limit_said(quantity: Quantity, limit: Range) -> str:
    """A range of a budget: ``at most 5 ms``."""
    least = f"at least {budget_said(quantity, limit.least)}" if limit.least else ""
    most = f"at most {budget_said(quantity, limit.most)}" if math.isfinite(limit.most) else ""
    return " and ".join(part for part in (least, most) if part)


def published(one: Reference | None) -> str:
    """``resnet50 76.1``; of another data set than ImageNet its number of classes."""
    if one is None:
        return "-"
    task = "" if one.task == 1000 else f" ({one.task} classes)"
    return f"{one.name} {one.top1:.1f}{task}"


def head(found: Frontier) -> tuple[str, ...]:
    """The head of the table of the best for each budget."""
    latency = ("predicted",) if found.paid == "latency" else ()
    return ("for", "network", *latency, "MACs", "params", "activations", "px", "holds top-1", "within")


def predicted(one: Best) -> str:
    """A predicted latency with its interval: ``4.81 ms (4.5 to 5.12)``."""
    return text.ms(one.variant.latency_ms) + (f" ({interval_said(one)})" if one.interval else "")


def interval_said(one: Best) -> str:
    """Between which two latencies in ms it lies, nine times of ten: ``4.5 to 5.12``; empty where that is not known."""
    return f"{text.ms(one.interval[0], '')} to {text.ms(one.interval[1], '')}" if one.interval else ""


def cells(found: Frontier, one: Best) -> tuple[str, ...]:
    """The best of a family for a budget as a row of a table, under ``head`` without its first."""
    variant = one.variant
    latency = (predicted(one),) if found.paid == "latency" else ()
    counts = (text.short(variant.macs), text.short(variant.params), text.short(variant.activations))
    return (variant.name, *latency, *counts, str(variant.resolution), published(one.above), published(one.below))


def summary(found: Frontier, note: str) -> str:
    """What was done, and how to read it."""
    paid, held = AXES[found.paid], text.listed([WORDS[one] for one in found.held])
    return (
        f"{text.exact(found.laid_out)} variants laid out, {text.exact(found.reached)} within the limits, "
        f"{text.exact(len(found.places))} on the frontier of their family: none of it that pays no more ({paid}"
        f"{f': {note}' if note else ''}) holds as many {held}.\n"
        "holds: the best published member of the family of which it has no fewer MACs, parameters and activations; "
        "within: the least good one that has no fewer than it"
    )


def look(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each family: up to seven have a colour of their own."""
    return {name: (PALETTE[place % 7], MARKERS[(place + place // 7) % 7]) for place, name in enumerate(names)}


def titles(names: Sequence[str]) -> dict[str, str]:
    """Each family as people call it."""
    known = {family.name: family.title for family in families()}
    return {name: known[name] for name in names}


def drawn(found: Frontier, most: int) -> NDArray[np.intp]:
    """The places of at most so many variants: the frontier and the best first, of the others an even part."""
    front = found.places
    others = np.flatnonzero(~found.mask & found.in_reach)
    chosen = [_evenly(front, most)]
    if len(front) < most:
        chosen.append(_evenly(others, most - len(front)))
    return np.sort(np.concatenate(chosen))


def _evenly(places: NDArray[Any], most: int) -> NDArray[Any]:
    if len(places) <= most:
        return places
    return np.asarray(places[np.linspace(0, len(places) - 1, most).round().astype(int)])


def rows_by_budget(found: Frontier) -> tuple[tuple[float, tuple[Best, ...]], ...]:
    """The best of every family for each budget."""
    return tuple((budget, tuple(one for one in found.best if one.budget == budget)) for budget in found.budgets)


def row(variant: Variant, above: Reference | None, below: Reference | None) -> dict[str, Any]:
    """A variant as JSON."""
    return {
        **{name: getattr(variant, name) for name in variant.__struct_fields__},
        "holds": above,
        "within": below,
    }

"""A frontier as files: a page whose scatter answers to the pointer, or the picture alone."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.bundle.files import write_whole
from vertebra.report import text
from vertebra.report.frontier_plot import imagenet_top1, plot_of, scatter
from vertebra.report.frontier_view import (
    AXES,
    SIGNS,
    TOP1,
    budget_said,
    drawn,
    interval_said,
    limit_said,
    look,
    published,
    rows_by_budget,
    titles,
)
from vertebra.report.page import filled
from vertebra.report.picture import check_places, file_of
from vertebra.scale.frontier import Best, Frontier

MOST = 6000
"""Points of the scatter; of more variants the frontier and an even part of the others."""


def write(
    found: Frontier, html: Path | None = None, plot: Path | None = None, *, note: str = "", force: bool = False
) -> None:
    """Writes the frontier as one HTML file that asks the network for nothing, and its picture as SVG, PNG or PDF.

    ``note`` says where the latencies come from.  Raises UsageError for a plot in another kind of file, OutputError if a
    place is taken (``force`` replaces) or cannot be written, MissingExtraError without matplotlib or jinja2; nothing is
    written then.
    """
    check_places(html, plot, force=force)
    made: dict[Path, bytes | str] = {}
    if html is not None:
        made[html] = page(found, note)
    if plot is not None:
        made[plot] = file_of(plot_of(found), plot)
    for path, content in made.items():
        write_whole(path, content)


def page(found: Frontier, note: str = "") -> str:
    """The page as text.  Its script is our own file, allowed by its hash alone; all names in it are escaped."""
    from markupsafe import Markup  # comes with jinja2

    script = importlib.resources.files("vertebra.report").joinpath("templates", "frontier.js.j2").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    places = drawn(found, MOST)
    view = {
        "found": found,
        "note": note,
        "axis": AXES[found.paid],
        "held": [AXES[one] for one in found.held],
        "budgets": [
            (budget_said(found.paid, budget), [_best(one) for one in best]) for budget, best in rows_by_budget(found)
        ],
        "limits": [limit_said(name, limit) for name, limit in found.limits.items()],
        "shown": len(places),
        "families": _families(found),
        "quantities": _quantities(found),
        "digest": Markup(digest),
        "script": Markup(script),
        "data": Markup(_data(found, places)),
        "still": Markup(scatter(found)),
    }
    return filled("frontier.html.j2", view)


def _best(one: Best) -> dict[str, Any]:
    return {
        "v": one.variant,
        "ms": text.ms(one.variant.latency_ms),
        "interval": interval_said(one),
        "above": published(one.above),
        "below": published(one.below),
    }


def _families(found: Frontier) -> list[dict[str, Any]]:
    names, looks = titles(found.variants.families), look(found.variants.families)
    counts = np.bincount(found.variants.family[found.in_reach], minlength=len(names))
    front = np.bincount(found.variants.family[found.places], minlength=len(names))
    return [
        {"name": name, "title": names[name], "colour": looks[name][0], "sign": SIGNS[looks[name][1]],
         "count": int(count), "front": int(own), "place": place}
        for place, (name, count, own) in enumerate(zip(names, counts, front, strict=True))
        if count
    ]  # fmt: skip


def _quantities(found: Frontier) -> list[tuple[str, str]]:
    known = [name for name in AXES if name != "latency" or found.variants.latency is not None]
    return [*((str(name), AXES[name]) for name in known), ("top1", TOP1)]


def _data(found: Frontier, places: NDArray[Any]) -> str:
    """The points as JSON in columns, safe within an element."""
    variants = found.variants.where(places)
    chosen = [found.variants.variant(int(place)) for place in places]
    bases = list(dict.fromkeys(one.base for one in chosen))
    index = {name: place for place, name in enumerate(bases)}
    names = titles(found.variants.families)
    looks = look(found.variants.families)
    data = {
        "x": found.paid,
        "y": found.held[0],
        "budgets": found.budgets,
        "axes": dict(_quantities(found)),
        "families": [{"title": names[name], "colour": looks[name][0], "marker": looks[name][1]} for name in names],
        "bases": bases,
        "references": [published(one) for one in found.bracket.references],
        "family": variants.family.tolist(),
        "base": [index[one.base] for one in chosen],
        "width": [one.width for one in chosen],
        "depth": [one.depth for one in chosen],
        "side": [one.resolution for one in chosen],
        "stride": [one.reduction for one in chosen],
        "name": [one.name for one in chosen],
        "front": found.mask[places].astype(int).tolist(),
        "above": found.bracket.above[places].tolist(),
        "below": found.bracket.below[places].tolist(),
        "values": {
            "macs": variants.macs.tolist(),
            "params": variants.params.tolist(),
            "activations": variants.activations.tolist(),
            "top1": [None if np.isnan(value) else float(value) for value in imagenet_top1(found)[places]],
            **({} if variants.latency is None else {"latency": [float(f"{ms:.5g}") for ms in variants.latency]}),
        },
    }
    encoded = msgspec.json.encode(data).decode()
    for sign in "<>&":
        encoded = encoded.replace(sign, f"\\u{ord(sign):04x}")
    return text.visible(encoded)

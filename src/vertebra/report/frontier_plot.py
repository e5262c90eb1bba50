"""The picture of a frontier: what is held, and what is published of it, against what is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebra.report.frontier_view import AXES, TOP1, drawn, look, titles
from vertebra.report.svg import GRID, INK, Notes, Plot, render
from vertebra.report.ticks import log_axis
from vertebra.scale.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 4000
"""Variants that are drawn."""
IMAGENET = 1000


def scatter(found: Frontier) -> str:
    """``plot_of`` as an ``<svg>`` element.  Raises MissingExtraError without matplotlib."""
    return render(*plot_of(found))


def plot_of(found: Frontier) -> Plot:
    """Two panels over what is paid (logarithmic).

    Above: the first count that is held, a mark for each variant, filled on the frontier.  Below: for each family the
    highest published top-1 on ImageNet that anything of it holds for as much.
    """
    places = drawn(found, MOST)
    looks = look(found.variants.families)

    def draw(figure: Figure, notes: Notes) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        figure.subplots_adjust(hspace=0.12)
        _held(upper, notes, found, places, looks)
        upper.set_title("a mark for each variant, with an edge where it is on the frontier of its family")
        _published(lower, found, looks)
        lower.set_xlabel(AXES[found.paid])
        for budget in found.budgets:
            for axes in (upper, lower):
                axes.axvline(budget, color=GRID, lw=0.9, zorder=0)
        _log_axis(lower.xaxis, found.variants.column(found.paid)[places])
        upper.legend(loc="upper left", bbox_to_anchor=(-0.01, -1.28), ncol=4, handletextpad=0.3)

    told = f"{len(places)} scaled networks by what they cost and what they hold, and the frontier of each family"
    return Plot("frontier", told, (11.8, 9.6), draw)


def _held(axes: Axes, notes: Notes, found: Frontier, places: NDArray[Any], looks: dict[str, tuple[str, str]]) -> None:
    paid, held = found.variants.column(found.paid), found.variants.column(found.held[0])
    family, names = found.variants.family, titles(found.variants.families)
    for place, (name, (colour, marker)) in enumerate(looks.items()):
        own = places[family[places] == place]
        if not len(own):
            continue
        front = own[found.mask[own]]
        rest = own[~found.mask[own]]
        axes.plot(paid[rest], held[rest], marker, color=colour, ms=2.2, alpha=0.3, mew=0, zorder=1)
        axes.plot(
            paid[front], held[front], marker, mfc=colour, mec=INK, ms=4.4, mew=0.4, zorder=3,
            label=notes.label(names[name]),
        )  # fmt: skip
    axes.set_ylabel(AXES[found.held[0]])
    axes.grid(axis="y")
    _log_axis(axes.yaxis, held[places])


def _published(axes: Axes, found: Frontier, looks: dict[str, tuple[str, str]]) -> None:
    paid, family = found.variants.column(found.paid), found.variants.family
    top1 = imagenet_top1(found)
    for place, (colour, marker) in enumerate(looks.values()):
        own = np.flatnonzero((family == place) & ~np.isnan(top1))
        if not len(own):
            continue
        reached = np.maximum.accumulate(top1[own])
        steps = np.flatnonzero(np.diff(reached, prepend=-np.inf) > 0)
        axes.step(
            [*paid[own][steps], paid[own][-1]], [*reached[steps], reached[-1]], where="post", color=colour, lw=1.1,
            marker=marker, ms=5, mec=INK, mew=0.4, markevery=range(len(steps)), zorder=3,
        )  # fmt: skip
    axes.set_ylabel(TOP1)
    axes.grid(axis="y")


def imagenet_top1(found: Frontier) -> NDArray[np.float64]:
    """The published top-1 of what each variant holds, not a number for other data sets and where it holds none."""
    known = [one.top1 if one.task == IMAGENET else np.nan for one in found.bracket.references]
    return np.array([*known, np.nan])[found.bracket.above]


def _log_axis(axis: Any, values: NDArray[Any]) -> None:
    log_axis(axis, float(values.min()) / 1.2, float(values.max()) * 1.2)

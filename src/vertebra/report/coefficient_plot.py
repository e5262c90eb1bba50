"""The heat map of a grid search: mean validation accuracy over (alpha, beta), gamma written in each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vertebra.report import text
from vertebra.report.coefficients import Cell, GridSearch
from vertebra.report.svg import GRID, INK, Notes, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLUE = (0.0, 0.447, 0.698)  # of PALETTE, as numbers: the paper shines through where an accuracy is low
_ORANGE = "#d55e00"
_FAINT, _STRONG = 0.08, 1.0
_DARK = 0.85
"""From here on white reads better on it than ink."""


def heat_map(search: GridSearch) -> str:
    """An ``<svg>`` element: a cell for each candidate, the darker the more accurate, the winner framed.

    Candidates that cannot be told from the winner (Tukey's range test) have their number in bold.  Raises
    MissingExtraError without matplotlib.
    """
    alphas = sorted({one.alpha for one in search.cells})
    betas = sorted({one.beta for one in search.cells})
    means = [one.mean for one in search.ranked if one.mean is not None]
    low, high = (min(means), max(means)) if means else (0.0, 1.0)

    def draw(figure: Figure, notes: Notes) -> None:
        axes = figure.subplots()
        for one in search.cells:
            at = (alphas.index(one.alpha), betas.index(one.beta))
            share = 0.0 if one.mean is None or high == low else (one.mean - low) / (high - low)
            _cell(axes, notes, search, one, at, share)
        axes.set_xlim(-0.5, len(alphas) - 0.5)
        axes.set_ylim(-0.5, len(betas) - 0.5)
        axes.set_xticks(range(len(alphas)), [f"{alpha:.3g}" for alpha in alphas])
        axes.set_yticks(range(len(betas)), [f"{beta:.3g}" for beta in betas])
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(GRID)
        axes.set_xlabel("alpha: depth times")
        axes.set_ylabel("beta: width times")

    told = f"Mean validation accuracy of {len(search.cells)} candidates over alpha and beta"
    size = (1.2 + 1.25 * len(alphas), 0.9 + 0.85 * len(betas))
    return render("heat-map", told, size, draw)


def _cell(axes: Axes, notes: Notes, search: GridSearch, one: Cell, at: tuple[int, int], share: float) -> None:
    from matplotlib.patches import Rectangle

    strength = _FAINT + (_STRONG - _FAINT) * share
    best = one == search.winner
    ink = "white" if strength > _DARK else INK
    x, y = at
    patch = Rectangle(
        (x - 0.48, y - 0.48), 0.96, 0.96, facecolor=(*_BLUE, strength), edgecolor=_ORANGE if best else GRID,
        linewidth=2.4 if best else 0.8, zorder=3 if best else 2,
    )  # fmt: skip
    notes.title(axes.add_patch(patch), _told(one))
    bold = "bold" if best or one in search.tied else "normal"
    said = "failed" if one.mean is None else f"{100 * one.mean:.1f}%"
    axes.text(x, y + 0.14, said, ha="center", va="center", color=ink, weight=bold, fontsize=11, zorder=4)
    axes.text(x, y - 0.22, f"gamma {one.gamma:.3g}", ha="center", va="center", color=ink, fontsize=8, zorder=4)


def _told(one: Cell) -> str:
    each = ", ".join(text.percent(accuracy, 10_000) for accuracy in one.accuracies) or "no accuracy"
    return "\n".join(
        (
            one.name,
            f"{one.resolution} px, {one.blocks} blocks, {text.short(one.params)} parameters",
            f"{text.short(one.macs)} MACs, {one.cost:.2f} times the base's",
            f"by seed: {each}",
        )
    )

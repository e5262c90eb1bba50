"""The scatter of a comparison: MACs against top-1, with the frontier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from vertebra.report import text
from vertebra.report.comparison import Row
from vertebra.report.svg import GRID, INK, LABEL, MARKERS, MUTED, PALETTE, Notes, Plot, render
from vertebra.report.ticks import log_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED = 16
"""Up to so many networks in a panel are named; of more, those on the frontier."""


_FONT = 8.5
_GAP = 14
"""Points between the last mark and the end of the axis, beside the room for a name."""
_TICKED = math.log(6.25)
"""Of so long an axis, in natural logarithms, at least two ticks of 1, 2 and 5 are seen."""
_BESIDE = ((-6, 4), (6, -13), (-6, -13), (7, 4), (-7, -4), (7, -4))
"""Where a name may stand beside its mark, in points: its near end's distance across, and its foot's up."""


class _Box(NamedTuple):
    left: float
    foot: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        """Whether the two overlap."""
        return self.left < other.right and other.left < self.right and self.foot < other.top and other.foot < self.top

    def wider(self, by: float) -> _Box:
        """The box with so much more on each side."""
        return _Box(self.left - by, self.foot - by, self.right + by, self.top + by)


def scatter(rows: Sequence[Row]) -> str:
    """``plot_of`` as an ``<svg>`` element.  Raises MissingExtraError without matplotlib."""
    return render(*plot_of(rows))


def plot_of(rows: Sequence[Row]) -> Plot:
    """Top-1 against MACs (logarithmic); a panel for each number of classes.

    A staircase joins the networks that no other beats; those without a published accuracy are left out.
    """
    shown = [one for one in rows if one.top1 is not None and one.macs > 0]
    panels = sorted({one.classes or 0 for one in shown}, reverse=True) or [0]
    families = list(dict.fromkeys(one.family for one in shown))
    look = {family: (PALETTE[i % 7], MARKERS[(i + i // 7) % 7]) for i, family in enumerate(families)}

    def draw(figure: Figure, notes: Notes) -> None:
        subplots = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        figure.subplots_adjust(hspace=0.3)
        for axes, classes in zip(subplots, panels, strict=True):
            _panel(axes, notes, [one for one in shown if (one.classes or 0) == classes], look)
            axes.set_title(f"{classes} classes" if classes else "")
        if not shown:
            subplots[0].set_axis_off()
            subplots[0].set_title("none of these networks has a published accuracy")
        for family, (colour, marker) in look.items():
            subplots[-1].plot([], [], marker, mfc=colour, mec=INK, mew=0.6, ms=7, label=notes.label(family))
        if look:
            subplots[-1].legend(loc="upper left", bbox_to_anchor=(-0.01, -0.14), ncol=4, handletextpad=0.3)

    told = f"{len(shown)} networks by multiply-accumulates and published top-1 accuracy"
    return Plot("comparison", told, (11.8, 1 + 4.4 * len(panels) if shown else 1), draw)


def _panel(axes: Axes, notes: Notes, rows: Sequence[Row], look: dict[str, tuple[str, str]]) -> None:
    best = sorted((one for one in rows if one.frontier), key=lambda one: one.macs)
    axes.step([one.macs for one in best], [one.top1 or 0.0 for one in best], where="post", color=MUTED, lw=1, zorder=1)
    for one in rows:
        colour, marker = look[one.family]
        mark = axes.plot(one.macs, one.top1 or 0.0, marker, mfc=colour, mec=INK, ms=7, mew=0.6, zorder=3)
        notes.title(mark[0], _said(one))
    axes.grid(color=GRID)
    axes.set_xlabel("multiply-accumulates for one image, at the resolution of the accuracy")
    axes.set_ylabel("published top-1, %")
    axes.margins(y=0.1)
    axes.autoscale_view()
    named = rows if len(rows) <= NAMED else best
    if rows:
        log_axis(axes.xaxis, *_ends(axes, rows, named))
    _names(axes, notes, rows, named, best)


def _ends(axes: Axes, rows: Sequence[Row], named: Sequence[Row]) -> tuple[float, float]:
    """From where to where the axis of MACs goes.

    Beyond the first mark is room for its name, and beyond the last, unless it is on the frontier: its name stands to
    its left.
    """
    first, last = min(rows, key=lambda one: one.macs), max(rows, key=lambda one: one.macs)
    left = _GAP + (_width(first.name) if first in named else 0.0)
    right = _GAP + (_width(last.name) if last in named and not last.frontier else 0.0)
    whole = axes.bbox.width * 72 / axes.figure.dpi
    between, apart = whole - left - right, math.log(last.macs / first.macs)
    shown = max(apart, _TICKED * between / whole)
    point, spare = shown / between, (shown - apart) / 2
    return first.macs * math.exp(-left * point - spare), last.macs * math.exp(right * point + spare)


def _width(name: str) -> float:
    """About how wide a name is, in points, as it is shown."""
    return 0.6 * _FONT * text.columns(text.shortened(name, LABEL))


def _names(axes: Axes, notes: Notes, rows: Sequence[Row], named: Sequence[Row], best: Sequence[Row]) -> None:
    """A name beside each mark, where nothing stands yet: first up and to the left, which on a frontier is free.

    A name for which there is no room is left to the pointer.
    """
    scale = 72 / axes.figure.dpi
    pixels = axes.transData.transform([(one.macs, one.top1 or 0.0) for one in rows]) if rows else ()
    places = {one.name: (float(x * scale), float(y * scale)) for one, (x, y) in zip(rows, pixels, strict=True)}
    (left, _), (right, _) = (axes.transAxes.transform((end, 0)) * scale for end in (0, 1))
    taken = [_Box(x, y, x, y).wider(4) for x, y in places.values()]
    taken += _stairs([places[one.name] for one in best])
    for one in sorted(named, key=lambda one: (not one.frontier, -one.macs)):
        x, y = places[one.name]
        width = _width(one.name)
        for across, up in _BESIDE if one.frontier else _BESIDE[::-1]:
            start = x + across if across > 0 else x + across - width
            box = _Box(start, y + up, start + width, y + up + _FONT)
            if start < left or start + width > right or any(box.meets(other) for other in taken):
                continue
            taken.append(box)
            axes.annotate(
                notes.label(one.name), (one.macs, one.top1 or 0.0), xytext=(across, up), textcoords="offset points",
                ha="left" if across > 0 else "right", va="bottom", fontsize=_FONT, zorder=4,
            )  # fmt: skip
            break


def _stairs(corners: Sequence[tuple[float, float]]) -> list[_Box]:
    """The line that joins the frontier, as boxes: a tread and a riser from each place to the next."""
    boxes = []
    for (x, y), (further, higher) in pairwise(corners):
        boxes += [_Box(x, y, further, y).wider(1), _Box(further, y, further, higher).wider(1)]
    return boxes


def _said(one: Row) -> str:
    return "\n".join(
        (
            f"{one.name} ({one.family}, {one.year})" if one.year else one.name,
            f"{text.short(one.params)} parameters, {text.short(one.macs)} MACs at {one.resolution} px",
            f"top-1 {one.top1}% ({one.source})",
        )
    )

"""The plots of the page: each function takes measurements and returns an ``<svg>`` element as text.

All of them work without a screen, touch no global state of matplotlib, and raise MissingExtraError without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from vertebra.report import text
from vertebra.report.study import Candidate, Point
from vertebra.report.svg import GRID, INK, MARKERS, MUTED, PALETTE, Notes, render
from vertebra.report.ticks import log_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERED = 20  # up to so many classes a confusion matrix has its numbers written in
NAMED = 40  # up to so many classes are named along an axis
LEAST_MS = 1e-6  # that is drawn
_FEW = 8  # up to so many curves are told apart by colour


def frontier(candidates: Sequence[Candidate], budget_ms: float | None) -> str:
    """Validation accuracy against measured latency (ms, network and preprocessing), one mark for each candidate.

    Trained candidates are filled; the others lie hollow along the bottom.  A staircase joins those that none beats in
    both; candidates without a measurement are left out.
    """
    timed = [(one, one.latency_ms) for one in candidates]
    shown = [(one, at) for one, at in timed if at is not None and timeable(at)]
    budget_ms = budget_ms if budget_ms is not None and timeable(budget_ms) else None
    families = {one.family: None for one, _ in shown}
    look = {family: (PALETTE[i % 7], MARKERS[(i + i // 7) % 7]) for i, family in enumerate(families)}
    trained = [(one, at, one.accuracy) for one, at in shown]
    points = [(one, at, height) for one, at, height in trained if height is not None and plottable(height)]

    def draw(figure: Figure, notes: Notes) -> None:
        axes = figure.subplots()
        floor, top = _accuracy_range([height for _, _, height in points])
        rug = floor + 0.035 * (top - floor)
        filled = {id(one) for one, _, _ in points}
        for one, at in shown:
            if id(one) not in filled:
                colour, marker = look[one.family] if one.fits else (MUTED, look[one.family][1])
                mark = axes.plot(at, rug, marker, mfc="none", mec=colour, ms=5, mew=0.9, clip_on=False, zorder=2)
                notes.title(mark[0], candidate_said(one))
        axes.step(*_staircase([(at, height) for _, at, height in points]), where="post", color=MUTED, lw=1, zorder=1)
        for one, at, height in points:
            colour, marker = look[one.family]
            large, edge = (11.0, 1.8) if one.winner else (7.0, 0.6)
            mark = axes.plot(at, height, marker, mfc=colour, mec=INK, ms=large, mew=edge, clip_on=False, zorder=4)
            notes.title(mark[0], candidate_said(one))
        axes.set_ylim(floor, top)
        latency_axis(axes, [at for _, at in shown] + ([] if budget_ms is None else [budget_ms]))
        _percent_axis(axes, "validation accuracy")
        if budget_ms is not None:
            axes.axvline(budget_ms, color="#d55e00", lw=1.3, ls=(0, (5, 3)), zorder=1)
            said = notes.label(f"budget {budget_ms:g} ms")
            axes.text(budget_ms, 1.015, said, transform=axes.get_xaxis_transform(), ha="center", va="bottom")
        for one, at, height in points:
            if one.winner:
                _name_winner(axes, notes, one, at, height)
        _frontier_legend(axes, notes, look, hollow=len(points) < len(shown))

    told = f"{len(points)} trained candidates by latency and validation accuracy, and {len(shown) - len(points)} others"
    return render("frontier", told, (11.8, 4.9), draw)


def curves(series: Mapping[str, Sequence[Point]], winner: str) -> str:
    """Validation accuracy and training loss against minutes of training, a line for each candidate, the winner thick.

    Up to eight candidates have a colour each; of more, all but the winner are grey and named under the pointer.
    """
    # The winner last: it then lies on top.
    names = sorted(series, key=lambda name: name == winner)
    others = [name for name in names if name != winner]
    few = len(names) <= _FEW
    colours = {name: PALETTE[1 + i % 6] if few else MUTED for i, name in enumerate(others)} | {winner: PALETTE[0]}
    strokes = {name: "-" if i < 6 or not few else "--" for i, name in enumerate(others)} | {winner: "-"}

    def panel(axes: Axes, notes: Notes, value: Callable[[Point], float | None]) -> None:
        for name in names:
            taken = [(point.seconds / 60, value(point)) for point in series[name]]
            line = [(at, height) for at, height in taken if height is not None and plottable(height, at)]
            wide, thin = (2.4, 5) if name == winner else (1.0 if not few else 1.3, 3)
            drawn = axes.plot(
                [at for at, _ in line], [height for _, height in line], strokes[name], color=colours[name], lw=wide,
                marker="o" if len(line) == 1 else "", ms=thin, alpha=1 if few or name == winner else 0.6,
            )  # fmt: skip
            notes.title(drawn[0], name)
            if few or name == winner:
                drawn[0].set_label(notes.label(name, 34))
        axes.set_xlabel("minutes of training")
        axes.grid(axis="y")
        axes.margins(x=0.02)

    def draw(figure: Figure, notes: Notes) -> None:
        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(wspace=0.22)
        panel(left, notes, lambda point: point.val_accuracy)
        panel(right, notes, lambda point: point.train_loss)
        _percent_axis(left, None)
        left.set_title("validation accuracy")
        right.set_title("training loss")
        if not few and others:
            left.plot([], [], color=MUTED, lw=1, label=f"the {len(others)} others: rest the pointer on a line")
        handles, labels = left.get_legend_handles_labels()
        if few:  # the winner was drawn last, and is named first
            handles, labels = handles[::-1], labels[::-1]
        if handles:
            left.legend(handles, labels, loc="upper left", bbox_to_anchor=(-0.02, -0.2), ncol=3)

    return render("curves", f"Learning curves of {len(names)} candidates", (12.4, 3.9), draw)


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Counts of true class (rows) by predicted class, coloured by their share of the row.

    Numbers are written for up to 20 classes, names for up to 40.
    """
    count = len(matrix)
    side = min(7.2, max(2.6, 0.42 * count))

    def draw(figure: Figure, notes: Notes) -> None:
        axes = figure.subplots()
        axes.imshow(_cell_colours(matrix), interpolation="none", aspect="equal")
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        for spine in axes.spines.values():
            spine.set(visible=True, color=GRID)
        if count > NAMED:
            axes.set_xticks([])
            axes.set_yticks([])
        else:
            _name_classes(axes, notes, classes, 9.5 if count <= NUMBERED else 7)
        if count <= NUMBERED:
            for row, cells in enumerate(matrix):
                for column, cell in enumerate(cells):
                    share = cell / (sum(cells) or 1)
                    colour = "white" if share > 0.3 else INK if cell else MUTED
                    style = 9 if cell < 1000 else 6.5
                    axes.text(column, row, str(cell), ha="center", va="center", color=colour, fontsize=style)

    return render("confusion", f"Confusion matrix of {count} classes on the test part", (side, side), draw)


def class_counts(counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> str:
    """How many images each class has in each part: stacked bars, or for more than 40 classes sorted curves."""
    parts = list(counts)
    many = len(classes) > NAMED
    tall = 3.0 if many else 0.5 + 0.26 * len(classes)

    def draw(figure: Figure, notes: Notes) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        before = [0] * len(classes)
        for part, colour in zip(parts, (PALETTE[0], PALETTE[1], PALETTE[2], *PALETTE[3:] * len(parts)), strict=False):
            here = [counts[part].get(name, 0) for name in classes]
            label = notes.label(part)
            if many:
                ranks = [rank + 0.5 for rank in range(len(here) + 1)]
                axes.stairs(sorted(here, reverse=True), ranks, color=colour, lw=1.8, label=label, baseline=None)
                continue
            bars = axes.barh(range(len(here)), here, left=before, color=colour, height=0.72, label=label)
            for bar, name, number in zip(bars, classes, here, strict=True):
                notes.title(bar, f"{name}: {text.exact(number)} in {part}")
            before = [sum(pair) for pair in zip(before, here, strict=True)]
        if many:
            axes.set(xlabel="class, from the largest to the smallest", ylabel="images", xlim=(0.5, len(classes) + 0.5))
            axes.set_ylim(bottom=0)
        else:
            axes.set(xlabel="images", ylim=(len(classes) - 0.4, -0.6))
            axes.set_yticks(range(len(classes)), [notes.label(name) for name in classes])
            axes.tick_params(axis="y", length=0)
        axes.grid(axis="y" if many else "x")
        (axes.yaxis if many else axes.xaxis).set_major_locator(MaxNLocator(nbins=8, integer=True))
        if parts:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=3)

    return render("counts", f"Images of {len(classes)} classes in {len(parts)} parts", (9.2, tall), draw)


def plottable(*values: float) -> bool:
    """A diverged loss is infinite or nearly so: such a value would flatten all others."""
    return all(math.isfinite(value) and abs(value) < 1e9 for value in values)


def timeable(ms: float) -> bool:
    """Whether a latency can be drawn: one below LEAST_MS would leave no room for all others."""
    return plottable(ms) and ms >= LEAST_MS


def candidate_said(one: Candidate) -> str:
    lines = [one.name, one.family, f"{text.short(one.params)} parameters, {text.short(one.macs)} MACs"]
    lines.append(f"{text.ms(one.latency_ms)} (network {text.ms(one.network_ms)})")
    lines.append("not trained" if one.accuracy is None else f"validation accuracy {text.percent(one.accuracy)}")
    return "\n".join(lines + ([one.over] if one.over else []))


def _accuracy_range(heights: Sequence[float]) -> tuple[float, float]:
    """Limits that leave room for the rug below and for the winner's name above."""
    low, high = (min(heights), max(heights)) if heights else (0.0, 1.0)
    spread = max(high - low, 0.02)
    return low - 0.2 * spread, high + 0.14 * spread


def _staircase(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """The points that none beats in both latency and accuracy, from fast to slow."""
    best: list[tuple[float, float]] = []
    for at, height in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or height > best[-1][1]:
            best.append((at, height))
    return [at for at, _ in best], [height for _, height in best]


def latency_axis(axes: Axes, spread: Sequence[float]) -> None:
    """Name and limit the horizontal axis for these latencies (ms, ``timeable``), logarithmic where they differ much."""
    axes.set_xlabel("latency on this machine, ms: network and preprocessing, batch 1")
    axes.grid(axis="y")
    if not spread:
        return
    low, high = min(spread), max(spread)
    if high / low <= 8:
        axes.set_xlim(max(0, low - 0.08 * (high - low or low)), high + 0.08 * (high - low or high))
        return
    room = (high / low) ** 0.03
    log_axis(axes.xaxis, low / room, high * room, lambda tick: f"{tick:g}")


def _percent_axis(axes: Axes, label: str | None) -> None:
    low, high = axes.get_ylim()
    decimals = 0 if high - low > 0.05 else 1 if high - low > 0.005 else 2
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.{decimals}f}%" if -1e-9 <= value <= 1.0001 else "")
    if label:
        axes.set_ylabel(label)


def _name_winner(axes: Axes, notes: Notes, one: Candidate, at: float, height: float) -> None:
    """The label goes up and to the left, where nothing is both faster and better, if it has the room there."""
    said = notes.label(f"{one.name}, {text.percent(one.accuracy)}", 46)
    across = float(axes.transAxes.inverted().transform(axes.transData.transform((at, height)))[0])
    side, shift = ("right", -9) if across > 0.011 * len(said) else ("left", 9)
    axes.annotate(
        said, (at, height), xytext=(shift, 9), textcoords="offset points", ha=side, va="bottom", weight="bold",
        zorder=5,
    )  # fmt: skip


def _frontier_legend(axes: Axes, notes: Notes, look: Mapping[str, tuple[str, str]], *, hollow: bool) -> None:
    for family, (colour, marker) in look.items():
        axes.plot([], [], marker, mfc=colour, mec=INK, mew=0.6, ms=7, label=notes.label(family))
    if hollow:
        axes.plot([], [], "o", mfc="none", mec=MUTED, ms=5, label="hollow: not trained; grey: over a budget")
    if look:
        axes.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.14), ncol=4, columnspacing=1.6, handletextpad=0.3)


def _cell_colours(matrix: Sequence[Sequence[int]]) -> list[list[tuple[float, float, float, float]]]:
    """Blue on the diagonal, vermilion off it; the paper shines through where the share of the row is small.

    Even one mistake among many must be seen, so a cell that is not empty starts at a third of the colour.
    """
    right, wrong = (0.0, 0.447, 0.698), (0.835, 0.369, 0.0)
    totals = [sum(cells) or 1 for cells in matrix]
    return [
        [
            (*(right if row == column else wrong), (0.33 + 0.67 * math.sqrt(min(1, cell / total))) if cell else 0.0)
            for column, cell in enumerate(cells)
        ]
        for row, (cells, total) in enumerate(zip(matrix, totals, strict=True))
    ]


def _name_classes(axes: Axes, notes: Notes, classes: Sequence[str], font: float) -> None:
    ticks = range(len(classes))
    slanted = any(text.columns(name) > 3 for name in classes)
    axes.set_yticks(ticks, [notes.label(name, 18) for name in classes], fontsize=font)
    axes.set_xticks(ticks, [notes.label(name, 18) for name in classes], fontsize=font)
    axes.tick_params(length=0)
    if slanted:
        axes.tick_params(axis="x", rotation=45)
        for tick in axes.get_xticklabels():
            tick.set(ha="right", rotation_mode="anchor")
    for tick, name in zip([*axes.get_xticklabels(), *axes.get_yticklabels()], [*classes, *classes], strict=True):
        notes.title(tick, name)

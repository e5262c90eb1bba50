"""What other latencies would buy, as a plot and as the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vertebra.report import text
from vertebra.report.plots import candidate_said, latency_axis, timeable
from vertebra.report.study import Allowance, Candidate, Further, Reach
from vertebra.report.svg import INK, MUTED, PALETTE, Notes, render
from vertebra.report.ticks import log_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Row(NamedTuple):
    """An allowance with the winner's family's network, and MACs for each millisecond beyond the row before."""

    allowance: Allowance
    reach: Reach
    further_macs: float | None


def rows(found: Further) -> list[Row]:
    """A row for each allowance within which something of the winner's family is expected."""
    made: list[Row] = []
    winner = found.lines[0].family if found.lines else None
    for allowance in found.allowances:
        reach = next((one for one in allowance.reaches if one.family == winner), None)
        if reach is None:
            continue
        before = made[-1].reach if made else None
        rate = None
        if before is not None and reach.ms > before.ms and reach.macs > before.macs:
            rate = (reach.macs - before.macs) / (reach.ms - before.ms)
        made.append(Row(allowance, reach, rate))
    return made


def capacity(found: Further, candidates: Sequence[Candidate]) -> str:
    """Multiply-accumulates against latency (ms): each family's expected frontier, and the candidates as measured."""
    order = enumerate(line.family for line in found.lines)
    colours = {family: PALETTE[0] if not place else PALETTE[1 + (place - 1) % 6] for place, family in order}
    lines = {line.family: [(at, macs) for at, macs, _ in line.points if _drawable(at, macs)] for line in found.lines}
    timed = [(one, one.latency_ms) for one in candidates if one.family in colours]
    marks = [(one, at) for one, at in timed if at is not None and _drawable(at, one.macs)]

    def draw(figure: Figure, notes: Notes) -> None:
        axes = figure.subplots()
        for place, (family, points) in enumerate(lines.items()):
            drawn = axes.step(
                [at for at, _ in points], [macs for _, macs in points], where="post", color=colours[family],
                lw=1.2 if place else 2.4, alpha=0.8 if place else 1, zorder=2 if place else 3,
                label=notes.label(family if place else f"{family} (the winner's)", 40),
            )  # fmt: skip
            notes.title(drawn[0], f"{family}: the largest expected within a latency")
        for one, at in marks:
            _mark(axes, notes, one, at, colours[one.family])
        _axes(axes, [*(point for points in lines.values() for point in points), *((at, one.macs) for one, at in marks)])
        if found.budgeted and _drawable(found.basis_ms, 1):
            axes.axvline(found.basis_ms, color="#d55e00", lw=1.3, ls=(0, (5, 3)), zorder=1)
            said = notes.label(f"budget {found.basis_ms:g} ms")
            axes.text(found.basis_ms, 1.015, said, transform=axes.get_xaxis_transform(), ha="center", va="bottom")
        _legend(axes, lines, marks)

    told = f"Multiply-accumulates that {len(lines)} families are expected to hold within a latency"
    return render("further", told, (11.8, 4.9), draw)


def _drawable(at: float, macs: int) -> bool:
    """Whether a logarithmic axis can show it."""
    return timeable(at) and macs > 0


def _mark(axes: Axes, notes: Notes, one: Candidate, at: float, colour: str) -> None:
    trained = one.accuracy is not None
    size, edge = (11.0, 1.8) if one.winner else (7.0, 0.6) if trained else (5.0, 0.9)
    mark = axes.plot(
        at, one.macs, "o", mfc=colour if trained else "none", mec=INK if trained else colour if one.fits else MUTED,
        ms=size, mew=edge, clip_on=False, zorder=5 if trained else 4,
    )  # fmt: skip
    notes.title(mark[0], candidate_said(one))


def _axes(axes: Axes, points: Sequence[tuple[float, int]]) -> None:
    latency_axis(axes, [at for at, _ in points])
    axes.set_ylabel("multiply-accumulates for one image")
    if not points:
        return
    log_axis(axes.yaxis, min(macs for _, macs in points) / 1.2, max(macs for _, macs in points) * 1.2)


def _legend(axes: Axes, lines: Mapping[str, object], marks: Sequence[tuple[Candidate, float]]) -> None:
    if any(one.accuracy is not None for one, _ in marks):
        axes.plot([], [], "o", mfc=MUTED, mec=INK, ms=7, label="measured and trained (the winner large)")
    if any(one.accuracy is None for one, _ in marks):
        axes.plot([], [], "o", mfc="none", mec=MUTED, ms=5, label="measured, not trained; grey: over a budget")
    if lines or marks:
        axes.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.14), ncol=3, columnspacing=1.6)


def accuracy_said(allowance: Allowance) -> str:
    """The best that was trained here of such a latency, after how many epochs; a dash for none."""
    one = allowance.trained
    if one is None:
        return text.NONE
    return f"{text.percent(one.val_accuracy)} ({one.name}, {text.ms(one.latency_ms)}, {one.epochs:.3g} epochs)"

"""The pictures of a network's cost: the share of each part, and what happens along the depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vertebra.report import text
from vertebra.report.cost_profile import Profile, Unit
from vertebra.report.cost_table import block_said
from vertebra.report.svg import GRID, INK, MUTED, PALETTE, Notes, render
from vertebra.report.ticks import log_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STEM, _HEAD = "#a3adb7", "#5f6b77"
_MORE = ("#785ef0", "#8c564b", "#44aa99", "#882255", "#999933")
_COLOURS = (*PALETTE, *_MORE)
"""GoogLeNet has nine stages."""
_DARK = (PALETTE[0], PALETTE[2], PALETTE[5], _MORE[0], _MORE[1], _MORE[3], _HEAD)
"""Colours that are written on in white."""
_NARROW = 0.045
"""The least share of a bar that has its figure written in."""
_TALL, _WIDE = 1.2, 11.8
_TICKS = 4
"""At most so many numbers along a panel's side."""


class Panel(NamedTuple):
    """One picture of a column of them: its title, what it says of a unit, and how a value reads."""

    title: str
    value: Callable[[Unit], float | None]
    said: Callable[[float], str]


def shares(of: Profile) -> str:
    """How parameters, MACs, activations and bytes moved are divided among stem, stages and head: an ``<svg>``
    element.
    """
    measures: tuple[tuple[str, Callable[[Unit], int]], ...] = (
        ("parameters", lambda unit: unit.params),
        ("MACs", lambda unit: unit.macs),
        ("activations", lambda unit: unit.activations),
        ("bytes moved", lambda unit: unit.traffic),
    )
    colours = colours_of(of.parts)

    def draw(figure: Figure, notes: Notes) -> None:
        axes = figure.subplots()
        for row, (name, value) in enumerate(measures):
            total = sum(map(value, of.units)) or 1
            left = 0.0
            for part in of.parts:
                here = sum(map(value, of.of(part)))
                share = here / total
                bar = axes.barh(row, share, left=left, color=colours[part], height=0.72)[0]
                notes.title(bar, f"{part}: {text.exact(here)} {name}, {text.percent(share)}")
                if share >= _NARROW:
                    axes.text(
                        left + share / 2, row, f"{100 * share:.0f}%", ha="center", va="center", fontsize=8.5,
                        color="#ffffff" if colours[part] in _DARK else "#111111",
                    )  # fmt: skip
                left += share
        axes.set(xlim=(0, 1), ylim=(len(measures) - 0.5, -0.5), xticks=[])
        axes.set_yticks(range(len(measures)), [name for name, _ in measures])
        axes.tick_params(axis="y", length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        _legend(axes, notes, of, colours)

    return render("shares", f"The share of each part of {of.arch.name} in its cost", (_WIDE, 2.1), draw)


def along_the_depth(of: Profile) -> str:
    """What each convolution and fully connected layer costs, in order of execution, one panel a measure, coloured by
    part: an ``<svg>`` element.
    """
    colours = colours_of(of.parts)
    trains = of.memory.training_bytes is not None
    bars = (
        Panel("parameters", lambda unit: unit.params, text.short),
        Panel("MACs", lambda unit: unit.macs, text.short),
        Panel("activations (values that leave convolutions)", lambda unit: unit.activations, text.short),
        Panel(f"memory while it runs, {_memory_said(of)}", lambda unit: unit.inference_bytes, text.size),
    )
    training = Panel(f"memory while it trains, {_memory_said(of)}", lambda unit: unit.forward_bytes, text.size)
    field = Panel("receptive field, pixels across", lambda unit: unit.field, lambda value: f"{value:.0f} px")
    intensity = Panel("operations for each byte moved (logarithmic)", lambda unit: unit.intensity, text.figures)

    def draw(figure: Figure, notes: Notes) -> None:
        every = (*bars, *([training] if trains else []), field, intensity)
        column: list[Axes] = list(figure.subplots(len(every), 1, sharex=True, squeeze=False)[:, 0])
        figure.subplots_adjust(hspace=0.42)
        for axes, panel in zip(column, every, strict=True):
            axes.set_title(panel.title, fontsize=9.5)
            axes.grid(axis="y", color=GRID)
            if panel is intensity:
                _dots(axes, notes, of, colours, panel)
            else:
                _areas(axes, notes, of, colours, panel)
            if panel is training:
                _backward(axes, notes, of)
            if panel is field:
                _image_side(axes, of)
        _borders(column, of)
        column[-1].set_xlabel("convolutions and fully connected layers in order, each with what follows it")
        column[-1].set_xlim(0, max(1, len(of.units)))

    panels = len(bars) + trains + 2
    return render("depth", f"The cost of {of.arch.name} along its depth", (_WIDE, 0.5 + _TALL * panels), draw)


def colours_of(parts: Sequence[str]) -> dict[str, str]:
    """A colour for each part: greys for stem and head."""
    stages = [part for part in parts if part not in ("stem", "head")]
    own = {part: _COLOURS[index % len(_COLOURS)] for index, part in enumerate(stages)}
    return {part: own.get(part, _STEM if part == "stem" else _HEAD) for part in parts}


def _legend(axes: Axes, notes: Notes, of: Profile, colours: dict[str, str]) -> None:
    for part in of.cost.parts:
        said = f"{part.part}: {block_said(part, 44)}"
        axes.barh(0, 0, color=colours[part.part], label=notes.label(said, text.columns(said)))
    axes.legend(loc="upper left", bbox_to_anchor=(-0.01, -0.02), ncol=2, fontsize=8.5, handlelength=1.1)


def _areas(axes: Axes, notes: Notes, of: Profile, colours: dict[str, str], panel: Panel) -> None:
    for part, start, units in _runs(of):
        known = _known([panel.value(unit) for unit in units])
        if not known:
            continue
        edges = range(start, start + len(known) + 1)
        area = axes.stairs(known, edges, fill=True, color=colours[part], lw=0)
        largest = max(known)
        at = units[known.index(largest)].path
        notes.title(area, f"{part}: {panel.title}\nat most {panel.said(largest)}, at {at}")
    axes.set_ylim(0, 1.06 * axes.get_ylim()[1])
    _scale(axes, panel)


def _known(values: Sequence[float | None]) -> list[float]:
    """Values with those that are not known as high as the one before, up to the last that is known."""
    last = max((place for place, value in enumerate(values) if value is not None), default=-1)
    found: list[float] = []
    for value in values[: last + 1]:
        found.append(value if value is not None else found[-1] if found else 0.0)
    return found


def _dots(axes: Axes, notes: Notes, of: Profile, colours: dict[str, str], panel: Panel) -> None:
    for part, start, units in _runs(of):
        shown = [(start + index + 0.5, unit.intensity) for index, unit in enumerate(units) if unit.intensity]
        marks = axes.plot([at for at, _ in shown], [value for _, value in shown], "o", ms=3.2, color=colours[part])
        values = [value for _, value in shown]
        if values:
            least, most = text.figures(min(values)), text.figures(max(values))
            notes.title(marks[0], f"{part}: {least} to {most} operations a byte")
    values = [unit.intensity for unit in of.units if unit.intensity]
    if values:
        log_axis(axes.yaxis, min(values) / 1.6, max(values) * 1.6, most=_TICKS)


def _backward(axes: Axes, notes: Notes, of: Profile) -> None:
    values = [unit.backward_bytes for unit in of.units]
    line = axes.stairs(values, range(len(values) + 1), baseline=None, color=INK, lw=1.1)
    notes.title(line, "the backward pass, from right to left")
    axes.set_ylim(0, 1.12 * max([1, *values, *(unit.forward_bytes for unit in of.units)]))


def _image_side(axes: Axes, of: Profile) -> None:
    side = of.cost.resolution
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.12 * side))
    axes.axhline(side, color=MUTED, lw=1, ls=(0, (5, 3)))
    axes.annotate(
        f"{side} px, the image", (len(of.units), side), xytext=(5, 0), textcoords="offset points", va="center",
        fontsize=8, color=MUTED, annotation_clip=False,
    )  # fmt: skip


def _borders(column: Sequence[Axes], of: Profile) -> None:
    """Thin lines where parts meet, and above the first panel the number of each stage that is wide enough."""
    for part, start, units in _runs(of):
        for axes in column:
            if start:
                axes.axvline(start, color=GRID, lw=0.8, zorder=0)
            axes.tick_params(axis="x", length=0, labelbottom=False)
        if len(units) >= 0.05 * len(of.units):
            column[0].text(
                start + len(units) / 2, 1.02, part, transform=column[0].get_xaxis_transform(), ha="center", va="bottom",
                fontsize=8, color=MUTED,
            )  # fmt: skip
    column[0].set_title(column[0].get_title(loc="left"), fontsize=9.5, pad=16)


def _runs(of: Profile) -> list[tuple[str, int, tuple[Unit, ...]]]:
    """Each part with the place of its first unit, and its units."""
    runs, start = [], 0
    for part in of.parts:
        units = of.of(part)
        if units:
            runs.append((part, start, units))
        start += len(units)
    return runs


def _scale(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.yaxis.set_major_formatter(lambda value, _: "0" if value == 0 else text.trimmed(panel.said(value)))


def _memory_said(of: Profile) -> str:
    images = "one image" if of.memory.batch == 1 else f"{text.exact(of.memory.batch)} images"
    return f"{images}, {of.memory.precision}"

"""From a matplotlib figure to a piece of SVG that can stand in a page.

matplotlib never sees a user's text: it draws a placeholder of the same width, which is replaced by the escaped text
afterwards.  So a ``$``, a ``<`` or a letter that its fonts lack cannot hurt.  Four colours are placeholders too: they
become the page's CSS variables, and the plots follow its light and dark look.
"""

from __future__ import annotations

import html
import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from vertebra.errors import MissingExtraError
from vertebra.report.text import columns, shortened, visible

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#010203", "#010204", "#010205"

# Okabe and Ito 2008, without black (the ink) and with the yellow last (it is faint on white).
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", PALETTE[0]: "var(--blue)"}
LIGHT = {INK: "#1c2127", MUTED: "#69727d", GRID: "#dfe3e8"}
"""The placeholders as colours of paper."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LABEL = 28
"""Columns of a label at most."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vertebra",
    "font.family": "DejaVu Sans",  # matplotlib brings it along; the page then sets its own
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}

# matplotlib's settings are the process's; two reports at once must not restore each other's.
_SETTINGS = threading.Lock()


class Notes:
    """The user's texts in one drawing: labels that are seen and titles that appear under the pointer."""

    def __init__(self) -> None:
        self._labels: list[str] = []
        self._titles: list[str] = []

    def label(self, text: str, limit: int = LABEL) -> str:
        """A placeholder about as wide as ``text``, which is cut to ``limit`` columns."""
        shown = shortened(text, limit)
        token = f"Q{len(self._labels)}Q"
        self._labels.append(shown)
        return token.ljust(columns(shown), "n")

    def title(self, artist: Artist, text: str) -> None:
        """Shows ``text`` when the pointer rests on ``artist``."""
        artist.set_gid(f"T{len(self._titles)}T")
        self._titles.append(text)

    def put_into(self, svg: str) -> str:
        """``svg`` with every placeholder replaced, in one pass, so that no text is taken for a placeholder."""

        def label(found: re.Match[str]) -> str:
            return f">{html.escape(self._labels[int(found[1])])}</text>"

        def title(found: re.Match[str]) -> str:
            return f"<g{found[1]}><title>{html.escape(visible(self._titles[int(found[2])]))}</title>"

        svg = re.sub(r'<g( id="[^"]*T(\d+)T")>', title, svg)
        # A title holds no raw '>' after escaping, so this pattern can only meet what matplotlib wrote.
        return re.sub(r">\s*Q(\d+)Qn*\s*</text>", label, svg)


Drawing = Callable[["Figure", Notes], None]
"""What puts a plot on a figure; texts of a user's go through the notes."""


class Plot(NamedTuple):
    """What ``render`` takes: a plot that is not drawn yet."""

    name: str
    description: str
    size: tuple[float, float]
    draw: Drawing


def render(name: str, description: str, size: tuple[float, float], draw: Drawing) -> str:
    """What ``draw`` puts on a figure of ``size`` (width, height in inches) as an ``<svg>`` element.

    ``name`` keeps ids of several drawings on one page apart; ``description`` is what a screen reader says.
    Raises MissingExtraError without matplotlib.
    """
    notes, stream = Notes(), io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with drawn(size, draw, notes, STYLE) as figure:
        figure.savefig(stream, format="svg", transparent=True, bbox_inches="tight", pad_inches=0.04, metadata=nothing)
    return notes.put_into(_embedded(stream.getvalue(), name, description))


@contextmanager
def drawn(size: tuple[float, float], draw: Drawing, notes: Notes, style: dict[Any, Any]) -> Iterator[Figure]:
    """The figure with what ``draw`` put on it; until it is saved, matplotlib has its defaults and ``style``.

    Raises MissingExtraError without matplotlib.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "train") from error

    # The defaults first: a user's own matplotlibrc (usetex, dark styles) must not reach a report.
    defaults: dict[Any, Any] = {k: v for k, v in matplotlib.rcParamsDefault.items() if not k.startswith("backend")}
    with _SETTINGS, matplotlib.rc_context(defaults | style):
        figure = Figure(figsize=size)
        draw(figure, notes)
        yield figure


_STANDALONE = f"""<style>
svg {{ --ink: {LIGHT[INK]}; --muted: {LIGHT[MUTED]}; --grid: {LIGHT[GRID]}; --blue: #0072b2; background: #ffffff;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
@media (prefers-color-scheme: dark) {{
  svg {{ --ink: #e4e7ea; --muted: #98a2ad; --grid: #343b43; --blue: #2f8fd0; background: #15181c; }}
}}
</style>
"""


def standalone(svg: str) -> str:
    """An element of ``render`` as a file of its own, with the colours and the font that a page would give it."""
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head, body = svg.split(">", 1)
    return f"{head.replace('<svg', f'<svg {names}', 1)}>\n{_STANDALONE}{body}\n"


def _embedded(svg: str, name: str, description: str) -> str:
    """matplotlib's file as an element: its own ids, the page's colours and font, no address of anything."""
    svg = svg[svg.index("<svg") :].strip()
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    width = float(box[1]) if box else 480.0
    view = box[0] if box else ""
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # it would rule the whole page
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'((?:xlink:)?href="|url\()#', rf"\1#{name}-", body)
    body = re.sub(r'style="[^"]*"', lambda style: _themed(style[0]), body)
    said = html.escape(visible(description))
    # A point is 4/3 of a CSS pixel: at that width the letters have the size that was asked for.
    return f'<svg class="plot" role="img" aria-label="{said}" {view} style="max-width: {width * 4 / 3:.0f}px">{body}'


def _themed(style: str) -> str:
    for colour, variable in _VARIABLES.items():
        style = style.replace(colour, variable)
    style = re.sub(r"font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--sans)", style)
    return re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", style)

"""A plot as a file of its own: SVG, or PNG and PDF for slides and papers, where matplotlib does what a page would."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertebra.bundle.files import check_free
from vertebra.errors import UsageError
from vertebra.report.svg import LIGHT, STYLE, Notes, Plot, drawn, render, standalone
from vertebra.report.text import shortened

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

# What would make two files of one plot differ.
_METADATA = {".png": {"Software": None}, ".pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
ENDINGS = (".svg", *_METADATA)
DOTS = 200
"""Of a PNG, an inch."""
_PARTS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


def kind_of(path: Path) -> str:
    """The ending that says what is written to ``path``; raises UsageError for one that is not in ``ENDINGS``."""
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise UsageError(f"a plot in {path.name!r}", allowed=f"a name that ends in {', '.join(ENDINGS)}")
    return kind


def check_places(html: Path | None, plot: Path | None, *, force: bool = False) -> None:
    """Whether a page and a plot may be written there, before anything is made.

    Raises UsageError for a plot in another kind of file and for one place of both, OutputError for a place that is
    taken where ``force`` does not replace it.
    """
    if plot is not None:
        kind_of(plot)
        if html is not None and html.absolute() == plot.absolute():
            raise UsageError(f"the page and the plot are both to be {plot}", remedy="give them two names")
    for path in (html, plot):
        if path is not None:
            check_free(path, force=force)


def file_of(plot: Plot, path: Path) -> bytes:
    """What is to be written to ``path``; on paper's white but for SVG, which has a page's colours.

    A letter that matplotlib's font lacks is a box in PNG and PDF.  Raises UsageError for another kind of file,
    MissingExtraError without matplotlib.
    """
    kind = kind_of(path)
    if kind == ".svg":
        return standalone(render(*plot)).encode("utf-8")
    stream = io.BytesIO()
    style = {key: LIGHT.get(value, value) for key, value in STYLE.items()} | {"pdf.fonttype": 42}
    with drawn(plot.size, plot.draw, _Shown(), style) as figure, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        _colour(figure)
        figure.savefig(stream, format=kind[1:], dpi=DOTS, bbox_inches="tight", pad_inches=0.1, metadata=_METADATA[kind])
    return stream.getvalue()


class _Shown(Notes):
    """The user's texts themselves, none taken for a formula; a picture has no pointer."""

    def label(self, text: str, limit: int = 28) -> str:
        return shortened(text, limit).replace("$", r"\$")

    def title(self, artist: Artist, text: str) -> None:
        pass


def _colour(figure: Figure) -> None:
    """Placeholders of colours, where an artist was given one, as colours."""
    from matplotlib.colors import is_color_like, to_hex

    figure.draw_without_rendering()  # until then an axis has no ticks
    for artist in figure.findobj():
        for part in _PARTS:
            own: Any = getattr(artist, f"get_{part}", lambda: None)()
            if is_color_like(own) and to_hex(own) in LIGHT:
                getattr(artist, f"set_{part}")(LIGHT[to_hex(own)])

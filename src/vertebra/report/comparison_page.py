"""A comparison as files: a page that holds everything it shows, or the scatter alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vertebra.bundle.files import write_whole
from vertebra.report.comparison import Row, best_said, field, ideas
from vertebra.report.comparison_plot import plot_of, scatter
from vertebra.report.page import drawing, filled
from vertebra.report.picture import check_places, file_of


def write(rows: Sequence[Row], html: Path | None = None, plot: Path | None = None, *, force: bool = False) -> None:
    """Writes the comparison as one HTML file that asks the network for nothing, and the scatter as SVG, PNG or PDF.

    Raises UsageError for a plot in another kind of file, OutputError if a place is taken (``force`` replaces) or cannot
    be written, MissingExtraError without matplotlib or jinja2; nothing is written then.
    """
    check_places(html, plot, force=force)
    made: dict[Path, bytes | str] = {}
    if plot is not None:
        made[plot] = file_of(plot_of(rows), plot)
    if html is not None:
        made[html] = page(rows)
    for path, content in made.items():
        write_whole(path, content)


def page(rows: Sequence[Row]) -> str:
    """The page as text.  Every name and source in it is escaped."""
    return filled(
        "comparison.html.j2",
        {
            "rows": rows,
            "field": field,
            "ideas": ideas(rows),
            "best": best_said(rows),
            "plot": drawing(scatter(rows)) if any(one.frontier for one in rows) else "",
        },
    )

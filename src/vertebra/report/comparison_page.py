"""A comparison as files: a page that holds everything it shows, or the scatter alone as SVG."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from pathlib import Path

from vertebra.errors import MissingExtraError, UsageError
from vertebra.report import text
from vertebra.report.comparison import Row, field, ideas
from vertebra.report.comparison_plot import scatter
from vertebra.report.files import check_free, write_whole
from vertebra.report.svg import standalone


def write(rows: Sequence[Row], html: Path | None = None, plot: Path | None = None, *, force: bool = False) -> None:
    """Writes the comparison as one HTML file that asks the network for nothing, and the scatter as an SVG file.

    Raises UsageError for a plot in another kind of file, OutputError if a place is taken (``force`` replaces) or cannot
    be written, MissingExtraError without matplotlib or jinja2; nothing is written then.
    """
    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError(f"a plot in {plot.name!r}", allowed="a name that ends in .svg")
    made: dict[Path, str] = {}
    if html is not None:
        made[html] = page(rows)
    if plot is not None:
        made[plot] = standalone(scatter(rows))
    for path in made:
        check_free(path, force=force)
    for path, content in made.items():
        write_whole(path, content)


def page(rows: Sequence[Row]) -> str:
    """The page as text.  Every name and source in it is escaped."""
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError.of("jinja2", "train") from error
    from markupsafe import Markup  # comes with jinja2; only for the plot, which svg.py escapes

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(short=text.short, exact=text.exact, field=field)
    source = importlib.resources.files("vertebra.report").joinpath("templates", "comparison.html.j2")
    template = environment.from_string(source.read_text(encoding="utf-8"))
    return text.visible(template.render(rows=rows, ideas=ideas(rows), plot=Markup(scatter(rows))))

"""Pages out of templates: one file that holds everything it shows, with everything that is a user's escaped."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from typing import Any

from vertebra.errors import MissingExtraError
from vertebra.report import text

FILTERS = ("short", "figures", "exact", "size", "ms", "duration", "percent")
"""What of ``text`` a template may use."""


def filled(template: str, view: Mapping[str, Any]) -> str:
    """The template of this name with the values of ``view`` in it.

    In HTML, what is no ``Markup`` is escaped.  Raises MissingExtraError without jinja2.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError.of("jinja2", "train") from error
    environment = jinja2.Environment(
        autoescape=".html." in template,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_source),
    )
    environment.filters.update({name: getattr(text, name) for name in FILTERS})
    return text.visible(environment.get_template(template).render(view))


def drawing(svg: str) -> Any:
    """A drawing for a page, as it stands: svg.py has escaped it.  Raises MissingExtraError without jinja2."""
    try:
        from markupsafe import Markup  # comes with jinja2
    except ImportError as error:
        raise MissingExtraError.of("jinja2", "train") from error
    return Markup(svg)


def _source(name: str) -> str:
    return importlib.resources.files("vertebra.report").joinpath("templates", name).read_text(encoding="utf-8")

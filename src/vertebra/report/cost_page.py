"""The page on what a network costs: the figures, where they sit, and the tables."""

from __future__ import annotations

from pathlib import Path

from vertebra.bundle.files import check_free, write_whole
from vertebra.errors import MissingExtraError
from vertebra.report import cost_table as tables
from vertebra.report import text
from vertebra.report.cost_plot import along_the_depth, shares
from vertebra.report.cost_profile import Profile
from vertebra.report.page import filled


def write(of: Profile, path: Path, *, force: bool = False) -> None:
    """Writes the page as one HTML file that asks the network for nothing.

    Raises OutputError if the place is taken (``force`` replaces) or cannot be written, MissingExtraError without
    matplotlib or jinja2; nothing is written then.
    """
    check_free(path, force=force)
    write_whole(path, page(of))


def page(of: Profile) -> str:
    """The page as text.  Every name in it is escaped."""
    try:
        from markupsafe import Markup  # comes with jinja2; only for the plots, which svg.py escapes
    except ImportError as error:
        raise MissingExtraError.of("jinja2", "train") from error
    memory = of.memory
    return filled(
        "cost.html.j2",
        {
            "name": of.arch.name,
            "cost": of.cost,
            "memory": memory,
            "images": "one image" if memory.batch == 1 else f"{text.exact(memory.batch)} images",
            "roles": tables.roles_said(of),
            "checkpointing": tables.CHECKPOINTS[memory.checkpointing],
            "shares": Markup(shares(of)),
            "depth": Markup(along_the_depth(of)),
            "stage_head": tables.STAGE_HEAD,
            "stage_rows": tables.stage_rows(of),
            "layer_head": tables.LAYER_HEAD,
            "layer_rows": tables.layer_rows(of),
            "total": tables.total_row(of),
            "field": tables.FIELD,
            "conditions": tables.conditions(memory),
            "kind_head": tables.KIND_HEAD,
            "kind_rows": tables.kind_rows(of),
        },
    )

"""The page: one file that holds everything it shows and asks the network for nothing."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

from vertebra.bundle.files import write_whole
from vertebra.report import further_plot, plots, text, usage
from vertebra.report.page import drawing, filled
from vertebra.report.study import Candidate, Study

_SMALL = 96  # px; pictures below are shown with their pixels


def write_report(study: Study, path: str | os.PathLike[str]) -> None:
    """Writes the page of ``study`` to ``path``, which appears whole or not at all.

    Raises OutputError if the place cannot be written, MissingExtraError without matplotlib or jinja2.
    """
    write_whole(Path(path), render_report(study))


def render_report(study: Study) -> str:
    """The page of ``study`` as text.  Every name, path and note in it is escaped."""
    return filled("report.html.j2", _view(study))


def _view(study: Study) -> dict[str, Any]:
    """What the template needs beside the study: the plots, and what follows from the numbers."""
    classes = study.data.classes
    measured = [one for one in study.candidates if one.latency_ms is not None]
    return {
        "study": study,
        "picture": _picture,
        "pixelated": _pixelated,
        "winner": next((one for one in study.candidates if one.winner), None),
        "interval": text.interval(study.test_accuracy, study.test_n),
        "fitting": sorted((one for one in study.candidates if one.fits), key=_standing),
        "failing": [one for one in study.candidates if not one.fits],
        "unmeasured": len(study.candidates) - len(measured),
        "totals": {part: sum(counts.values()) for part, counts in study.data.counts.items()},
        "counts_plot": drawing(plots.class_counts(study.data.counts, classes)),
        "frontier_plot": drawing(plots.frontier(study.candidates, study.latency_budget_ms)),
        "curves_plot": drawing(plots.curves(study.curves, study.winner)),
        **_further(study),
        "confusion_plot": drawing(plots.confusion(study.confusion, classes)) if study.confusion else None,
        "numbered": len(study.confusion) <= plots.NUMBERED,
        "confused": _confused(study),
        "per_class": _per_class(study),
        "steps": _steps(study),
        "seconds": sum(step.seconds for step in study.steps),
        "commands": usage.shell(study.bundle),
        "code": usage.python(study.bundle),
        "recipe": json.dumps(study.recipe, indent=2, ensure_ascii=False, default=str),
    }


def _further(study: Study) -> dict[str, Any]:
    """What other latencies would buy: the plot, and rows of an allowance, a network and what was trained here."""
    found = study.further
    if found is None:
        return {"further_plot": None, "further": []}
    return {
        "further_plot": drawing(further_plot.capacity(found, study.candidates)),
        "further": [(row, further_plot.accuracy_said(row.allowance)) for row in further_plot.rows(found)],
    }


def _standing(one: Candidate) -> tuple[bool, float, float]:
    """The winner, then those that got furthest, then those that were never trained, fastest first."""
    rounds = one.accuracies[-1].round if one.accuracies else -1
    return not one.winner, -rounds, -(one.accuracy or 0.0) if one.accuracies else one.latency_ms or 0.0


def _confused(study: Study) -> list[tuple[str, str, int, int]]:
    """The ten most frequent confusions: true class, predicted class, how often, of how many."""
    names = study.data.classes
    found = [
        (names[row], names[column], cell, sum(cells))
        for row, cells in enumerate(study.confusion)
        for column, cell in enumerate(cells)
        if row != column and cell > 0 and max(row, column) < len(names)
    ]
    return sorted(found, key=lambda pair: -pair[2])[:10]


def _per_class(study: Study) -> list[tuple[str, float, str, int]]:
    """Class, accuracy, its interval and the number of test pictures; the worst class first."""
    seen = {name: sum(row) for name, row in zip(study.data.classes, study.confusion, strict=False)}
    rows = [
        (name, share, text.interval(share, seen.get(name, 0)), seen.get(name, 0))
        for name, share in study.per_class.items()
    ]
    return sorted(rows, key=lambda row: row[1])


def _steps(study: Study) -> list[tuple[str, float, float]]:
    """Step, seconds, and its length as a share of the longest."""
    longest = max((step.seconds for step in study.steps), default=0.0) or 1.0
    return [(step.name, step.seconds, step.seconds / longest) for step in study.steps]


def _picture(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _pixelated(png: bytes) -> bool:
    """Whether a PNG is so small that smoothing would only blur it; its header holds width and height."""
    return png[12:16] == b"IHDR" and max(int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) < _SMALL

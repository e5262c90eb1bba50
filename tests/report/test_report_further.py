"""What other latencies would buy: the rows and the plot."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import msgspec
import pytest

from vertebra.report.further_plot import accuracy_said, capacity, rows
from vertebra.report.study import Study


def words(svg: str, tag: str = "text") -> list[str]:
    whole = ElementTree.fromstring(svg.replace("<svg", '<svg xmlns:xlink="x"', 1))
    return [node.text or "" for node in whole.iter(tag)]


def test_rows_say_what_each_further_millisecond_holds(study: Study) -> None:
    """50 M MACs for each ms, as the study was made up."""
    assert study.further is not None
    made = rows(study.further)
    assert [one.allowance.share for one in made] == [0.5, 0.7, 1.0, 1.4, 2.0, 3.0]
    assert {one.reach.family for one in made} == {"cifar_resnet"}
    assert made[0].further_macs is None
    assert [one.further_macs for one in made[1:]] == pytest.approx([5e7] * 5, rel=1e-6)
    assert [accuracy_said(one.allowance) for one in made[1:4]] == [
        "\u2013", "98.6% (cifar_resnet-w0.5-d1, 0.670 ms, 24 epochs)", "\u2013",
    ]  # fmt: skip


def test_rows_begin_where_something_is_expected_and_the_same_network_buys_nothing(study: Study) -> None:
    assert study.further is not None
    first, second, *rest = study.further.allowances
    empty = msgspec.structs.replace(first, reaches=())
    again = msgspec.structs.replace(rest[0], reaches=second.reaches)
    made = rows(msgspec.structs.replace(study.further, allowances=(empty, second, again, *rest[1:])))
    assert made[0].allowance is second
    assert [one.further_macs for one in made[:2]] == [None, None]
    assert rows(msgspec.structs.replace(study.further, lines=())) == []


def test_the_plot_shows_the_families_the_candidates_and_the_budget(make_study: Callable[..., Study]) -> None:
    study = make_study()
    assert study.further is not None
    svg = capacity(study.further, study.candidates)
    shown = words(svg)
    assert {"cifar_resnet (the winner's)", "densenet", "budget 1 ms"} <= set(shown)
    own = [one.name for one in study.candidates if one.family in ("cifar_resnet", "densenet")]
    titles = {title.splitlines()[0] for title in words(svg, "title")}
    assert set(own) <= titles and not titles & {one.name for one in study.candidates if one.family == "resnet"}
    free = make_study(budget_ms=None)
    assert free.further is not None
    assert "budget" not in " ".join(words(capacity(free.further, ())))

from __future__ import annotations

import math
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import msgspec
import pytest

from vertebra.errors import MissingExtraError
from vertebra.report import plots
from vertebra.report.study import Candidate, Point, Study


def parsed(svg: str) -> ElementTree.Element:
    """The element; in a page the namespaces are implied, a strict parser wants them said."""
    return ElementTree.fromstring(svg.replace("<svg", '<svg xmlns:xlink="x"', 1))


def words(svg: str, tag: str = "text") -> list[str]:
    return [node.text or "" for node in parsed(svg).iter(tag)]


def test_the_frontier_shows_every_measured_candidate_and_the_budget(study: Study) -> None:
    unmeasured = msgspec.structs.replace(
        study.candidates[-1], name="never-run", network_ms=None, fits=False, over="parameters 9 M are over 1 M"
    )
    svg = plots.frontier((*study.candidates, unmeasured), 1.0)
    titles = words(svg, "title")
    assert sorted(title.splitlines()[0] for title in titles) == sorted(one.name for one in study.candidates)
    assert any("272 k parameters, 40.6 M MACs" in title and "0.670 ms" in title for title in titles)
    assert any("is over 1 ms" in title for title in titles)
    assert {"budget 1 ms", "cifar_resnet-w0.5-d1, 98.6%", "cifar_resnet", "densenet"} <= set(words(svg))
    assert "budget" not in " ".join(words(plots.frontier(study.candidates[:1], None)))


def test_the_staircase_holds_what_none_beats() -> None:
    points = [(2.0, 0.9), (1.0, 0.8), (3.0, 0.85), (1.0, 0.7), (4.0, 0.95), (5.0, 0.95)]
    assert plots._staircase(points) == ([1.0, 2.0, 4.0], [0.8, 0.9, 0.95])


@pytest.mark.parametrize("slowest", [1.5, 40.0, 1e7, 5e-324])
def test_the_latency_axis_takes_any_range(study: Study, slowest: float) -> None:
    slow = msgspec.structs.replace(study.candidates[1], network_ms=slowest)
    assert parsed(plots.frontier((study.candidates[0], slow), 0.5)) is not None
    assert parsed(plots.frontier((study.candidates[0],), 5e-324)) is not None


def test_the_frontier_of_nothing_trained_or_nothing_at_all(study: Study) -> None:
    raw = [msgspec.structs.replace(one, accuracies=(), winner=False) for one in study.candidates]
    assert parsed(plots.frontier(raw, 1.0)) is not None
    assert parsed(plots.frontier([], None)) is not None


def test_curves_name_all_of_a_few_and_the_winner_of_many(study: Study) -> None:
    assert words(plots.curves(study.curves, study.winner)).count(study.winner) == 1
    assert any("11 others" in word for word in words(plots.curves(study.curves, study.winner)))
    few = dict(list(study.curves.items())[:4])
    assert set(few) <= set(words(plots.curves(few, study.winner)))


def test_a_diverged_or_empty_curve_is_drawn_without_its_missing_points() -> None:
    point = Point(epoch=1, seconds=60, train_loss=math.inf, val_accuracy=0.1, val_loss=None, learning_rate=1)
    lost = Point(epoch=2, seconds=120, train_loss=math.nan, val_accuracy=None, val_loss=None, learning_rate=1)
    assert parsed(plots.curves({"a": (point, lost), "b": ()}, "a")) is not None


def test_numbers_stand_in_small_confusion_matrices_only() -> None:
    small = [[41, 2], [0, 43]]
    assert {"41", "2", "0", "43", "cat", "dog"} <= set(words(plots.confusion(small, ("cat", "dog"))))
    many = [[5 * (row == column) for column in range(200)] for row in range(200)]
    shown = words(plots.confusion(many, [f"class {i}" for i in range(200)]))
    assert shown == ["predicted class", "true class"]


@pytest.mark.parametrize("count", [2, 40, 200])
def test_class_counts(count: int) -> None:
    classes = [f"class {i}" for i in range(count)]
    svg = plots.class_counts({"train": {name: 10 + i for i, name in enumerate(classes)}, "val": {}}, classes)
    assert ("class 1" in words(svg)) == (count <= plots.NAMED)
    assert {"train", "val", "images"} <= set(words(svg))


@pytest.mark.parametrize(
    "name",
    ["</text><script>alert(1)</script>", "$\\frac{1}$ and $", "猫 кот \u0627", "Q0Q", "T0T", "_hidden", "\"'&", "\x00"],
)
def test_any_name_is_shown_as_it_is(name: str, make_study: Callable[..., Study]) -> None:
    svg = plots.confusion([[1, 0], [0, 1]], (name, "other"))
    shown = "\ufffd" if name == "\x00" else name
    assert all(any(shown[:5] in word for word in words(svg, tag)) for tag in ("text", "title"))
    assert "<script" not in svg


def test_ids_of_two_plots_do_not_meet_and_nothing_is_asked_of_the_network(study: Study) -> None:
    one, two = plots.frontier(study.candidates, 1.0), plots.curves(study.curves, study.winner)
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0] and ids[1] and not ids[0] & ids[1]
    for svg, own in zip((one, two), ids, strict=True):
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= own
        assert "http" not in svg


def test_plots_are_the_same_each_time_and_leave_matplotlib_as_it_was(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib

    def settings() -> dict[str, object]:
        # To read "backend" would itself import pyplot.
        return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}

    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # whoever imports it fails
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 31.0)  # a user's own settings neither count nor change
    before = settings()
    large = plots.frontier(study.candidates, 1.0)
    assert settings() == before
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 3.0)
    assert plots.frontier(study.candidates, 1.0) == large


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"vertebra\[train\]"):
        plots.confusion([[1]], ("a",))


def test_a_candidate_sums_its_latency_and_ends_with_its_last_accuracy(study: Study) -> None:
    first: Candidate = study.candidates[0]
    assert first.latency_ms == pytest.approx(0.67)
    assert first.accuracy == pytest.approx(0.986)
    assert msgspec.structs.replace(first, accuracies=()).accuracy is None
    assert msgspec.structs.replace(first, preprocess_ms=None).latency_ms is None

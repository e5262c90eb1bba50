from __future__ import annotations

import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vertebra.errors import MissingExtraError, OutputError
from vertebra.report.html import render_report, write_report
from vertebra.report.study import Study

SECTIONS = (
    "answer", "data", "frontier", "candidates", "further", "curves", "confusion", "per-class", "mistakes", "costs",
    "verification", "use", "steps", "environment",
)  # fmt: skip
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Tags in order, the text of each section, and every address; complains about tags that do not match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.sections: dict[str, str] = {}
        self.addresses: list[str] = []
        self._open: list[str] = []
        self._section = ""
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self._open.append(tag)
        if tag in ("section", "header"):
            self._section = dict(attrs).get("id") or ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.sections[self._section] = self.sections.get(self._section, "") + data

    def words(self, section: str) -> str:
        return " ".join(self.sections[section].split())


def renamed(value: Any, change: Callable[[str], str]) -> Any:
    """``value`` with ``change`` on every text that it holds, keys of dictionaries too."""
    if isinstance(value, msgspec.Struct):
        return type(value)(**{name: renamed(getattr(value, name), change) for name in value.__struct_fields__})
    if isinstance(value, dict):
        return {change(key): renamed(item, change) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(renamed(item, change) for item in value)
    return change(value) if isinstance(value, str) else value


def test_the_page_has_every_section_and_the_numbers_given(study: Study) -> None:
    page = Page(render_report(study))
    assert tuple(name for name in page.sections if name) == SECTIONS
    expected = {
        "answer": [
            study.winner, "98.5%", "96.3% to 99.4%", "270 pictures", "0.675 ms", "within the budget of 1 ms",
            "network 0.624 ms", "preprocessing 0.051 ms", "1.09 MB", "2031-05-17", "day 4 of this study", "2031-05-14",
            "latency <= 1 ms", "60 candidates",
        ],
        "data": ["digits", "10 classes", "1,274 images in train", "8 x 8 px", "All pictures are grey.", "broken.png"],
        "frontier": ["budget 1 ms", "onnxruntime 1.30"],
        "candidates": [*(one.name for one in study.candidates), "is over 1 ms", "0.620 + 0.050", "winner"],
        "further": [
            "budget 1 ms", "0.500 ms", "0.5 x the budget", "cifar_resnet-at-0.7", "3.00 ms", "47.5 M", "measured",
            "1.71 to 2.09", "50.0 M", "98.6% (cifar_resnet-w0.5-d1, 0.670 ms, 24 epochs)", "profile 7 of this device",
            "of 31 networks",
            "nothing larger of this family was laid out", "Capacity is not accuracy"
        ],
        "curves": ["minutes of training", study.winner],
        "confusion": ["predicted class", "27"],
        "per-class": ["96.3%", "of 27"],
        "mistakes": ["99.0%", "test/0/0000.png", "labelled 0"],
        "costs": ["442,368", "15,130", "14,598,784", "114,688", "GlobalPool, Linear"],
        "verification": ["270 pictures", "2.4e-07"],
        "use": ["vertebra predict runs/digits-1 cat.jpg", 'load_bundle("runs/digits-1")', '.predict("cat.jpg")'],
        "steps": ["successive halving", "1 min 01 s", "2 min 00 s"],
        "environment": ["17", "AMD EPYC, 2 cores", "label_smoothing"],
    }  # fmt: skip
    for section, phrases in expected.items():
        for phrase in phrases:
            assert phrase in page.words(section).replace("\u00d7", "x"), (section, phrase)


def test_the_page_holds_all_that_it_shows(study: Study) -> None:
    text = render_report(study)
    page = Page(text)
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in page.addresses)
    assert sum(address.startswith("data:") for address in page.addresses) >= 24  # 20 samples and 4 mistakes
    assert "http" not in text.replace("http-equiv", "")
    assert "script" not in {tag for tag, _ in page.tags}
    assert text.count('class="pixels"') == 24


@pytest.mark.parametrize(
    "nasty",
    ["<script>alert(1)</script>", "\"'><img src=x onerror=y>", "{{ 7 * 7 }}{% raw %}", "--></text>]]>", "猫\x00\udcff"],
)
def test_no_text_changes_the_structure(nasty: str, make_study: Callable[..., Study]) -> None:
    plain = make_study(count=20)
    changed = renamed(plain, lambda word: nasty + word)
    assert changed.winner == nasty + plain.winner
    page = render_report(changed)
    page.encode("utf-8")
    assert Page(page).tags == Page(render_report(plain)).tags


@pytest.mark.parametrize("classes", [2, 41, 200])
def test_any_number_of_classes(classes: int, make_study: Callable[..., Study]) -> None:
    page = Page(render_report(make_study(tuple(f"class {i}" for i in range(classes)), count=6)))
    assert f"class {classes - 1}" in page.words("per-class")
    assert ("Most frequent confusions" in page.words("confusion")) == (classes > 20)


def test_the_least_there_can_be(make_study: Callable[..., Study]) -> None:
    least = make_study(("a", "b"), count=1, budget_ms=None, mistakes=0)
    least = msgspec.structs.replace(least, curves={}, steps=(), costs=(), environment={}, recipe={})
    data = msgspec.structs.replace(least.data, samples=(), skipped=(), notes=())
    page = Page(render_report(msgspec.structs.replace(least, data=data)))
    assert "no budget was given" in page.words("answer")
    assert "budget of" not in page.words("answer")
    assert "100%" in page.words("answer")
    assert "None: every test picture" in page.words("mistakes")
    assert "No learning curve" in page.words("curves")


def test_a_broken_budget_is_said(study: Study) -> None:
    page = Page(render_report(msgspec.structs.replace(study, latency_budget_ms=0.5)))
    assert "over the budget of 0.5 ms" in page.words("answer")


def test_the_file_appears_whole(study: Study, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old", encoding="utf-8")
    write_report(study, target)
    assert target.read_text(encoding="utf-8") == render_report(study)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_named_and_left_clean(study: Study, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="missing"):
        write_report(study, tmp_path / "missing" / "report.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder"):
        write_report(study, tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_without_jinja_the_error_names_the_extra(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match="jinja2"):
        render_report(study)


def test_where_nothing_was_searched_nothing_is_said_of_further_milliseconds(study: Study) -> None:
    page = Page(render_report(msgspec.structs.replace(study, further=None)))
    assert "further" not in page.sections and "curves" in page.sections


def test_few_measurements_and_no_budget_are_said(make_study: Callable[..., Study]) -> None:
    study = make_study(budget_ms=None)
    assert study.further is not None
    few = msgspec.structs.replace(study.further, checked=0, allowances=study.further.allowances[:1])
    words = Page(render_report(msgspec.structs.replace(study, further=few))).words("further")
    assert "too few were measured" in words and "of 0 networks" not in words
    assert "0.5 \u00d7 the winner's" in words and "budget" not in words.replace("over a budget", "")
    nothing = msgspec.structs.replace(few, allowances=())
    page = Page(render_report(msgspec.structs.replace(study, further=nothing)))
    assert "None of its networks" in page.words("further")

"""The frontier as a table, a picture and a page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vertebra.costs import cost
from vertebra.costs.budget import Range
from vertebra.errors import OutputError, UsageError
from vertebra.report.frontier_page import page, write
from vertebra.report.frontier_plot import scatter
from vertebra.report.frontier_view import budget_said, cells, drawn, head, predicted, published, rows_by_budget, summary
from vertebra.report.ticks import log_ticks, prefixed
from vertebra.scale.bases import families_named
from vertebra.scale.frontier import Frontier, frontier
from vertebra.scale.variants import clock_of

FEW = ("resnet", "mobilenet_v3", "cifar_resnet")


def clock(archs) -> np.ndarray:
    """A made-up latency: some networks are far from what their MACs say."""
    costs = [cost(arch) for arch in archs]
    return np.array([0.1 + one.macs / 4e8 * (1.5 + np.sin(one.params)) for one in costs])


@pytest.fixture(scope="module")
def found() -> Frontier:
    return frontier(families_named(FEW), limits={"latency": Range(1.0, 20.0)}, clock=clock_of(clock), variants=300)


@pytest.fixture(scope="module")
def by_macs() -> Frontier:
    return frontier(families_named(["cifar_plain"]), limits={}, variants=20)


def points_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="points">(.*?)</script>', text, re.S)[1])


def test_the_page_holds_everything_and_asks_for_nothing(found: Frontier) -> None:
    text = page(found, "onnxruntime <fp32>")
    assert "http:" not in text and "https:" not in text and "src=" not in text and "onnxruntime &lt;fp32&gt;" in text
    text = text.replace("<wbr>", "")
    for _, best in rows_by_budget(found):
        assert all(one.variant.name in text and published(one.above) in text for one in best)
    assert text.count("<h2>The best for ") == len(found.budgets) == 5


def test_counts_are_of_what_is_in_reach(found: Frontier) -> None:
    """What is cheaper than the lower end is there for the first budget, and is not said to keep the limits."""
    text, reached = page(found), int((found.variants.latency >= 1.0).sum())
    assert reached == found.reached < len(found.variants)
    assert f"{reached:,} variants keep the limits" in text and f"{reached:,} within the limits" in summary(found, "")
    shares = [tuple(map(int, pair)) for pair in re.findall(r"<small>(\d+) of (\d+)</small></label>", text)]
    assert tuple(map(sum, zip(*shares, strict=True))) == (len(found.places), reached)


def test_intervals_stand_below_predictions(found: Frontier) -> None:
    best = tuple(msgspec.structs.replace(one, interval=(1.25, 2.5)) for one in found.best)
    text = page(msgspec.structs.replace(found, best=best))
    assert "<br><small>1.25 to 2.50</small>" in text and "<br><small>1.25" not in page(found)


def test_the_script_is_the_one_that_the_policy_allows(found: Frontier) -> None:
    text = page(found)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    for name in re.findall(r'getElementById\("(\w+)"\)', script):
        assert f'id="{name}"' in text or f'id: "{name}"' in script


def test_the_points_are_the_variants(found: Frontier) -> None:
    data = points_of(page(found))
    places = drawn(found, 6000)
    assert len(data["name"]) == len(places) and sum(data["front"]) == len(found.places)
    for index in range(0, len(places), 29):
        one = found.variants.variant(int(places[index]))
        assert data["name"][index] == one.name and data["values"]["macs"][index] == one.macs
        assert data["bases"][data["base"][index]] == one.base and data["side"][index] == one.resolution
        above = found.bracket.above_of(int(places[index]))
        assert data["above"][index] == (-1 if above is None else data["references"].index(published(above)))
    assert all(len(values) == len(places) for values in data["values"].values())
    assert None in data["values"]["top1"]  # CIFAR-10's accuracies are no ImageNet ones


def test_of_very_many_the_frontier_and_an_even_part_is_drawn(found: Frontier) -> None:
    front = set(found.places.tolist())
    others = int((found.in_reach & ~found.mask).sum())
    some = drawn(found, len(front) + others // 2)
    assert others > 1 and len(some) == len(front) + others // 2 and front <= set(some.tolist())
    assert len(drawn(found, 5)) == 5 and set(drawn(found, 5).tolist()) <= front


def test_the_picture_is_whole(found: Frontier, by_macs: Frontier) -> None:
    for one in (by_macs, found):
        root = ElementTree.fromstring(scatter(one).replace("<svg", '<svg xmlns:xlink="x"', 1))
        assert root.tag == "svg"
    said = [node.text for node in root.iter("text")]
    assert {"ResNet", "MobileNetV3", "predicted latency, ms", "multiply-accumulates for one image"} <= set(said)


def test_a_page_without_latency_or_accuracy(by_macs: Frontier) -> None:
    text = page(by_macs)
    assert "predicted latency" not in text and "MACs say little about time" in text
    assert set(points_of(text)["values"]["top1"]) == {None}


def test_files_appear_whole_or_not_at_all(found: Frontier, tmp_path: Path) -> None:
    html, plot = tmp_path / "f.html", tmp_path / "f.svg"
    write(found, html, plot)
    assert ElementTree.fromstring(plot.read_text()).tag == "{http://www.w3.org/2000/svg}svg"
    html.write_text("mine")
    with pytest.raises(OutputError, match="already exists; use --force"):
        write(found, html)
    assert html.read_text() == "mine"
    with pytest.raises(UsageError, match=r"a plot in 'f.gif' \(allowed: a name that ends in .svg, .png, .pdf\)"):
        write(found, tmp_path / "other.html", tmp_path / "f.gif")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.html", "f.svg"]
    write(found, html, force=True)
    assert html.read_text().startswith("<!DOCTYPE html>")


def test_rows_and_words(found: Frontier, by_macs: Frontier) -> None:
    one = found.best[0]
    assert len(cells(found, one)) + 1 == len(head(found)) == len(head(by_macs)) + 1
    assert str(one.variant.resolution) in cells(found, one)
    assert predicted(msgspec.structs.replace(one, interval=(1.25, 2.5))).endswith(" ms (1.25 to 2.50)")
    assert budget_said("latency", 5.0) == "5 ms" and budget_said("macs", 3e8) == "300M MACs"
    said = summary(found, "here")
    assert f"{found.laid_out:,} variants laid out" in said and "predicted latency, ms: here" in said


def test_published_accuracies_name_their_task(found: Frontier, by_macs: Frontier) -> None:
    """He et al. 2016, table 6: ResNet-20 on CIFAR-10 has an error of 8.75%."""
    (small,) = (one for one in found.bracket.references if one.name == "cifar_resnet20")
    assert published(small) == "cifar_resnet20 91.2 (10 classes)" and published(None) == "-"


def test_ticks() -> None:
    assert log_ticks(0.9, 50.0) == (1, 2, 5, 10, 20, 50)
    assert log_ticks(0.9, 50.0, 4) == (1, 3, 10, 30) and log_ticks(0.4, 150.0, 4) == (1, 10, 100)
    assert log_ticks(1e-4, 1e3, 4) == (1e-4, 1e-2, 1, 100)
    assert log_ticks(1e3, 2e9) == (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
    assert [prefixed(tick) for tick in (0.5, 2, 5e3, 2e7, 1e9, 1e12)] == ["0.5", "2", "5k", "20M", "1G", "1T"]

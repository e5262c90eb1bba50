"""Networks beside one another: counts at the resolution of the accuracy, the frontier, the page and the plot."""

from __future__ import annotations

import html
import re
import xml.etree.ElementTree as ElementTree
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from matplotlib.transforms import Bbox
from PIL import Image, ImageColor

from vertebra.arch import Architecture, ConvNormAct, Stage
from vertebra.errors import MissingExtraError, OutputError, UnknownNameError, UsageError
from vertebra.report.comparison import HEAD, Row, best_said, cells, compare, field, ideas, with_frontier
from vertebra.report.comparison_page import page, write
from vertebra.report.comparison_plot import plot_of, scatter
from vertebra.report.picture import file_of
from vertebra.report.svg import LIGHT, PALETTE, STYLE, Notes, drawn
from vertebra.zoo import entry, names


def row(name: str, macs: int, top1: float | None, classes: int = 1000) -> Row:
    return Row(
        name=name, family="F", year=2000, params=1, macs=macs, activations=1, resolution=224, receptive_field=9,
        context=False, classes=classes, top1=top1, source="somewhere", idea="An idea.", aliases=(), note="",
    )  # fmt: skip


def test_counts_are_those_at_the_resolution_of_the_accuracy():
    """EfficientNet-B7 was measured at 600 px; at 224 torchvision 0.28.0 counts 5,169,865,152."""
    (b7,) = compare(["efficientnet_b7"])
    assert (b7.params, b7.resolution, b7.top1, b7.year) == (66_347_960, 600, 84.3, 2019)
    assert b7.macs > 7 * 5_169_865_152
    (plain,) = compare(["cifar_plain20"])
    assert (plain.top1, plain.resolution, plain.frontier) == (None, 32, False) and plain.note


def test_receptive_fields():
    """Araujo, Norris and Sim 2019, Computing Receptive Fields of Convolutional Neural Networks, table 1."""
    published = {"alexnet": 195, "vgg16": 212, "inception_v3": 1311, "mobilenetv1_100": 315}
    assert {one.name: one.receptive_field for one in compare(list(published))} == published
    assert not any(one.context for one in compare(list(published)))
    assert field(compare(["efficientnet_b0"])[0]) == "851+"  # its gates look at the whole map


def test_names_aliases_patterns_and_files():
    rows = compare(["mobilenetv2_100", "resnet1?", "mobilenet_v2", "resnet18"])
    assert [one.name for one in rows] == ["mobilenet_v2", "resnet18"]
    assert rows[0].aliases == ("timm: mobilenetv2_100",)
    own = Architecture("own", ConvNormAct(8, 3, 2), (Stage(ConvNormAct(16, 3, 2)),), resolution=32)
    (one,) = compare(["own.json"], lambda name: own)
    assert (one.name, one.year, one.top1, one.classes, one.receptive_field) == ("own", None, None, None, 7)
    assert cells(one)[HEAD.index("top-1")] == "-" and ideas([one]) == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet51", "unknown architecture 'resnet51' (allowed: resnet50, "),
        ("nothing*", "no architecture fits 'nothing*' (allowed: "),
        ("ResNet*", "no architecture fits 'ResNet*' (allowed: resnet"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UnknownNameError) as caught:
        compare([name])
    assert str(caught.value).startswith(message)


def test_the_frontier_holds_what_none_beats():
    rows = with_frontier(
        [row("cheap", 1, 60), row("beaten", 2, 59), row("good", 2, 70), row("same", 2, 70), row("other", 9, 50, 10),
         row("unknown", 1, None), row("dear", 3, 70)]
    )  # fmt: skip
    assert [one.name for one in rows if one.frontier] == ["cheap", "good", "same", "other"]


def test_what_is_said_of_the_best_names_the_classes_where_they_differ():
    """AlexNet's 56.52% is the best of 1000 classes beside a network with 91.25% of 10."""
    assert "with as many classes has as high a top-1" in best_said(compare(["alexnet", "cifar_resnet20"]))
    assert best_said(compare(["alexnet", "seresnet18"])) == "no other network here has as high a top-1 for as few MACs"
    assert "classes" not in page(compare(["alexnet"])).partition("The line joins")[2].partition("</p>")[0]


def test_accuracies_have_the_digits_that_were_published():
    """8.75% error (He et al. 2016, table 6) is 91.25%, not 91.2."""
    shown = [cells(one)[HEAD.index("top-1")] for one in compare(["cifar_resnet20", "efficientnet_b0", "alexnet"])]
    assert shown == ["91.25", "77.1", "56.52"]


@pytest.mark.parametrize("name", [name for name in names() if entry(name)[1].accuracy is None])
def test_where_no_accuracy_is_published_the_table_says_why_and_no_more(name):
    (one,) = compare([name])
    said = cells(one)[HEAD.index("source")]
    assert "; " not in said and re.search("accuracy|weights|error", said), said
    assert one.note.startswith(said) and one.note in html.unescape(page([one]))


def test_every_entry_can_be_compared():
    rows = compare(["*"])
    assert [one.name for one in rows] == list(names())
    for one in rows:
        accuracy = entry(one.name)[1].accuracy
        assert one.top1 == (accuracy and accuracy.top1)
        assert accuracy is None or one.resolution == accuracy.resolution
        assert one.receptive_field >= 32 or "cifar" in one.name


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace("<svg", '<svg xmlns:xlink="x"', 1))


def test_the_scatter_names_a_few_and_the_best_of_many():
    few = compare(["alexnet", "resnet18", "mobilenet_v2"])
    said = {node.text for node in parsed(scatter(few)).iter("text")}
    assert {"alexnet", "resnet18", "mobilenet_v2", "AlexNet", "1000 classes"} <= said
    many = with_frontier([row(f"n{i}", 10 + i, 50 + (i % 7)) for i in range(40)])
    said = {node.text for node in parsed(scatter(many)).iter("text")}
    assert "n6" in said and "n8" not in said
    titles = [node.text for node in parsed(scatter(many)).iter("title")]
    assert len(titles) == 40 and any("n8" in title for title in titles)


@pytest.mark.parametrize("rows", [(), (row("a", 5, None),), (row("a", 5, 70.0),), (row("$<b>&", 5, 70.0),)])
def test_the_scatter_of_little_or_nothing(rows):
    assert parsed(scatter(rows)) is not None
    assert "<b>" not in page(rows)


@contextmanager
def drawn_panels(rows):
    """The axes of a comparison as matplotlib has laid them out."""
    plot = plot_of(rows)
    with drawn(plot.size, plot.draw, Notes(), STYLE) as figure:
        figure.draw_without_rendering()
        yield figure.axes


MIXED = (
    "alexnet vgg16 googlenet inception_v3 resnet50 resnet152 resnext50_32x4d seresnet50 densenet201 mobilenet_v2 "
    "mobilenet_v3_large mnasnet1_0 efficientnet_b0 efficientnet_b7 efficientnet_v2_s convnext_tiny"
)


@pytest.mark.parametrize("wanted", ["*", "cifar*", "resnet*", MIXED])
def test_no_name_stands_on_the_line_or_beyond_the_axes(wanted):
    with drawn_panels(compare(wanted.split())) as panels:
        for axes in panels:
            corners = axes.transData.transform(axes.lines[0].get_xydata())
            pieces = [((x, y), (further, y)) for (x, y), (further, _) in pairwise(corners)]
            pieces += [((further, y), (further, higher)) for (_, y), (further, higher) in pairwise(corners)]
            for name in axes.texts:
                box = name.get_window_extent().padded(-2)  # a letter's own room above and below it
                assert not [piece for piece in pieces if box.overlaps(Bbox(piece))], name
                spare = 0.12 * box.width  # what stands for a name is as much wider
                assert axes.bbox.x0 < box.x0 + spare and box.x1 - spare < axes.bbox.x1, name
            assert len(axes.texts) >= 8


@pytest.mark.parametrize("wanted", ["resnet18", "cifar_resnet20", "resnet50 seresnet50", "resnet18 resnet34"])
def test_an_axis_has_two_ticks_at_least(wanted):
    with drawn_panels(compare(wanted.split())) as (axes,):
        assert len(axes.get_xticks()) >= 2


def test_without_an_accuracy_nothing_is_drawn():
    rows = compare(["seresnet18", "seresnet34"])
    assert "None of these networks has a published accuracy" in page(rows) and "<svg" not in page(rows)
    said = [node.text for node in parsed(scatter(rows)).iter("text")]
    assert said == ["none of these networks has a published accuracy"]


def test_panels_for_tasks_that_cannot_be_compared():
    said = [node.text for node in parsed(scatter(compare(["resnet18", "cifar_resnet20"]))).iter("text")]
    assert {"1000 classes", "10 classes"} <= set(said)


def test_the_page_holds_everything_and_asks_for_nothing():
    rows = compare(["resnet18", "cifar_plain20", "efficientnet_b0"])
    text = page(rows)
    assert "1,814,073,344" in text and "69.758" in text and "torchvision IMAGENET1K_V1" in text and "851+" in text
    assert "http:" not in text and "https:" not in text and "src=" not in text
    assert rows[0].idea in text and rows[1].note in text
    nasty = msgspec.structs.replace(rows[0], name="<script>alert(1)</script>", source='"><img src=x>')
    assert "<script>alert" not in page([nasty]) and "<img" not in page([nasty])


def test_files_appear_whole_or_not_at_all(tmp_path: Path):
    rows = compare(["resnet18"])
    written, plot = tmp_path / "c.html", tmp_path / "c.svg"
    write(rows, written, plot)
    root = ElementTree.fromstring(plot.read_text())
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and written.read_text() == page(rows)
    plot.unlink()
    written.write_text("mine")
    with pytest.raises(OutputError, match="already exists; use --force"):
        write(rows, written, plot)
    assert written.read_text() == "mine" and not plot.exists()
    with pytest.raises(UsageError, match=r"a plot in 'c.gif' \(allowed: a name that ends in .svg, .png, .pdf\)"):
        write(rows, tmp_path / "other.html", tmp_path / "c.gif")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.html"]
    write(rows, written, force=True)
    assert written.read_text() == page(rows)
    with pytest.raises(OutputError, match="No such file or directory"):
        write(rows, tmp_path / "nowhere" / "c.html")


def test_the_plot_is_the_kind_of_file_that_its_name_says(tmp_path: Path):
    """In colours, not what stands for them in a page; no text is a formula (this is a broken one); the same bytes."""
    rows = with_frontier([*compare(["resnet18", "resnet50"]), row(r"$\frac$", 10**9, 70.0)])
    for name in ("c.png", "c.PDF"):
        write(rows, plot=tmp_path / name)
        first = (tmp_path / name).read_bytes()
        write(rows, plot=tmp_path / name, force=True)
        assert (tmp_path / name).read_bytes() == first
    assert (tmp_path / "c.PDF").read_bytes().startswith(b"%PDF")
    with Image.open(tmp_path / "c.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}
    assert not colours & {ImageColor.getrgb(one) for one in LIGHT}
    assert {ImageColor.getrgb(one) for one in ("#ffffff", *LIGHT.values(), *PALETTE[:2])} <= colours


def test_a_letter_that_the_font_lacks_is_no_warning(tmp_path: Path):
    write([row("\u6f22\u5b57", 5, 70.0)], plot=tmp_path / "c.png")


def test_without_matplotlib_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"vertebra\[train\]"):
        scatter(compare(["resnet18"]))
    with pytest.raises(MissingExtraError, match=r"vertebra\[train\]"):
        file_of(plot_of(compare(["resnet18"])), Path("c.png"))

"""What a network costs along its depth: units that add up, tables, pictures and the page."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from tests.selection import GOLDEN
from tests.strategies import architectures
from vertebra.arch import Act, Architecture, ConvNormAct, Identity, Stage, add, replace
from vertebra.costs import cost
from vertebra.costs.memory import memory
from vertebra.errors import MissingExtraError, OutputError, ShapeError, UsageError
from vertebra.report import cost_page, cost_table
from vertebra.report.cost_data import cost_data
from vertebra.report.cost_page import page, write
from vertebra.report.cost_plot import _known, along_the_depth, colours_of, shares
from vertebra.report.cost_profile import part_of, profiled
from vertebra.report.svg import standalone
from vertebra.zoo import architecture

some = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
COUNTS = ("params", "macs", "activations", "traffic")


@pytest.fixture(scope="module")
def small():
    return profiled(architecture("resnet18"), resolution=64)


@pytest.fixture(scope="module")
def made(small):
    return page(small)


@some
@given(architectures())
def test_units_add_up_to_parts_and_to_the_whole(arch):
    of = profiled(arch)
    for count in COUNTS:
        assert sum(getattr(unit, count) for unit in of.units) == getattr(of.cost, count)
        for part in of.cost.parts:
            assert sum(getattr(unit, count) for unit in of.of(part.part)) == getattr(part, count)
    assert sum(len(of.of(part)) for part in of.parts) == len(of.units)
    assert max(unit.inference_bytes for unit in of.units) == of.memory.inference_bytes
    assert max(max(unit.forward_bytes, unit.backward_bytes) for unit in of.units) == of.memory.training_bytes


def test_a_unit_is_a_convolution_with_what_follows():
    """He et al. 2016, table 1: ResNet-50 has 49 convolutions and one fully connected layer, and here 4 projections."""
    of = profiled(architecture("resnet50"))
    assert len(of.units) == 54 and [unit.kind for unit in of.units] == ["conv"] * 53 + ["linear"]
    assert of.units[0].path == "stem.conv" and of.units[0].params == 64 * 3 * 49 + 2 * 64
    assert of.units[0].field == 11  # 7 pixels, and a pool over 3 of them at a stride of 2
    assert of.units[-1].params == 2048 * 1000 + 1000 and of.units[-1].field is None
    assert max(unit.field for unit in of.units if unit.field) == 427  # by hand in tests/arch/test_receptive.py


@pytest.mark.parametrize(
    ("path", "part"),
    [("stem", "stem"), ("stem.conv", "stem"), ("stages.3.12.conv1.conv", "stages.3"), ("stages.0", "stages.0"),
     ("fc", "head"), ("", "head"), ("stemless.x", "head")],
)  # fmt: skip
def test_the_part_of_a_path(path, part):
    assert part_of(path) == part


def test_every_layer_of_products_leads_a_unit():
    """DenseNet's blocks begin with a normalisation, MobileNetV3's have gates in between, GoogLeNet's have branches."""
    for name in ("densenet121", "mobilenet_v3_small", "googlenet"):
        of = profiled(architecture(name))
        products = sum(layer.kind in ("conv", "linear") for layer in of.cost.layers)
        assert sum(unit.kind in ("conv", "linear") for unit in of.units) == products == len(of.units)


def test_batch_precision_and_checkpointing_reach_memory_alone(small):
    arch = architecture("resnet18")
    more = profiled(arch, resolution=64, batch=4, precision="bf16")
    assert [unit.macs for unit in more.units] == [unit.macs for unit in small.units]
    assert more.memory == memory(arch, resolution=64, batch=4, precision="bf16") != small.memory
    assert profiled(arch, checkpointing="stage").memory.training_bytes < profiled(arch).memory.training_bytes
    whole = profiled(arch, resolution=64, precision="int8")
    assert whole.trains == () and whole.memory.training_bytes is None
    with pytest.raises(UsageError):
        profiled(arch, batch=0)
    with pytest.raises(ShapeError, match=r"^stages\.3\.entry\.pool: a window of 2"):
        profiled(architecture("densenet121"), resolution=16)


# -- tables ---------------------------------------------------------------------------------------------------------


def numbers(rows, column):
    return [int(row[column].replace(",", "")) for row in rows]


def test_tables_add_up(small):
    stages, layers, total = cost_table.stage_rows(small), cost_table.layer_rows(small), cost_table.total_row(small)
    heads = cost_table.STAGE_HEAD, cost_table.LAYER_HEAD
    for column in (2, 3, 4):
        assert sum(numbers(stages, column)) == sum(numbers(layers, column)) == numbers([total], column)[0]
    assert {len(row) for row in stages} == {len(heads[0])} == {len(total)}
    assert {len(row) for row in layers} == {len(heads[1])}
    assert [row[0] for row in stages] == ["stem", *(f"stages.{index}" for index in range(4)), "head"]
    assert layers[-1][0] == "8 sums, concatenations and gates" and "basic_residual" in stages[1][-1]
    assert total[1] == "at 64 px" and stages[-1][7] == "-" and stages[0][7] == "11"


def test_a_peak_in_a_sum_is_in_the_table():
    """The image, two branches and their sum stand at once: no layer comes up to that."""
    body = add(a=Act("tanh"), b=Act("tanh"), c=Identity())
    of = profiled(Architecture("x", Identity(), (Stage(body),), resolution=16))
    assert of.memory.inference_at == "stages.0.0"
    last = cost_table.layer_rows(of)[-1]
    assert last[0].startswith("1 sum") and last[8] == cost_table.total_row(of)[8]
    data = cost_data(of, "layer")
    assert [join["peak_inference_bytes"] for join in data["joins"]] == [of.memory.inference_bytes]
    assert data["joins"][0]["peak_training_bytes"] > 0


def test_kinds_of_layer():
    """torchvision 0.28's alexnet: 61,100,840 parameters, of which 58,631,144 in its three fully connected layers."""
    of = profiled(architecture("alexnet"))
    rows = cost_table.kind_rows(of)
    assert {len(row) for row in rows} == {len(cost_table.KIND_HEAD)}
    (linear,) = [row for row in rows if row[0] == "linear"]
    assert linear[:4] == ("linear", "3", "58,631,144", "96.0%") and rows[-1][:4] == ("total", "-", "61,100,840", "100%")
    assert sum(numbers(rows[:-1], 4)) == numbers(rows[-1:], 4)[0] == of.cost.macs
    data = cost_data(of, "kind")
    assert "stages" not in data and [one["kind"] for one in data["kinds"]] == [row[0] for row in rows[:-1]]
    assert data["params_by_kind"] == {"conv": 2_469_696, "linear": 58_631_144}


def test_the_field_of_a_stage_is_that_of_its_body():
    """A shortcut, which comes last, sees less.  The fields are those of ``feature_info``, by the last block's path."""
    arch = architecture("efficientnet_b0")
    of = profiled(arch)
    known = {one.path.rpartition(".")[0]: one.receptive_field[0] for one in arch.feature_info()}
    shown = {row[0]: row[7] for row in cost_table.stage_rows(of)}
    assert {part: shown[part] for part in known} == {part: f"{field}+" for part, field in known.items()}
    assert shown["head"] == "-" and [unit.field for unit in of.of("stages.6")][-1] == 851
    data = {one["stage"]: one["receptive_field"] for one in cost_data(of, "stage")["stages"]}
    assert data["stages.6"] == (851, 851) and data["head"] is None
    for name in ("densenet121", "googlenet", "vgg16"):
        strided = architecture(name).with_output_stride(16) if name == "densenet121" else architecture(name)
        assert len(cost_table.stage_rows(profiled(strided))) == len(tuple(strided.parts()))


def test_a_block_is_cut_at_its_end(small):
    assert cost_table.block_said(small.cost.parts[2]) == "2 x basic_residual(out=128, stride=2)"
    assert cost_table.block_said(small.cost.parts[2], 20) == "2 x basic_residual(…"


def test_the_whole_says_every_figure():
    of = profiled(architecture("resnet18"), batch=2, checkpointing="block")
    rows = {name: (value, said) for name, value, said in cost_table.whole_rows(of)}
    assert (
        rows["params"][0] == "11,689,512" and "bias 5,800" in rows["params"][1]
    )  # 4,800 of norms, 1,000 of the classes
    assert rows["MACs"] == ("1,814,073,344", "3,628,146,688 FLOPs")  # torch's counter
    assert rows["receptive field"] == ("435", "pixels across, of the last map")  # Araujo et al. 2019
    assert "batch 2, fp32, each block run again" in rows["peak bytes, train"][1]
    squeezed = {name: said for name, _, said in cost_table.whole_rows(profiled(architecture("mobilenet_v3_small")))}
    assert squeezed["receptive field"].endswith("something takes the whole map besides")


def test_data(small):
    whole, stage, layer = (cost_data(small, per) for per in ("whole", "stage", "layer"))
    assert "stages" not in whole and "layers" not in stage and len(layer["stages"]) == 6
    assert whole["receptive_field"] == (435, 435) and whole["context"] is False  # Araujo et al. 2019
    assert {one["form"] for one in layer["layers"] if one["kind"] == "conv"} == {"conv", "1x1 conv"}
    assert json.loads(msgspec.json.encode(layer))["params"] == GOLDEN["resnet18"]["params"]
    for count in ("params", "macs", "activations"):
        assert sum(one[count] for one in layer["layers"]) == whole[count] == sum(one[count] for one in stage["stages"])
    moved = sum(one["traffic_bytes"] for one in (*layer["layers"], *layer["joins"]))
    assert moved == whole["traffic_bytes"] == sum(one["traffic_bytes"] for one in stage["stages"])
    assert sum(whole["params_by_role"].values()) == whole["params"]
    assert max(one["peak_training_bytes"] for one in stage["stages"]) == whole["memory"]["training_bytes"]


# -- pictures and the page --------------------------------------------------------------------------------------------


def test_the_pictures_are_svg_and_name_every_part(small):
    for picture, panels in ((shares(small), 4), (along_the_depth(small), 7)):
        root = ElementTree.fromstring(standalone(picture))
        words = "".join(root.itertext())
        assert root.tag.endswith("svg") and all(part in words for part in ("stages.0", "stages.3", "parameters"))
        assert len(root.findall(".//{*}title")) >= 4 * panels
    assert "memory while it trains" in words


def test_nothing_is_drawn_of_training_where_nothing_trains():
    of = profiled(architecture("resnet18"), resolution=32, precision="int8")
    assert "memory while it trains" not in along_the_depth(of) and "Peak while it trains" not in page(of)


def test_each_stage_has_its_colour():
    parts = ("stem", *(f"stages.{index}" for index in range(7)), "head")
    assert len(set(colours_of(parts).values())) == 9


def test_a_squeeze_is_drawn_at_the_field_of_its_map():
    assert _known([None, 3, None, 5, None]) == [0, 3, 3, 5] and _known([None]) == []


def test_the_page_holds_everything_and_asks_for_nothing(made):
    assert "11,689,512" in made and "stages.3.1.conv2.conv" in made and "default-src 'none'" in made
    # He et al. 2016: 17 convolutions, 3 projections, a norm behind each, 17 ReLUs, 5 plain shortcuts, 2 pools, fc
    assert "<summary>65 layers</summary>" in made and "Which kind of layer costs what" in made
    assert cost_table.FIELD in made and "peaks: batch 1, fp32." in made
    assert "src=" not in made.replace("default-src=", "") and "<script" not in made and "@import" not in made


def test_a_name_cannot_leave_its_place():
    arch = replace(architecture("cifar_resnet20"), name="<script>alert(1)</script> $x^2$ & {{ 1 }}")
    made = page(profiled(arch))
    assert "<script" not in made and "&lt;script&gt;alert(1)" in made and "{{ 1 }}" in made


def test_a_network_of_two_layers():
    """One stage, no head, nothing to divide: nothing fails."""
    of = profiled(Architecture("two", ConvNormAct(4, 3), (Stage(ConvNormAct(8, 3)),), resolution=8))
    assert len(of.units) == 2 and "stages.0" in page(of)
    assert cost_table.whole_rows(of)[0] == ("pixels", "8", "an image of 3 x 8 x 8")


def test_a_network_that_does_nothing():
    """No unit, nothing allocated but the image: the page says so."""
    of = profiled(Architecture("nothing", Identity(), (Stage(Identity()),), resolution=4))
    made = page(of)
    assert of.units == () and "at <code>the image</code>; 192 B with the weights" in made and "<small>0; 0 B" in made
    assert cost_table.kind_rows(of) == [("total", "-", "0", "-", "0", "-", "0", "0 B", "-", "0")]


def test_a_page_is_never_written_over(small, made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cost_page, "page", lambda of: made)
    place = tmp_path / "cost.html"
    place.write_text("mine")
    with pytest.raises(OutputError, match="already exists"):
        write(small, place)
    assert place.read_text() == "mine"
    write(small, place, force=True)
    assert place.read_text().startswith("<!DOCTYPE html>") and [one.name for one in tmp_path.iterdir()] == ["cost.html"]


def test_without_jinja(small, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "markupsafe", None)
    with pytest.raises(MissingExtraError, match=r"jinja2 is not installed; pip install 'vertebra\[train\]'"):
        page(small)


def test_the_figures_are_those_of_cost():
    arch = architecture("efficientnet_b0")
    assert profiled(arch).cost.macs == cost(arch).macs == GOLDEN["efficientnet_b0"]["macs"]

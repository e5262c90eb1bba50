"""The generated pages: current, complete, and right about what they claim."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vertebra.costs import cost
from vertebra.report.lesson_table import ROWS, lesson_table, with_element_wise_work
from vertebra.report.scaling_page import members as scaling_members
from vertebra.scale import Compound
from vertebra.zoo import architecture, families, names

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What ``make docs`` would write, from a process of its own: other tests have registered nothing there."""
    folder = tmp_path_factory.mktemp("docs")
    subprocess.run([sys.executable, DOCS / "generate.py", folder], check=True)
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_published_pages_are_current(generated):
    published = [
        *(DOCS / f"{name}.md" for name in ("zoo", "lesson-table", "scaling")),
        *(DOCS / "images" / "blocks").glob("*.svg"),
        *(DOCS / "images" / f"{name}.svg" for name in ("scaling-search", "cost-resnet50")),
    ]
    assert {str(path.relative_to(DOCS)) for path in published} == set(generated), "run `make docs`"
    for path in published:
        assert path.read_text() == generated[str(path.relative_to(DOCS))], f"{path.name}: run `make docs`"


def test_the_zoo_has_every_network_and_a_drawing_of_every_family(generated):
    page = generated["zoo.md"]
    sections = page.split("\n## ")[1:]
    assert len(sections) == len(families())
    for family, section in zip(families(), sections, strict=True):
        assert section.startswith(family.title) and family.paper in section and family.difference in section
        drawings = re.findall(r"\]\((images/blocks/[\w-]+\.svg)\)", section)
        assert drawings and set(drawings) <= set(generated)
        assert all(f"| `{one.name}`" in section for one in family.entries)
    assert page.count("\n| `") == len(names())


def test_no_paragraph_of_the_zoo_is_taken_for_a_list(generated):
    """``2012. A deep network ...`` would be the 2012th item of one."""
    assert not re.findall(r"^\d+[.)] .*", generated["zoo.md"], re.MULTILINE)
    assert "\n\n2012: A deep network" in generated["zoo.md"]


def test_links_within_the_zoo_lead_somewhere(generated):
    page = generated["zoo.md"]
    anchors = {
        re.sub(r"[^\w-]", "", line[3:].lower().replace(" ", "-")) for line in page.splitlines() if line[:3] == "## "
    }
    links = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert links <= anchors and len(anchors) == len(families()) == len(links)


def test_every_family_says_what_it_changed():
    known = {family.name for family in families()}
    for family in families():
        assert family.difference.endswith("."), family.name
        assert family.predecessor in known or family.name == "alexnet"


def test_the_lessons_parameters_are_ours_rounded():
    """Each row's network is the one that its figure means: to the figures that lessons print."""
    for _, params, _, _, name, _ in ROWS:
        digits = len(params.removesuffix("M").partition(".")[2])
        assert round(cost(architecture(name)).params / 1e6, digits) == float(params.removesuffix("M"))


def test_what_the_page_says_of_operations():
    """What its explanations rest on; ptflops' own table has 11.58, 4.12 and 4.37 GMac for the last three."""
    assert round(cost(architecture("alexnet_2012"), resolution=224).macs / 1e6) == 724
    assert round(cost(architecture("vgg16"), resolution=224).macs / 1e9, 1) == 15.5
    assert round(cost(architecture("resnet152"), resolution=224).macs / 1e9, 1) == 11.5  # not the lessons' 11.6
    assert int(cost(architecture("efficientnet_b7"), resolution=600).macs / 1e9) == 37  # cut, not rounded
    for name, printed in (("resnet152", 11.58), ("resnet50", 4.12), ("densenet201", 4.37)):
        assert round(with_element_wise_work(name, 224) / 1e9, 2) == printed


def test_the_lesson_page_is_filled():
    page = lesson_table()
    assert "{{" not in page and "None" not in page
    assert page.count("\n## ") == len(ROWS) == 8
    for figure in ("724.4 million", "11.51 billion", "11.58 billion", "37.75 billion", "5.17 billion", "60,965,224"):
        assert figure in page


def test_what_the_scaling_page_claims(generated):
    """Tan and Le 2019, table 2, for the published ones: 7.8, 9.2, 12, 19, 30, 43 and 66 million parameters."""
    found = scaling_members()
    page = generated["scaling.md"]
    assert [one.title for one in found] == [f"B{number}" for number in range(1, 8)]
    assert all(page.count(f"\n| {one.title} |") == 2 for one in found)
    for one, params in zip(found, (7.8, 9.2, 12, 19, 30, 43, 66), strict=True):
        assert cost(one.arch).params / 1e6 == pytest.approx(params, rel=0.03)
        assert one.rule.cost.macs <= cost(one.arch).macs
    by_rule = [one.rule for one in found if one.title >= "B4"]
    assert all(rule.depth > one.depth for rule, one in zip(by_rule, found[3:], strict=True))
    assert all(rule.resolution < one.resolution for rule, one in zip(by_rule, found[3:], strict=True))
    assert all(one.phi_of_depth < min(one.phi_of_width, one.phi_of_resolution) for one in found[2:])
    assert all(one.resolution % 4 == 0 for one in found)
    assert "{{" not in page and "None" not in page


def test_phi_1_is_b2_at_258_px(generated):
    one, b2 = Compound().of(architecture("efficientnet_b0"), 1), architecture("efficientnet_b2")
    assert [(stage.depth, stage.block.out) for stage in one.stages] == [(s.depth, s.block.out) for s in b2.stages]
    assert (one.resolution, b2.resolution) == (258, 260)
    assert "at 258 px instead of 260" in generated["scaling.md"]

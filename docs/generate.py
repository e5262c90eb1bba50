"""Writes the generated part of this folder: the pages on the zoo, on scaling and on the lessons' table, and the
drawings of blocks and of costs.

``make docs`` runs it; a test holds that what stands here is what it would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from vertebra.bundle.files import write_whole
from vertebra.report.coefficient_page import section
from vertebra.report.coefficient_plot import heat_map
from vertebra.report.coefficients import GridSearch
from vertebra.report.cost_plot import along_the_depth
from vertebra.report.cost_profile import profiled
from vertebra.report.lesson_table import lesson_table
from vertebra.report.scaling_page import scaling_page
from vertebra.report.svg import standalone
from vertebra.report.zoo_page import PICTURES, pictures, zoo_page
from vertebra.zoo import architecture

SEARCH = Path(__file__).with_name("_scaling_search.md")
"""The section of scaling.md on the search for coefficients, up to what the run below found."""
RECORD = Path(__file__).with_name("scaling-search.json")
"""What `vertebra scale-search` wrote on CIFAR-10."""
HEAT_MAP = "images/scaling-search.svg"
COSTS = "images/cost-resnet50.svg"


def generated() -> dict[str, str]:
    """The content of each file by its path in this folder."""
    drawings = {f"{PICTURES}/{name}": svg for name, svg in pictures().items()}
    found = msgspec.json.decode(RECORD.read_bytes(), type=GridSearch)
    search = SEARCH.read_text(encoding="utf-8") + section(found, HEAT_MAP)
    drawings[HEAT_MAP] = standalone(heat_map(found))
    drawings[COSTS] = standalone(along_the_depth(profiled(architecture("resnet50"))))
    pages = {"zoo.md": zoo_page(), "lesson-table.md": lesson_table(), "scaling.md": scaling_page(search)}
    return pages | drawings


def main(folder: Path) -> None:
    files = generated()
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    for old in (folder / PICTURES).glob("*.svg"):
        if f"{PICTURES}/{old.name}" not in files:
            old.unlink()
    for name, content in files.items():
        write_whole(folder / name, content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)

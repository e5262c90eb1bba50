"""The page on the zoo, as Markdown with drawings: written from the registry."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from vertebra.arch.architecture import Architecture
from vertebra.arch.combinators import Seq
from vertebra.arch.expansion import along, layers
from vertebra.arch.node import Block, Node
from vertebra.arch.primitives import Conv
from vertebra.arch.shapes import Shape
from vertebra.report import text
from vertebra.report.comparison import Row, field, row
from vertebra.report.drawing import drawing
from vertebra.zoo.entry import Family
from vertebra.zoo.registry import architecture, families

PICTURES = "images/blocks"
"""Where the drawings stand, seen from the page."""
_DRAWN = 6  # blocks of a family at most
_SHORT = 8  # so many parts of a network without blocks are drawn together

_INTRODUCTION = """\
<!-- Written by `make docs` from the registry: change src/vertebra/zoo, not this page. -->

# The zoo

Every registered architecture: `vertebra list` prints one table of them (counted at their own resolutions),
`vertebra compare NAME...` sets some beside one another, and `vertebra show NAME` prints one stage by stage.

Every count is computed from the architecture, for one image at the resolution at which the accuracy was measured (at
the network's own where none was published). MACs are the multiply-accumulates of convolutions and fully connected
layers, each of them two floating-point operations; activations are the values that leave convolutions; the field is
the number of pixels across that one position of the last map sees through windows (with a plus, something such as a
squeeze looks at the whole map besides). Top-1 is the published figure, in percent, with
its source: the recipes behind these differ, and so do the years. Auxiliary heads count as parameters where a network
has them.

The drawings are made from the same trees that are counted, trained and exported. The small names are those of the
tensors in `state_dict`; `/2` is a stride."""


class Drawn(NamedTuple):
    """A block to draw: the network in which it stands, its path there, and the shape that enters."""

    network: str
    path: str
    node: Node
    enters: Shape


def zoo_page() -> str:
    """The page; its drawings are those of ``pictures``, under ``PICTURES``."""
    parts = [_INTRODUCTION, _contents(families()), *(_section(family) for family in families())]
    return "\n\n".join(parts) + "\n"


def pictures() -> dict[str, str]:
    """The drawings by file name, as SVG."""
    found = {}
    for family in families():
        for one in blocks_of(family):
            title = f"{_name(one)} of {one.network}"
            found[_file(family, one)] = drawing(one.node, one.enters, title)
    return found


@cache
def blocks_of(family: Family) -> tuple[Drawn, ...]:
    """One block of each kind in a family, and what stands once before a stage.

    It is one that keeps its shape if there is one, and of those the largest.

    Where that looks like its predecessor's, it is one that changes its shape.  A family without blocks of its own is
    drawn by its stages.
    """
    keeping, changing = _largest(family, keeping=True), _largest(family, keeping=False)
    kinds = tuple({**keeping, **changing})[:_DRAWN]
    if not any(kind not in ("entry", "stage") for kind in kinds):
        return (_plain(architecture(family.entries[0].name)),)
    before = next((one for one in families() if one.name == family.predecessor), None)
    known = {_drawn(one) for one in blocks_of(before)} if before else set()
    chosen = []
    for kind in kinds:
        options = [every[kind] for every in (keeping, changing) if kind in every]
        chosen.append(next((one for one in options if _drawn(one) not in known), options[0]))
    return tuple(chosen)


def _largest(family: Family, *, keeping: bool) -> dict[str, Drawn]:
    """Of each kind the one with the most layers, the first of equals, that keeps its shape or that changes it."""
    best: dict[str, tuple[int, Drawn]] = {}
    for entry in family.entries:
        arch = architecture(entry.name)
        for path, node, enters, leaves in along(arch.nodes(), arch.input_shape):
            one = Drawn(arch.name, path, node, enters)
            size = sum(1 for _ in layers(node, enters))
            kind = _kind(one)
            if _worth_drawing(one) and (enters == leaves) == keeping and (kind not in best or size > best[kind][0]):
                best[kind] = size, one
    return {kind: one for kind, (_, one) in best.items()}


def _drawn(one: Drawn) -> str:
    return drawing(one.node, one.enters)


def _worth_drawing(one: Drawn) -> bool:
    """More than one convolution in a stage, or what stands before a stage if it is more than a pool."""
    if not one.path.startswith("stages."):
        return False
    found = list(layers(one.node, one.enters))
    if one.path.endswith(".entry"):
        return len(found) > 1
    return isinstance(one.node, Block) and sum(isinstance(layer.node, Conv) for layer in found) > 1


def _plain(arch: Architecture) -> Drawn:
    """All stages of a short network without blocks, the longest stage of another."""
    steps = [step for step in along(arch.nodes(), arch.input_shape) if step[0].startswith("stages.")]
    stages = [Seq(tuple(stage.nodes())) for stage in arch.stages]
    if len(steps) <= _SHORT:
        every = Seq(tuple((str(index), stage) for index, stage in enumerate(stages)))
        return Drawn(arch.name, "stages", every, steps[0][2])
    longest = max(range(len(stages)), key=lambda index: arch.stages[index].depth)
    enters = next(shape for path, _, shape, _ in steps if path.startswith(f"stages.{longest}."))
    return Drawn(arch.name, f"stages.{longest}", stages[longest], enters)


def _contents(every: Iterable[Family]) -> str:
    lines = ["| family | year | members | key idea |", "|---|---|---|---|"]
    lines += [f"| {_link(family)} | {family.year} | {len(family.entries)} | {_cell(family.idea)} |" for family in every]
    return "\n".join(lines)


def _section(family: Family) -> str:
    parts = [f"## {family.title}", f"{family.year}: {family.idea} ({family.paper})"]
    if family.difference:
        before = {one.name: one for one in families()}.get(family.predecessor)
        parts.append(f"**After {_link(before)}:** {family.difference}" if before else family.difference)
    parts += [_shown(family, one) for one in blocks_of(family)]
    return "\n\n".join([*parts, _table(family)])


def _shown(family: Family, one: Drawn) -> str:
    said = f"{_name(one)}, as `{one.path}` of `{one.network}`"
    return f"![{said.replace('`', '')}]({PICTURES}/{_file(family, one)})\n\n*{said}*"


def _table(family: Family) -> str:
    lines = [
        "| network | parameters | MACs | at px | activations | field | top-1 | source |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    return "\n".join([*lines, *(_line(row(one.name)) for one in family.entries)])


def _line(one: Row) -> str:
    names = "<br>".join((f"`{one.name}`", *(f"<sub>{alias}</sub>" for alias in one.aliases)))
    source = "; ".join(part for part in (one.source, one.note) if part)
    cells = (
        names,
        text.short(one.params),
        text.short(one.macs),
        str(one.resolution),
        text.short(one.activations),
        field(one),
        text.NONE if one.top1 is None else str(one.top1),
        _cell(source),
    )
    return f"| {' | '.join(cells)} |"


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


def _kind(one: Drawn) -> str:
    if isinstance(one.node, Block):
        return one.node.kind()
    return "entry" if one.path.endswith(".entry") else "stage"


def _name(one: Drawn) -> str:
    if one.path == "stages":
        return "all stages"
    return {"entry": "the entry of a stage", "stage": "a stage"}.get(_kind(one), _kind(one).replace("_", " "))


def _file(family: Family, one: Drawn) -> str:
    return f"{family.name}-{_kind(one)}.svg"


def _link(family: Family) -> str:
    """A link to the family's section: GitHub's anchor of its heading."""
    anchor = "".join(letter for letter in family.title.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")
    return f"[{family.title}](#{anchor})"

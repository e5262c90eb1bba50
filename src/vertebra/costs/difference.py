"""What differs between two architectures, node by node, and what each difference costs.

The expanded trees are walked side by side.  Children are laid beside one another by their names and by what they have
in common (``alignment``), so that a layer put in between leaves those after it as they are.  What is found has three
levels: stem, stages and head; the blocks in them; the layers in those.  At each level the differences of the costs add
up to that of the level above.
"""

from __future__ import annotations

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.combinators import Seq
from vertebra.arch.node import Combinator, Node, Primitive
from vertebra.arch.record import brief, fields_of
from vertebra.arch.text import label, worded
from vertebra.costs.alignment import aligned
from vertebra.costs.changes import Change, Here, Kind
from vertebra.costs.count import Cost, cost
from vertebra.costs.places import Place, children_of, parts_of
from vertebra.errors import ArchitectureError


class Difference(msgspec.Struct, frozen=True):
    """Two architectures side by side: what each costs, and their parts with what differs in them."""

    names: tuple[str, str]
    before: Cost
    after: Cost
    parts: tuple[Change, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """The differences block by block; a part that stands in one of the two alone is one of them."""
        return tuple(change for part in self.parts for change in part.inside or (part,) if change.kind != "same")

    @property
    def layers(self) -> tuple[Change, ...]:
        """The differences down to single layers; what was added, removed or fed otherwise as a whole stays whole."""
        return tuple(layer for change in self.changes for layer in change.inside or (change,))


def difference(before: Architecture, after: Architecture, *, resolution: int | None = None) -> Difference:
    """What turns one architecture into the other, with the cost of each difference for one image.

    ``resolution`` in pixels, for both; each one's own by default.  Raises ArchitectureError for a resolution that is no
    whole number from 1, and for what is no architecture; ShapeError, with the layer's path, where it does not fit.
    """
    for one in (before, after):
        if not isinstance(one, Architecture):
            raise ArchitectureError(f"expected an architecture, got {brief(one)}")
    costs = cost(before, resolution=resolution), cost(after, resolution=resolution)
    for each in costs:
        _ = each.params  # where a resolution does not fit, the error then names the layer
    parts = aligned(parts_of(before, costs[0].shape), parts_of(after, costs[1].shape), _alike_parts)
    return Difference((before.name, after.name), *costs, tuple(_part(one, other) for one, other in parts))


# -- side by side -----------------------------------------------------------------------------------------------------


def _likeness(one: Place, other: Place) -> int:
    """How much two nodes are worth as a pair: equal ones most, then those of one name, then those of one kind."""
    named = one.name == other.name
    if one.tree == other.tree:
        return 8 + named
    if type(one.tree) is type(other.tree):
        return (4 if named else 2) + (type(one.node) is type(other.node))
    return 2 if named else 0


def _alike_parts(one: Place, other: Place) -> int:
    """The stem stands beside the stem, the head beside the head."""
    if _is_stage(one) and _is_stage(other):
        return _likeness(one, other)
    return 8 if one.name == other.name else 0


def _is_stage(part: Place) -> bool:
    return part.name.startswith("stages.")


def _part(one: Place | None, other: Place | None) -> Change:
    if one is None or other is None:
        return _alone(one, other)[0]
    if one.tree == other.tree:
        fed = _fed(one, other)
        return fed[0] if fed else _change("same", one, other)
    inside: list[Change] = []
    if _is_stage(one):
        for place, beside in aligned(children_of(one), children_of(other), _likeness):
            inside += _block(place, beside)
    else:
        inside = _compared(one, other)[0]
    return _change("changed" if inside else "same", one, other, inside)


def _block(one: Place | None, other: Place | None) -> list[Change]:
    """The differences between two blocks of a stage: one change where something of the first is left in the second."""
    if one is None or other is None:
        return _alone(one, other)
    inside, kept = _compared(one, other)
    whole = one.tree == other.tree or isinstance(one.tree, Primitive)
    return [_change("changed", one, other, inside)] if inside and kept and not whole else inside


def _compared(one: Place, other: Place) -> tuple[list[Change], bool]:
    """The differences between two nodes down to layers, and whether anything of the first is left in the second."""
    if one.tree == other.tree:
        return _fed(one, other), True
    if isinstance(one.tree, Primitive) and isinstance(other.tree, Primitive):
        return [_change("changed", one, other)], type(one.tree) is type(other.tree)
    changes = _joined_otherwise(one, other)
    kept = False
    for place, beside in aligned(_beside(one, other), _beside(other, one), _likeness):
        if place is None or beside is None:
            changes += _alone(place, beside)
            continue
        found, left = _compared(place, beside)
        if not found and place.name and beside.name and place.name != beside.name:
            found = [_change("renamed", place, beside)]
        changes += found
        kept = kept or left
    return (changes, True) if kept else (_alone(one, other), False)


def _beside(one: Place, other: Place) -> list[Place]:
    """What of a node is laid beside the other's children: its own children, or itself where only the other has them,
    or has branches.

    So a body stands beside the same body within a residual sum.
    """
    if isinstance(one.tree, Primitive) or (isinstance(one.tree, Seq) and not isinstance(other.tree, Seq | Primitive)):
        return [msgspec.structs.replace(one, name="")]
    return children_of(one)


def _joined_otherwise(one: Place, other: Place) -> list[Change]:
    """That a residual sum became a concatenation, say, if it did: it costs nothing by itself."""
    joins = ["seq" if isinstance(place.tree, Primitive) else place.tree.kind() for place in (one, other)]
    if joins[0] == joins[1]:
        return []
    before, after = (
        Here(place.path, join, place.enters, place.leaves, 0, 0, 0)
        for place, join in zip((one, other), joins, strict=True)
    )
    return [Change("changed", other.part, before, after)]


# -- what is found ----------------------------------------------------------------------------------------------------


def _fed(one: Place, other: Place) -> list[Change]:
    """The difference between equal nodes that take maps of different shapes, where it costs anything."""
    change = _change("fed", one, other)
    return [change] if change.params or change.macs or change.activations else []


def _alone(one: Place | None, other: Place | None) -> list[Change]:
    """What stands in one of the two networks alone: removed, then added."""
    removed = [] if one is None else [Change("removed", one.part, _here(one), None)]
    return removed if other is None else [*removed, Change("added", other.part, None, _here(other))]


def _change(kind: Kind, one: Place, other: Place, inside: list[Change] | None = None) -> Change:
    fields = _fields(one.node, other.node) if kind == "changed" else ()
    of = _written_out(one, other) if inside and not fields else ""
    return Change(kind, other.part, _here(one), _here(other), fields, tuple(inside or ()), of)


def _written_out(one: Place, other: Place) -> str:
    """What two nodes are, of which at least one is no block: its children's names, or the block that has the same."""
    rows = [label(place.tree) for place in (one, other)]
    blocks = [place.node.kind() for place in (one, other) if not isinstance(place.node, Combinator)]
    if rows[0] != rows[1] or len(blocks) == 2:
        return ""
    return blocks[0] if blocks else other.said


def _here(place: Place) -> Here:
    total = place.total
    return Here(place.path, place.said, place.enters, place.leaves, total.params, total.macs, total.activations)


def _fields(one: Node, other: Node) -> tuple[tuple[str, str, str], ...]:
    """The fields in which two nodes of one kind differ, those of nodes in them (``norm.eps``) last; a combinator's
    children are no field of this sort.
    """
    if type(one) is not type(other) or isinstance(one, Combinator):
        return ()
    found: list[tuple[str, str, str]] = []
    for name in (field.name for field in fields_of(type(one))):
        old, new = getattr(one, name), getattr(other, name)
        if old == new:
            continue
        inner = _fields(old, new) if isinstance(old, Node) and isinstance(new, Node) else ()
        whole = (name, worded(old), worded(new))
        found += [(f"{name}.{field}", before, after) for field, before, after in inner] or [whole]
    return tuple(sorted(found, key=lambda field: "." in field[0]))

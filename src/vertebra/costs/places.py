"""Nodes where they stand: what a walk along two networks looks at."""

from __future__ import annotations

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.combinators import Seq, Side
from vertebra.arch.expansion import expanded, joined, unblocked
from vertebra.arch.node import Combinator, Node
from vertebra.arch.shapes import Shape
from vertebra.arch.text import Part, label
from vertebra.costs.profile import Total, profile, total


class Place(msgspec.Struct, frozen=True):
    """A node where it stands.

    ``name``: among its siblings.  ``node``: as it is written; ``tree``: the same, expanded whole.  ``part``: ``stem``,
    ``stages.0``, ..., ``head``.  ``said``: the node in a few words.  ``aside``: it stands in a Side, so it does not run
    at inference.
    """

    name: str
    path: str
    node: Node
    tree: Node
    enters: Shape
    leaves: Shape
    part: str
    said: str
    aside: bool = False

    @property
    def total(self) -> Total:
        """What the node costs where it stands."""
        if self.aside:
            return Total(self.leaves, profile(self.node, self.enters).params, 0, 0)
        return total(profile, self.node, self.enters)


def parts_of(arch: Architecture, shape: Shape) -> list[Place]:
    """Stem, stages and head in order, each as one node, for an image of this (C, H, W)."""
    places = []
    for part in arch.parts():
        node = _whole(part)
        said = f"{part.depth} x {part.block}" if part.depth > 1 else part.block
        path = "" if part.name == "head" else part.name
        tree, leaves = expanded(node, shape[0]), node.output(shape)
        places.append(Place(part.name, path, node, tree, shape, leaves, part.name, said))
        shape = leaves
    return places


def children_of(place: Place) -> list[Place]:
    """What a combinator, or the tree that a block stands for, is made of; nothing for a primitive."""
    opened = unblocked(place.node, place.enters[0])
    if not isinstance(opened, Combinator):
        return []
    shape, aside = place.enters, place.aside
    if isinstance(opened, Side):
        shape, aside = opened.entering(shape), True
    places = []
    for name, child in opened.children:
        path, tree, leaves = joined(place.path, name), expanded(child, shape[0]), child.output(shape)
        places.append(Place(name, path, child, tree, shape, leaves, place.part, label(child), aside))
        shape = leaves if isinstance(opened, Seq) else shape
    return places


def _whole(part: Part) -> Node:
    """A part as one node; a stage of one block keeps the block's own name."""
    (_, node), *others = part.nodes
    if not others and not part.name.startswith("stages."):
        return node
    return Seq(tuple((path.rpartition(".")[2], node) for path, node in part.nodes))

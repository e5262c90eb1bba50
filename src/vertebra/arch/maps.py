"""The maps inside a network: the last one at each stride, known before anything is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from vertebra.arch.combinators import Seq
from vertebra.arch.expansion import joined, unblocked
from vertebra.arch.node import Node, children_of
from vertebra.arch.primitives import Pool
from vertebra.arch.receptive import Reach, after, reach
from vertebra.arch.shapes import UNKNOWN, Shape, is_map, pair


class Map(msgspec.Struct, frozen=True):
    """A value inside a network: the path of the node that it leaves, and what is known of it.

    ``stride``: pixels of the image from one row to the next.  ``receptive_field``: rows and columns of pixels that one
    position sees, those beyond the border included; None where it takes the whole image.  ``context``: something of the
    whole map reaches each position besides (a squeeze, a statistic over positions).
    """

    path: str
    channels: int
    stride: int
    receptive_field: tuple[int, int] | None
    context: bool


class _Place(msgspec.Struct, frozen=True):
    """Where a walk stands: after the node at ``path``, which is None where no name leads to it."""

    path: str | None
    shape: Shape
    seen: Reach


def maps(nodes: Iterable[tuple[str, Node]], channels: int) -> tuple[Map, ...]:
    """The last map at each stride before the next reduction, in order, given the (path, node) pairs of a network.

    Those count that leave the stem and what is in it, the blocks, what enters a pool, and what leaves the pools that a
    head begins with: a VGG's maps come before its pools, the last one after its fifth.  What is within a stage's
    ``entry`` belongs to the reduction.
    """
    found: dict[int, Map] = {}
    for place in _candidates(nodes, _Place(None, (channels, UNKNOWN, UNKNOWN), Reach())):
        if place.seen.whole or not is_map(place.shape):
            break
        if place.path is not None:
            found[place.seen.rows.stride] = _map(place.path, place)
    return tuple(found.values())


def every_map(nodes: Iterable[tuple[str, Node]], channels: int) -> Iterator[tuple[Node, Map]]:
    """Each node and what leaves it, those within blocks and branches too, a part after what is in it.

    A nameless node has the path of the part that it stands in.  Stages are among them: ``stages.2`` is what leaves the
    last block of the third.
    """
    place = _Place("", (channels, UNKNOWN, UNKNOWN), Reach())
    stage: tuple[Node, Map] | None = None
    for path, node in nodes:
        above = path.rpartition(".")[0]
        if stage is not None and stage[1].path != above:
            yield stage
        for one, after_it in _within(path, node, place):
            yield one, _map(after_it.path or "", after_it)
            place = after_it
        stage = (node, _map(above, place)) if path.startswith("stages.") else None
    if stage is not None:
        yield stage


def _within(path: str, node: Node, place: _Place) -> Iterator[tuple[Node, _Place]]:
    opened = unblocked(node, place.shape[0])
    inside = place
    for name, child in children_of(opened):
        left = inside
        for one, left in _within(joined(path, name), child, inside):
            yield one, left
        inside = left if isinstance(opened, Seq) else place
    yield opened, _Place(path, opened.output(place.shape), after(place.seen, reach(opened, place.shape[0])))


def _map(path: str, place: _Place) -> Map:
    seen = place.seen
    field = None if seen.whole else (seen.rows.span, seen.columns.span)
    return Map(path, place.shape[0], seen.rows.stride, field, seen.context)


def _candidates(nodes: Iterable[tuple[str, Node]], place: _Place) -> Iterator[_Place]:
    for path, node in nodes:
        steps = list(_steps(path, node, place))
        if path != "stem" and not path.startswith("stages."):
            for leaf, _, place in steps:
                if not _reduces(leaf):
                    return
                yield place
            return
        for leaf, before, place in steps:
            if path == "stem":
                yield place
            elif _reduces(leaf) and not path.endswith(".entry"):
                yield before
        place = _Place(path, place.shape, place.seen)
        yield place


def _reduces(leaf: Node) -> bool:
    return isinstance(leaf, Pool) and pair(leaf.stride) != (1, 1)


def _steps(path: str | None, node: Node, place: _Place) -> Iterator[tuple[Node, _Place, _Place]]:
    """What a node does one after the other, with the places before and after each; branches are one step."""
    opened = unblocked(node, place.shape[0])
    if not isinstance(opened, Seq):
        seen = after(place.seen, reach(opened, place.shape[0]))
        yield opened, place, _Place(path, opened.output(place.shape), seen)
        return
    for name, child in opened.children:
        inner = joined(path or "", name) if name or isinstance(unblocked(child, place.shape[0]), Seq) else None
        for step in _steps(inner, child, place):
            place = step[2]
            yield step

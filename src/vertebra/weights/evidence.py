"""What tells the tensors of an unknown checkpoint apart: role and shape, the groups around them, their numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import msgspec

from vertebra.errors import AmbiguousWeightsError


class Item(msgspec.Struct, frozen=True):
    """One tensor of either side."""

    name: str
    role: str
    """kernel, gain, bias, mean or var; empty where nothing tells."""
    shape: tuple[int, ...]
    """Extents of 1 left out."""

    @property
    def path(self) -> list[str]:
        return self.name.split(".")


def extents(shape: tuple[int, ...]) -> str:
    """A shape as errors name it: ``64x3x7x7``."""
    return "x".join(map(str, shape)) or "1"


Labels = dict[str, int]
Groups = dict[str, tuple[str, ...]]


def refined(ours: Sequence[Item], theirs: Sequence[Item]) -> tuple[Labels, Labels]:
    """Labels on both sides: role and shape, then, as long as it parts more of them, the groups that both sides have.

    A group tells something only where its content occurs equally often on both sides: groupings differ from project to
    project.  (Colour refinement, as in tests of isomorphism of graphs.)
    """
    labels = (_first(ours), _first(theirs))
    groups = (_groups(ours), _groups(theirs))
    while True:
        finer = _finer(labels, groups)
        if Counter(finer[0].values()) != Counter(finer[1].values()):
            return labels
        if len(set(finer[0].values())) == len(set(labels[0].values())):
            return labels
        labels = finer


def _first(side: Sequence[Item]) -> Labels:
    return {item.name: hash((item.role, item.shape)) for item in side}


def _finer(labels: tuple[Labels, Labels], groups: tuple[Groups, Groups]) -> tuple[Labels, Labels]:
    """Each label joined with the contents of those groups around it that both sides have equally often."""
    first, second = (
        {path: _content(names, known) for path, names in inside.items()}
        for known, inside in zip(labels, groups, strict=True)
    )
    numbers = (Counter(first.values()), Counter(second.values()))
    shared = {content for content, number in numbers[0].items() if numbers[1][content] == number}
    return (_joined(labels[0], groups[0], first, shared), _joined(labels[1], groups[1], second, shared))


def _content(names: Sequence[str], labels: Labels) -> int:
    """What a group holds, as a number: its labels and how often each occurs."""
    return hash(tuple(sorted(labels[name] for name in names)))


def _joined(labels: Labels, groups: Groups, contents: Mapping[str, int], shared: Collection[int]) -> Labels:
    around: dict[str, list[int]] = {}
    for path, names in groups.items():
        if contents[path] in shared:
            for name in names:
                around.setdefault(name, []).append(contents[path])
    return {name: hash((label, tuple(sorted(around.get(name, ()))))) for name, label in labels.items()}


def _groups(side: Sequence[Item]) -> Groups:
    """The names below each start of a name; where two starts have the same names below them, one of the two."""
    found: dict[str, list[str]] = {}
    for item in side:
        path = item.path
        for length in range(1, len(path)):
            found.setdefault(".".join(path[:length]), []).append(item.name)
    return {path: names for names, path in {tuple(names): path for path, names in found.items()}.items()}


_DIGITS = re.compile(r"(\d+)")


def misleading(places: Mapping[str, int]) -> frozenset[str]:
    """Below which names (their own numbers left out) numbers are not the order of execution.

    So it is where somebody has numbered tensors through as they lay in a file.  ``places`` in the order of execution:
    of the names that are certain, or all those to which the numbers themselves lead.  One contradiction is enough,
    for all groups of such a name: where shapes tell nothing the same may have happened.
    """
    spans: dict[tuple[str, tuple[str, ...]], dict[tuple[int, ...], tuple[int, int]]] = {}
    for name, place in places.items():
        path = name.split(".")
        for depth, segment in enumerate(path):
            words, numbers = _parts(segment)
            if numbers:
                group = spans.setdefault((".".join(path[:depth]), words), {})
                first, last = group.get(numbers, (place, place))
                group[numbers] = (min(first, place), max(last, place))
    return frozenset(
        _DIGITS.sub("", above)
        for (above, _), group in spans.items()
        if any(before[1] > after[0] for before, after in pairwise(group[numbers] for numbers in sorted(group)))
    )


def _parts(segment: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The words of a segment, and the numbers between them."""
    parts = _DIGITS.split(segment)
    return tuple(parts[::2]), tuple(map(int, parts[1::2]))


def numbered(items: list[Item], slots: list[Item], where: str, untrue: Collection[str] = frozenset()) -> list[Item]:
    """The items in the order of the numbers in their names.

    Raises AmbiguousWeightsError where these don't tell: there are none, or they stand below an ``untrue`` name.
    """
    ordered = sorted(
        items,
        key=lambda item: [
            [int(part) if part.isdigit() else -1 for part in _DIGITS.split(segment)] for segment in item.path
        ],
    )
    for before, after in pairwise(ordered):
        if not _precedes(before.path, after.path, untrue):
            place = ordered.index(before)
            raise ambiguous(before.name, after.name, slots[place : place + 2], where)
    return ordered


def _precedes(before: list[str], after: list[str], untrue: Collection[str]) -> bool:
    """Whether the first segments that differ do so in their numbers alone, and the first has the smaller."""
    for depth, (first, second) in enumerate(zip(before, after, strict=False)):
        if first != second:
            (words, numbers), (others, more) = _parts(first), _parts(second)
            above = _DIGITS.sub("", ".".join(before[:depth]))
            return words == others and numbers < more and above not in untrue
    return False


def in_file(items: Sequence[Item], slots: Sequence[Item], where: str, order: Mapping[str, int]) -> None:
    """Raise AmbiguousWeightsError where items that are in the order of their numbers lie in another in the file.

    Either may be the true one: blocks may have been written in any order, and names may have been given to others.
    ``order`` is the place of each in the file; empty where that says nothing.
    """
    for place, (before, after) in enumerate(pairwise(items)):
        if order and order[before.name] > order[after.name]:
            raise AmbiguousWeightsError(
                "its names are unknown and fit in two ways, since their numbers and the order in the file disagree: "
                f"{_two_ways(before.name, after.name, slots[place : place + 2])}",
                where=where,
                remedy="if the names are right, save it as safetensors, which keep no order; if the order is that of "
                "execution, say so: weights='ordered:PATH'",
            )


def _two_ways(first: str, second: str, slots: Sequence[Item]) -> str:
    one, other = slots[0].name, slots[1].name
    return f"{first} -> {one} and {second} -> {other}, or {second} -> {one} and {first} -> {other}"


def ambiguous(first: str, second: str, slots: Sequence[Item], where: str) -> AmbiguousWeightsError:
    """The error that shows two candidates for two places."""
    return AmbiguousWeightsError(
        f"its names are unknown and fit in two ways: {_two_ways(first, second, slots)}",
        where=where,
        remedy="if the file has its tensors in the order of execution, say so: weights='ordered:PATH'",
    )

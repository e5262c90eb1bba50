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


def numbered(items: list[Item], slots: list[Item], where: str) -> list[Item]:
    """The items in the order of the numbers in their names; raises AmbiguousWeightsError where these don't tell."""
    ordered = sorted(
        items,
        key=lambda item: [
            [int(part) if part.isdigit() else -1 for part in _DIGITS.split(segment)] for segment in item.path
        ],
    )
    for before, after in pairwise(ordered):
        if not _precedes(before.path, after.path):
            place = ordered.index(before)
            raise ambiguous(before.name, after.name, slots[place : place + 2], where)
    return ordered


def _precedes(before: list[str], after: list[str]) -> bool:
    """Whether the first segments that differ do so in their numbers alone, and the first has the smaller."""
    for first, second in zip(before, after, strict=False):
        if first != second:
            (words, numbers), (others, more) = (
                (part[::2], [*map(int, part[1::2])]) for part in (_DIGITS.split(first), _DIGITS.split(second))
            )
            return words == others and numbers < more
    return False


def ambiguous(first: str, second: str, slots: Sequence[Item], where: str) -> AmbiguousWeightsError:
    """The error that shows two candidates for two places."""
    one, other = slots[0].name, slots[1].name
    return AmbiguousWeightsError(
        f"its names are unknown and fit in two ways: {first} -> {one} and {second} -> {other}, or {second} -> {one} "
        f"and {first} -> {other}",
        where=where,
        remedy="if the file has its tensors in the order of execution, say so: weights='ordered:PATH'",
    )

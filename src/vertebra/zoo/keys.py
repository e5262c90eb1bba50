"""Key maps: how another project names the tensors of an architecture of ours, as data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.expansion import joined
from vertebra.arch.node import Weight
from vertebra.errors import ArchitectureError

Rule = tuple[str, str]
"""Our pattern, their template: ``("stages.{s}.{b}.conv1.conv", "layer{s+1}.{b}.conv1")``."""

_CAPTURE = re.compile(r"\{(\w+)\}")
_EXPRESSION = re.compile(r"\{([^{}]+)\}")
_TERM = re.compile(r"(?:(\d+)\*)?([a-z]+)|(\d+)")


class KeyMap(msgspec.Struct, frozen=True):
    """Another project's names for the tensors of a family's members.

    A rule fits a key of ours whose first segments are its pattern; what follows is appended to its template.  The
    first rule that fits wins.  ``{s}`` in a pattern is one segment, an integer; in a template ``{...}`` is a sum of
    terms such as ``s+1`` or ``2*n+s`` over the captured numbers and

    - ``n``: the running number of the block over all stages (``stages.0.0`` is 0; an ``entry`` has its stage's first);
    - ``i``: the position of the captured block's child on the key among those of its children that a module has.

    Shapes are not said: a tensor of as many values with the same first extent is ours reshaped, such as a 1x1
    convolution for a Linear.
    """

    rules: tuple[Rule, ...]

    def theirs(self, arch: Architecture) -> dict[str, str]:
        """Their name of each tensor of ours, in order; raises ArchitectureError for a tensor that no rule names."""
        pattern, templates = _compiled(self.rules)
        names = {}
        for path, weights, numbers in _numbered(arch):
            begun: dict[str, str] = {}  # most often one rule names all tensors of a layer
            for weight in weights:
                key = joined(path, weight.name)
                found = pattern.match(key)
                if found is None or found.lastindex is None:
                    raise ArchitectureError("no rule of the key map names this tensor", where=key)
                ours = found[0]
                if ours not in begun:
                    begun[ours] = templates[found.lastindex].filled(found, numbers)
                names[key] = begun[ours] + key[len(ours) :]
        return names


class _Template(NamedTuple):
    """A rule's other side taken apart: texts, and between them sums of a constant and of (factor, number's name)."""

    captured: tuple[tuple[str, int], ...]
    """The names of the numbers in the pattern, and their groups in the match."""
    texts: tuple[str, ...]
    sums: tuple[tuple[int, tuple[tuple[int, str], ...]], ...]

    def filled(self, found: re.Match[str], numbers: Mapping[str, int]) -> str:
        known = {**numbers, **{name: int(found[group]) for name, group in self.captured}}
        values = [str(sum([factor * known[name] for factor, name in terms], start)) for start, terms in self.sums]
        return "".join([part for pair in zip(self.texts, (*values, ""), strict=True) for part in pair])


@cache
def _compiled(rules: tuple[Rule, ...]) -> tuple[re.Pattern[str], dict[int, _Template]]:
    """One expression for all rules, whose last group says which of them fits, and the templates by that group."""
    patterns, templates, group = [], {}, 0
    for ours, theirs in rules:
        names = _CAPTURE.findall(ours)
        texts = [re.escape(text) for text in _CAPTURE.split(ours)[::2]]
        patterns.append(r"([0-9]+)".join(texts) + r"(?=\.|$)()")
        captured = tuple((name, group + place) for place, name in enumerate(names, 1))
        group += len(names) + 1
        parts = _EXPRESSION.split(theirs)
        sums = tuple(_sum(expression, ("n", "i", *names)) for expression in parts[1::2])
        templates[group] = _Template(captured, tuple(parts[::2]), sums)
    return re.compile("|".join(patterns)), templates


def _sum(expression: str, known: tuple[str, ...]) -> tuple[int, tuple[tuple[int, str], ...]]:
    start, terms = 0, []
    for term in expression.split("+"):
        found = _TERM.fullmatch(term.strip())
        if found is None or (found[2] and found[2] not in known):
            raise ArchitectureError(f"cannot read {expression!r} in a key map", allowed=", ".join(known))
        factor, name, number = found.groups()
        if number:
            start += int(number)
        else:
            terms.append((int(factor or 1), name))
    return start, tuple(terms)


def _numbered(arch: Architecture) -> Iterator[tuple[str, tuple[Weight, ...], dict[str, int]]]:
    """Each layer of ours that has tensors: its path, these, and the numbers that a template may use."""
    current: list[str] = []
    children: dict[str, int] = {}
    number = blocks = 0
    for layer in arch.layers():
        segments = layer.path.split(".")
        depth = 3 if segments[0] == "stages" else 1
        place, child = segments[:depth], segments[depth] if len(segments) > depth else ""
        if place != current:
            current, children, number = place, {}, blocks
            blocks += depth == 3 and place[2] != "entry"
        position = children.setdefault(child, len(children))
        weights = layer.node.weights(layer.enters)
        if weights:
            yield layer.path, weights, {"n": number, "i": position}

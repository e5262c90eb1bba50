"""Key maps: how another project names the tensors of an architecture of ours, as data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.expansion import joined
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
        return {key: self._name(key, numbers) for key, numbers in _numbered(arch)}

    def _name(self, key: str, numbers: Mapping[str, int]) -> str:
        for ours, theirs in self.rules:
            # Most rules are ruled out by the text before their first number, without a search.
            found = _pattern(ours).match(key) if key.startswith(ours.partition("{")[0]) else None
            if found is not None:
                known = {**numbers, **{name: int(text) for name, text in found.groupdict().items()}}
                return _filled(theirs, known) + key[found.end() :]
        raise ArchitectureError("no rule of the key map names this tensor", where=key)


@cache
def _pattern(ours: str) -> re.Pattern[str]:
    escaped = re.escape(ours).replace(r"\{", "{").replace(r"\}", "}")
    return re.compile(_CAPTURE.sub(r"(?P<\1>\\d+)", escaped) + r"(?=\.|$)")


def _filled(template: str, known: Mapping[str, int]) -> str:
    return _EXPRESSION.sub(lambda term: str(_value(term[1], known)), template)


def _value(expression: str, known: Mapping[str, int]) -> int:
    total = 0
    for term in expression.split("+"):
        found = _TERM.fullmatch(term.strip())
        if found is None or (found[2] and found[2] not in known):
            raise ArchitectureError(f"cannot read {expression!r} in a key map", allowed=", ".join(known))
        factor, name, number = found.groups()
        total += int(number) if number else int(factor or 1) * known[name]
    return total


def _numbered(arch: Architecture) -> Iterator[tuple[str, dict[str, int]]]:
    """Each key of ours with the numbers that a template may use."""
    blocks: dict[str, int] = {}
    positions: dict[str, dict[str, int]] = {}
    first: dict[str, int] = {}
    for layer in arch.layers():
        stage, block, child = _place(layer.path)
        if stage is not None and block != "entry":
            blocks.setdefault(f"{stage}.{block}", len(blocks))
        if stage is not None:
            first.setdefault(stage, len(blocks) - (block != "entry"))
        place = positions.setdefault(f"{stage}.{block}", {})
        position = place.setdefault(child, len(place))
        number = first[stage] if block == "entry" and stage is not None else blocks.get(f"{stage}.{block}", len(blocks))
        for weight in layer.node.weights(layer.enters):
            yield joined(layer.path, weight.name), {"n": number, "i": position}


def _place(path: str) -> tuple[str | None, str, str]:
    """Stage, block and the child below the block of a layer's path; outside the stages, its first segment stands as the
    block.
    """
    segments = [*path.split("."), "", "", ""]
    if segments[0] == "stages":
        return segments[1], segments[2], segments[3]
    return None, segments[0], segments[1]

"""Weights by what they are for: kernels, gains, biases, and the statistics and counters that are not learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from vertebra.arch.expansion import Layer
from vertebra.arch.node import LEARNED, Role
from vertebra.arch.shapes import elements

Roles = tuple[tuple[Role, int], ...]
"""How many values there are of each role."""


def role_counts(layer: Layer) -> Roles:
    """Values of each role in one layer; roles that it has none of are left out."""
    return sum_of([tuple((weight.role, elements(weight.shape)) for weight in layer.node.weights(layer.enters))])


def sum_of(counts: Iterable[Roles]) -> Roles:
    """The counts of several together."""
    total: Counter[Role] = Counter()
    for roles in counts:
        for role, number in roles:
            total[role] += number
    return tuple(total.items())


def learned(roles: Roles) -> dict[Role, int]:
    """Those that are learned."""
    return {role: number for role, number in roles if role in LEARNED}


def buffered(roles: Roles) -> int:
    """How many values are not learned."""
    return sum(number for role, number in roles if role not in LEARNED)

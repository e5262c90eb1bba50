"""Which registered networks a test walks: all of them, or the cheapest of each family."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from vertebra.costs import cost
from vertebra.zoo import architecture, entry, families, names

GOLDEN = json.loads(Path(__file__).with_name("zoo").joinpath("golden.json").read_text())
"""Parameters and MACs as torchvision 0.28.0 and timm 1.0.31 count them by torch's own flop counter."""


@cache
def params(name: str) -> int:
    """Parameters, from the golden figures where they have them: costing every network takes seconds."""
    return GOLDEN[name]["params"] if name in GOLDEN else cost(architecture(name)).params


@cache
def macs(name: str) -> int:
    """MACs at 224 px, or at the 32 of the CIFAR networks."""
    return GOLDEN[name]["macs"] if name in GOLDEN else cost(architecture(name)).macs


EVERY: tuple[str, ...] = names()

QUICK: tuple[str, ...] = tuple(min((one.name for one in family.entries), key=macs) for family in families())
"""The member of each family with the fewest MACs."""

PEERS: tuple[tuple[str, str], ...] = tuple((name, source) for name in EVERY for source in entry(name)[1].peers)
"""Every (name, source) that can be compared with somebody else's network."""

LARGE = 65_000_000
"""Parameters above which filling a network with numbers takes seconds (VGG: its classifier)."""
LIGHT = 1_500_000_000
"""MACs up to which a family's second source is compared in every run too."""


def _quick_peers(members: set[str]) -> list[tuple[str, str]]:
    found = sorted((pair for pair in PEERS if pair[0] in members and params(pair[0]) < LARGE), key=lambda p: macs(p[0]))
    firsts = {source: (name, source) for name, source in reversed(found)}
    return [pair for pair in firsts.values() if pair == found[0] or macs(pair[0]) < LIGHT]


QUICK_PEERS: tuple[tuple[str, str], ...] = tuple(
    pair for family in families() for pair in _quick_peers({one.name for one in family.entries})
)
"""Of each family the cheapest with a peer, and the cheapest of its other source where that is light; none where all are
large."""


def marked(cases, quick):
    """Every case, a name or a (name, source), as a value for pytest; those that are not ``quick`` marked slow."""
    chosen = frozenset(quick)
    return [
        pytest.param(
            case,
            id=case if isinstance(case, str) else "-".join(case),
            marks=() if case in chosen else pytest.mark.slow,
        )
        for case in cases
    ]

"""The registry: every family and every named architecture."""

from __future__ import annotations

import difflib
from functools import cache

from vertebra.arch.architecture import Architecture
from vertebra.errors import UnknownNameError
from vertebra.zoo import cifar_resnets, densenets, efficientnets, mobilenets, resnets
from vertebra.zoo.entry import Entry, Family

FAMILIES: tuple[Family, ...] = (
    resnets.FAMILY,
    cifar_resnets.FAMILY,
    cifar_resnets.PLAIN_FAMILY,
    densenets.FAMILY,
    mobilenets.FAMILY,
    efficientnets.FAMILY,
)


def families() -> tuple[Family, ...]:
    """Every family, with its paper and its members."""
    return FAMILIES


@cache
def _by_name() -> dict[str, tuple[Family, Entry]]:
    return {entry.name: (family, entry) for family in FAMILIES for entry in family.entries}


def names() -> tuple[str, ...]:
    """Every registered name, family by family."""
    return tuple(_by_name())


def entry(name: str) -> tuple[Family, Entry]:
    """A name's family and published facts; raises UnknownNameError with the nearest names."""
    known = _by_name()
    if name not in known:
        near = difflib.get_close_matches(name, known, 3, cutoff=0)
        raise UnknownNameError(
            f"unknown architecture {name!r}",
            allowed=f"{', '.join(near)}, ..." if near else None,
            remedy="see `vertebra list`",
        )
    return known[name]


@cache
def architecture(name: str) -> Architecture:
    """The architecture of a registered name; raises UnknownNameError with the nearest names."""
    return entry(name)[1].make()

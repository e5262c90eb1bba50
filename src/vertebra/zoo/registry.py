"""The registry: every family and every named architecture."""

from __future__ import annotations

from functools import cache

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import nearest
from vertebra.arch.record import brief
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
    if not isinstance(name, str) or name not in known:
        raise UnknownNameError(
            f"unknown architecture {brief(name)}",
            allowed=f"{', '.join(nearest(str(name), known, cutoff=0))}, ...",
            remedy="see `vertebra list`",
        )
    return known[name]


def architecture(name: str) -> Architecture:
    """The architecture of a registered name; raises UnknownNameError with the nearest names."""
    return _made(entry(name)[1].name)


@cache
def _made(name: str) -> Architecture:
    return _by_name()[name][1].make()

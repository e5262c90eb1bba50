"""The registry: every family and every named architecture."""

from __future__ import annotations

from functools import cache

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import nearest
from vertebra.arch.record import brief
from vertebra.errors import UnknownNameError
from vertebra.zoo import (
    alexnets,
    cifar_resnets,
    convnexts,
    densenets,
    efficientnets,
    efficientnets_lite,
    efficientnets_v2,
    inceptions,
    mnasnets,
    mobilenets_v1,
    mobilenets_v2,
    mobilenets_v3,
    resnets,
    resnets_d,
    resnets_v2,
    resnexts,
    senets,
    vggs,
    wide_resnets,
)
from vertebra.zoo.entry import Entry, Family

FAMILIES: tuple[Family, ...] = (
    alexnets.FAMILY,
    vggs.FAMILY,
    inceptions.GOOGLENET,
    inceptions.INCEPTION,
    resnets.FAMILY,
    resnets_d.FAMILY,
    resnets_v2.FAMILY,
    resnexts.FAMILY,
    senets.FAMILY,
    wide_resnets.FAMILY,
    cifar_resnets.FAMILY,
    cifar_resnets.PLAIN_FAMILY,
    resnets_v2.CIFAR_FAMILY,
    wide_resnets.CIFAR_FAMILY,
    densenets.FAMILY,
    densenets.CIFAR_FAMILY,
    mobilenets_v1.FAMILY,
    mobilenets_v2.FAMILY,
    mobilenets_v3.FAMILY,
    mnasnets.FAMILY,
    efficientnets.FAMILY,
    efficientnets_lite.FAMILY,
    efficientnets_v2.FAMILY,
    convnexts.FAMILY,
    convnexts.SECOND_FAMILY,
)


def families() -> tuple[Family, ...]:
    """Every family, with its paper and its members."""
    return FAMILIES


@cache
def _by_name() -> dict[str, tuple[Family, Entry]]:
    return {entry.name: (family, entry) for family in FAMILIES for entry in family.entries}


@cache
def aliases() -> dict[str, str]:
    """Names that other projects have for entries, where they differ from ours and mean nothing else here."""
    known = _by_name()
    return {
        peer.name: name for name, (_, one) in known.items() for peer in one.peers.values() if peer.name not in known
    }


def names() -> tuple[str, ...]:
    """Every registered name, family by family; aliases are not among them."""
    return tuple(_by_name())


def entry(name: str) -> tuple[Family, Entry]:
    """The family and published facts of a name or an alias; raises UnknownNameError with the nearest names."""
    known = _by_name()
    own = aliases().get(name, name) if isinstance(name, str) else name
    if not isinstance(own, str) or own not in known:
        raise UnknownNameError(
            f"unknown architecture {brief(name)}",
            allowed=f"{', '.join(nearest(str(name), [*known, *aliases()], cutoff=0))}, ...",
            remedy="see `vertebra list`",
        )
    return known[own]


def architecture(name: str) -> Architecture:
    """The architecture of a registered name or alias; raises UnknownNameError with the nearest names."""
    return _made(entry(name)[1].name)


@cache
def _made(name: str) -> Architecture:
    return _by_name()[name][1].make()


@cache
def variant(name: str, source: str) -> Architecture:
    """The architecture as ``source`` (``"torchvision"``, ``"timm"``) has it, in what no tensor shows too.

    Raises UnknownNameError for an unknown name, and where that project has no such network.
    """
    one = entry(name)[1]
    if source not in one.peers:
        raise UnknownNameError(
            f"{source} has no {one.name}", allowed=", ".join(one.peers) or "neither torchvision nor timm has it"
        )
    make = one.peers[source].make
    return architecture(one.name) if make is None else make()

"""What the makers of several families share: checks of their arguments, and heads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from vertebra.arch.combinators import seq
from vertebra.arch.node import Node
from vertebra.arch.primitives import Act, Dropout, GlobalPool, Linear, Norm
from vertebra.arch.record import brief
from vertebra.errors import ArchitectureError

K = TypeVar("K", bound=str)
T = TypeVar("T")


def listed(what: str, values: Iterable[T], where: str) -> tuple[T, ...]:
    """The values; raises ArchitectureError for one that is no list, such as a network's number of layers."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ArchitectureError(f"the {what} are {brief(values)}", where=where, allowed="a list")
    return tuple(values)


def stage_pairs(depths: Sequence[int], widths: Sequence[int], where: str) -> list[tuple[int, int]]:
    """The depth and the width of each stage; raises ArchitectureError where they are not as many, or none."""
    depths, widths = listed("depths", depths, where), listed("widths", widths, where)
    if len(widths) != len(depths) or not depths:
        raise ArchitectureError(f"{len(depths)} depths and {len(widths)} widths", where=where, allowed="as many")
    return list(zip(depths, widths, strict=True))


def chosen(what: str, name: K, table: Mapping[K, T], where: str) -> T:
    """The row of a table that has this name; raises ArchitectureError where none has."""
    if not isinstance(name, str) or name not in table:
        raise ArchitectureError(f"unknown {what} {brief(name)}", where=where, allowed=", ".join(table))
    return table[name]


def sixth(layers: int, where: str) -> int:
    """The n of a network of 6n + 4 layers; raises ArchitectureError for another number of them."""
    if type(layers) is not int or layers < 10 or layers % 6 != 4:
        raise ArchitectureError(f"{brief(layers)} layers", where=where, allowed="6n + 4: 10, 16, 22, ...")
    return (layers - 4) // 6


def mean_head(classes: int, *before: tuple[str, Node], dropout: float | None = None) -> Node:
    """What stands ``before``, the mean over positions, dropout at this rate (None: without it), the classifier."""
    after = {} if dropout is None else {"dropout": Dropout(dropout)}
    return seq(**dict(before), pool=GlobalPool(), **after, fc=Linear(classes))


def preact_head(classes: int) -> Node:
    """The norm and the activation that the last sum or concatenation still lacks, the mean, the classifier."""
    return mean_head(classes, ("norm", Norm()), ("act", Act()))

"""Folds: tables from a kind of node to one small function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from vertebra.arch.node import Block, Node, kinds
from vertebra.errors import ArchitectureError

F = TypeVar("F", bound=Callable[..., Any])


class Fold(Generic[F]):
    """A table of rules, one for each kind of node that it ``covers``.

    A block needs no rule in any fold: it is expanded first.  ``missing`` names the kinds without a rule, and a test
    holds it empty.
    """

    def __init__(self, name: str, covers: type[Node]) -> None:
        self.name = name
        self.covers = covers
        self.rules: dict[type[Node], F] = {}

    def rule(self, *kinds_of_node: type[Node]) -> Callable[[F], F]:
        """Enter a function for these kinds of node."""

        def enter(function: F) -> F:
            for kind in kinds_of_node:
                self.rules[kind] = function
            return function

        return enter

    def __getitem__(self, kind: type[Node]) -> F:
        try:
            return self.rules[kind]
        except KeyError:
            pass
        for base in kind.__mro__:
            if base in self.rules:
                return self.rules[base]
        raise ArchitectureError(
            f"the fold {self.name!r} has no rule for {kind.kind()!r}",
            remedy="build new nodes as a Block of existing ones, or enter a rule with Fold.rule",
        )

    def missing(self) -> list[str]:
        """The kinds of node that this fold covers and has no rule for."""
        leaves = [cls for cls in kinds().values() if issubclass(cls, self.covers) and not issubclass(cls, Block)]
        return sorted(cls.kind() for cls in leaves if not any(base in self.rules for base in cls.__mro__))

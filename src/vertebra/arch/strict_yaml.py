"""Strict YAML: the plain data of JSON, nothing more."""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from vertebra.arch.record import MAX_NESTING
from vertebra.errors import ArchitectureError

DEEPEST = 2 * MAX_NESTING + 8
"""A node takes two levels of a text, its own and its children's."""


def yaml_text(data: Any) -> str:
    """Plain data as YAML, keys in their order."""
    return str(yaml.safe_dump(data, sort_keys=False, width=120, allow_unicode=True))


def parsed_yaml(text: str | bytes) -> Any:
    """YAML as plain data; raises ArchitectureError."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, with less
    except RecursionError:
        raise ArchitectureError(f"nested deeper than {MAX_NESTING} levels", where="$") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ArchitectureError(f"not YAML: {error}", where="$") from None


class _StrictLoader(yaml.SafeLoader):
    """Plain YAML: no aliases (they can grow without bound), no tags, no repeated keys, bounded depth."""

    level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ArchitectureError("YAML aliases are not accepted", where="$")
        event = cast(Any, self).peek_event()
        if getattr(event, "tag", None) is not None:
            raise ArchitectureError(f"YAML tags are not accepted, got {event.tag!r}", where="$")
        self.level += 1
        if self.level > DEEPEST:
            raise ArchitectureError(f"nested deeper than {MAX_NESTING} levels", where="$")
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Keys are text as they stand: YAML 1.1 takes ``no`` for false and ``<<`` for a merge."""
        data: dict[Any, Any] = {}
        for key, value in node.value:
            name = key.value
            where = f"see line {key.start_mark.line + 1}"
            if not isinstance(name, str):
                raise ArchitectureError("a key is not text", where="$", remedy=where)
            if key.tag == "tag:yaml.org,2002:merge":
                raise ArchitectureError("YAML merge keys (<<) are not accepted", where="$", remedy=where)
            if name in data:
                raise ArchitectureError(f"the key {name!r} stands twice", where="$", remedy=where)
            data[name] = cast(Any, self).construct_object(value, deep=deep)
        return data


# YAML 1.1 takes 1e-3 for a word; people and JSON take it for a number.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)

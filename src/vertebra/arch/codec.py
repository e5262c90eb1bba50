"""Architectures and nodes to and from JSON and YAML.

Children are decoded through the kinds that exist now, so a user's own block is read as soon as its file is imported.  Every error
names the path to the fault.  Depth is capped before anything recurses.
"""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import yaml

from vertebra.arch.architecture import Architecture
from vertebra.arch.encoding import KIND, to_data
from vertebra.arch.node import Node, kinds
from vertebra.arch.record import Field, Record, brief, checked, fields_of
from vertebra.errors import ArchitectureError

MAX_NESTING = 100
MAX_BYTES = 32 << 20
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


def to_json(value: Record) -> str:
    """Readable JSON of an architecture or a node; fields at their default are left out."""
    return msgspec.json.format(msgspec.json.encode(to_data(value)), indent=2).decode()


def to_yaml(value: Record) -> str:
    """YAML of an architecture or a node."""
    return cast(str, yaml.safe_dump(to_data(value), sort_keys=False, width=120))


def from_json(text: str | bytes) -> Architecture:
    """An architecture from JSON; raises ArchitectureError with the path to the fault."""
    return from_data(_parsed_json(text), Architecture)


def from_yaml(text: str | bytes) -> Architecture:
    """An architecture from YAML; aliases, repeated keys and other documents are refused."""
    return from_data(_parsed_yaml(text), Architecture)


def node_from_json(text: str | bytes) -> Node:
    """A node of any kind from JSON."""
    return from_data(_parsed_json(text), Node)


def read(path: str | Path) -> Architecture:
    """An architecture from a ``.json``, ``.yaml`` or ``.yml`` file; raises ArchitectureError that names the file."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ArchitectureError(f"larger than {MAX_BYTES >> 20} MiB", where=str(path))
        text = path.read_bytes()
    except OSError as error:
        raise ArchitectureError(f"cannot be read: {error.strerror}", where=str(path)) from None
    try:
        return from_yaml(text) if path.suffix in (".yaml", ".yml") else from_json(text)
    except ArchitectureError as error:
        raise error.at(f"{path}: ") from None


R = TypeVar("R", bound=Record)


def from_data(data: Any, cls: type[R], path: str = "$", level: int = 0) -> R:
    """A record from plain data; raises ArchitectureError with the path to the fault."""
    if level > MAX_NESTING:
        raise ArchitectureError(f"nested deeper than {MAX_NESTING} levels", where=path)
    if not isinstance(data, dict):
        raise ArchitectureError(f"expected an object, got {brief(data)}", where=path)
    concrete = _class_of(data, cls, path) if issubclass(cls, Node) else cls
    known = {field.name: field for field in fields_of(concrete)}
    values: dict[str, Any] = {}
    for key, item in data.items():
        if key == KIND and issubclass(concrete, Node):
            continue
        if key not in known:
            raise ArchitectureError(f"unknown field {key!r}", where=path, allowed=", ".join(known))
        values[key] = _field_value(known[key], item, path, level)
    missing = [field.name for field in known.values() if field.required and field.name not in values]
    if missing:
        raise ArchitectureError(f"missing field {missing[0]!r}", where=path)
    try:
        return cast(R, concrete(**values))
    except ArchitectureError as error:
        raise ArchitectureError(
            str(error.what), where=f"{path}.{(error.where or '').partition('.')[2]}".rstrip("."), allowed=error.allowed
        ) from None


def _field_value(field: Field, item: Any, path: str, level: int) -> Any:
    here = f"{path}.{field.name}"
    if field.record is None:
        try:
            return checked(field, item)
        except ArchitectureError as error:
            raise error.at(path) from None
    if item is None and field.optional:
        return None
    if field.named:
        if not isinstance(item, dict):
            raise ArchitectureError(f"expected an object of name to node, got {brief(item)}", where=here)
        return tuple(
            (name, from_data(child, field.record, f"{here}.{name}", level + 1)) for name, child in item.items()
        )
    if field.many:
        if not isinstance(item, list):
            raise ArchitectureError(f"expected an array, got {brief(item)}", where=here)
        return tuple(
            from_data(child, field.record, f"{here}[{index}]", level + 1) for index, child in enumerate(item)
        )
    return from_data(item, field.record, here, level + 1)


def _class_of(data: dict[str, Any], cls: type[Node], path: str) -> type[Node]:
    kind = data.get(KIND, None)
    if not isinstance(kind, str):
        if cls is not Node and KIND not in data:
            return cls  # the field allows one kind only, so saying it is optional
        raise ArchitectureError(f"expected {KIND!r} to name a kind of node, got {brief(kind)}", where=path)
    known = kinds()
    if kind not in known:
        near = difflib.get_close_matches(kind, known, 3)
        raise ArchitectureError(
            f"unknown kind {kind!r}",
            where=path,
            allowed=", ".join(near or sorted(known)),
            remedy="a block of your own must be imported first (--blocks FILE on the command line)",
        )
    if not issubclass(known[kind], cls):
        raise ArchitectureError(f"expected {cls.__name__}, got {kind!r}", where=path)
    return known[kind]


# -- text ---------------------------------------------------------------------------------------------------------


def _parsed_json(text: str | bytes) -> Any:
    raw = text.encode() if isinstance(text, str) else text
    _refuse_deep(raw)
    try:
        return json.loads(raw, object_pairs_hook=_unrepeated)
    except (ValueError, RecursionError) as error:  # ValueError covers bad JSON and bad UTF-8
        raise ArchitectureError(f"not JSON: {error}", where="$") from None


def _refuse_deep(raw: bytes) -> None:
    level = deepest = 0
    for byte in re.sub(rb"[^\[\]{}]", b"", _STRING.sub(b"", raw)):
        level += 1 if byte in b"[{" else -1
        deepest = max(deepest, level)
    # A node takes two levels of brackets, its own and its children's.
    if deepest > 2 * MAX_NESTING + 8:
        raise ArchitectureError(f"nested deeper than {MAX_NESTING} levels", where="$")


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        names = [name for name, _ in pairs]
        raise ArchitectureError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands twice", where="$")
    return data


class _StrictLoader(yaml.SafeLoader):
    """Plain YAML: no aliases (they can grow without bound), no repeated keys, bounded depth."""

    level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ArchitectureError("YAML aliases are not accepted", where="$")
        self.level += 1
        if self.level > 2 * MAX_NESTING + 8:
            raise ArchitectureError(f"nested deeper than {MAX_NESTING} levels", where="$")
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [getattr(key, "value", None) for key, _ in node.value]
        if len({str(key) for key in keys}) != len(keys):
            raise ArchitectureError("a key stands twice", where="$", remedy=f"see line {node.start_mark.line + 1}")
        return cast(dict[Any, Any], super().construct_mapping(node, deep=deep))


def _parsed_yaml(text: str | bytes) -> Any:
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ArchitectureError(f"not YAML: {error}", where="$") from None

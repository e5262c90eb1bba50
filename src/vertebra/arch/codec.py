"""Architectures and nodes to and from JSON and YAML.

Children are decoded through the kinds that exist now, so a user's own block is read as soon as its file is imported.
Every error names the path to the fault.  Depth is capped before anything recurses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.encoding import KIND, to_data
from vertebra.arch.node import ABSTRACT, Node, classes_by_kind
from vertebra.arch.record import MAX_NESTING, Field, Record, brief, checked, fields_of
from vertebra.errors import ArchitectureError

if TYPE_CHECKING:
    from pathlib import Path

# Modules that not every start needs (json, yaml, pathlib, difflib) are imported where they are used.

MAX_BYTES = 32 << 20
_STRING = re.compile(rb'"(?:[^"\\]+|\\.)*+"?', re.DOTALL)


def to_json(value: Record) -> str:
    """Readable JSON of an architecture or a node; fields at their default are left out."""
    return msgspec.json.format(msgspec.json.encode(to_data(value)), indent=2).decode()


def to_yaml(value: Record) -> str:
    """YAML of an architecture or a node."""
    from vertebra.arch.strict_yaml import yaml_text

    return yaml_text(to_data(value))


def from_json(text: str | bytes) -> Architecture:
    """An architecture from JSON; raises ArchitectureError with the path to the fault."""
    return from_data(_parsed_json(text), Architecture)


def from_yaml(text: str | bytes) -> Architecture:
    """An architecture from YAML; aliases, tags, repeated keys and other documents are refused."""
    from vertebra.arch.strict_yaml import parsed_yaml

    return from_data(parsed_yaml(text), Architecture)


def node_from_json(text: str | bytes) -> Node:
    """A node of any kind from JSON."""
    return from_data(_parsed_json(text), Node)


def read(path: str | Path) -> Architecture:
    """An architecture from a ``.json``, ``.yaml`` or ``.yml`` file; raises ArchitectureError that names the file."""
    from pathlib import Path

    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ArchitectureError(f"larger than {MAX_BYTES >> 20} MiB", where=str(path))
        text = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise ArchitectureError(f"cannot be read: {getattr(error, 'strerror', error)}", where=str(path)) from None
    try:
        return from_yaml(text) if path.suffix in (".yaml", ".yml") else from_json(text)
    except ArchitectureError as error:
        raise error.at(f"{path}: $") from None


R = TypeVar("R", bound=Record)


def from_data(data: Any, cls: type[R], path: str = "$") -> R:
    """A record from plain data; raises ArchitectureError with the path to the fault, which begins with ``path``."""
    return _Reader(classes_by_kind()).record(data, cls, path, 1)


class _Reader:
    """Plain data to records, through the kinds of node known when the reading began."""

    def __init__(self, known: dict[str, list[type[Node]]]) -> None:
        self.known = known

    def record(self, data: Any, cls: type[R], path: str, level: int) -> R:
        if level > MAX_NESTING:
            raise ArchitectureError(f"nested deeper than {MAX_NESTING} levels", where=path)
        if not isinstance(data, dict):
            raise ArchitectureError(f"expected an object, got {brief(data)}", where=path)
        concrete = cast(type[R], self._class_of(data, cls, path)) if issubclass(cls, Node) else cls
        fields = {field.name: field for field in fields_of(concrete)}
        values: dict[str, Any] = {}
        for key, item in data.items():
            if key == KIND and issubclass(concrete, Node):
                continue
            if key not in fields:
                near = nearest(str(key), fields) or fields
                raise ArchitectureError(f"unknown field {brief(key)}", where=path, allowed=", ".join(near))
            values[key] = self._value(fields[key], item, path, level)
        missing = [name for name, field in fields.items() if field.required and name not in values]
        if missing:
            raise ArchitectureError(f"missing field {missing[0]!r}", where=path)
        try:
            return concrete(**values)
        except ArchitectureError as error:
            raise _located(error, path) from None

    def _value(self, field: Field, item: Any, path: str, level: int) -> Any:
        here = f"{path}.{field.name}"
        if field.record is None:
            try:
                return checked(field, item)
            except ArchitectureError as error:
                raise error.at(path) from None
        if item is None and field.optional:
            return None
        if not field.many:
            return self.record(item, field.record, here, level + 1)
        pairs = _pairs(field, item, here)
        read = ((name, self.record(child, field.record, f"{here}{name}", level + 1)) for name, child in pairs)
        if field.named:
            return tuple((name.removeprefix("."), child) for name, child in read)
        return tuple(child for _, child in read)

    def _class_of(self, data: dict[str, Any], cls: type[Node], path: str) -> type[Node]:
        kind = data.get(KIND)
        if not isinstance(kind, str):
            if cls not in (Node, *ABSTRACT) and KIND not in data:
                return cls  # the field allows one kind only, so saying it is optional
            raise ArchitectureError(f"expected {KIND!r} to name a kind of node, got {brief(kind)}", where=path)
        if kind not in self.known:
            raise ArchitectureError(
                f"unknown kind {brief(kind)}",
                where=path,
                allowed=", ".join(nearest(kind, self.known) or sorted(self.known)),
                remedy="a block of your own must be imported first (--blocks FILE on the command line)",
            )
        found, *others = self.known[kind]
        if others:
            named = " and ".join(f"{each.__module__}.{each.__qualname__}" for each in (found, *others))
            raise ArchitectureError(f"{kind!r} may be {named}", where=path, remedy="rename one")
        if not issubclass(found, cls):
            raise ArchitectureError(f"expected {cls.__name__}, got {kind!r}", where=path)
        return found


def _pairs(field: Field, item: Any, here: str) -> list[tuple[str, Any]]:
    """The items of a sequence, or of an object of names, with what they add to the path."""
    if field.named:
        if not isinstance(item, dict):
            raise ArchitectureError(f"expected an object of name to node, got {brief(item)}", where=here)
        for name in item:
            if not name.isprintable():
                raise ArchitectureError(f"the name {brief(name)} cannot be printed", where=here)
        return [(f".{name}", child) for name, child in item.items()]
    if not isinstance(item, list):
        raise ArchitectureError(f"expected an array, got {brief(item)}", where=here)
    return [(f"[{index}]", child) for index, child in enumerate(item)]


def _located(error: ArchitectureError, path: str) -> ArchitectureError:
    """An error of a constructor (``Conv.groups``) at the place of its text (``$.stem.groups``)."""
    field = (error.where or "").partition(".")[2]
    where = f"{path}.{field}" if field else path
    return ArchitectureError(error.what, where=where, allowed=error.allowed, remedy=error.remedy)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.4) -> list[str]:
    """The known names that are most like one that is not."""
    import difflib

    return difflib.get_close_matches(name[:200], known, 3, cutoff)


def _parsed_json(text: str | bytes) -> Any:
    import json  # it has the hook for repeated keys that msgspec's quicker reader lacks

    try:
        raw = text.encode() if isinstance(text, str) else text
        _refuse_deep(raw)
        return json.loads(raw, object_pairs_hook=_unrepeated)
    except RecursionError:
        raise ArchitectureError(f"nested deeper than {MAX_NESTING} levels", where="$") from None
    except ValueError as error:  # bad JSON, bad UTF-8, a number of thousands of digits
        raise ArchitectureError(f"not JSON: {error}", where="$") from None


def _refuse_deep(raw: bytes) -> None:
    level = 0
    for byte in re.sub(rb"[^\[\]{}]+", b"", _STRING.sub(b"", raw)):
        level += 1 if byte in b"[{" else -1
        if level > 2 * MAX_NESTING + 8:  # a node takes two levels of brackets, its own and its children's
            raise ArchitectureError(f"nested deeper than {MAX_NESTING} levels", where="$")


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        names = [name for name, _ in pairs]
        raise ArchitectureError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands twice", where="$")
    return data

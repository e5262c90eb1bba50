"""Records as plain data: mappings, sequences, numbers and strings."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from vertebra.arch.node import Combinator, Node
from vertebra.arch.record import Record, fields_of

KIND = "kind"


def to_data(value: Any, *, defaults: bool = False) -> Any:
    """A record as plain data; fields at their default are left out unless ``defaults``.

    A node says its ``kind`` first; a combinator's children are a mapping of name to node, in order.
    """
    if isinstance(value, tuple | list):
        return [to_data(item, defaults=defaults) for item in value]
    if not isinstance(value, Record):
        return value
    data: dict[str, Any] = {KIND: value.kind()} if isinstance(value, Node) else {}
    for field in fields_of(type(value)):
        item = getattr(value, field.name)
        if not defaults and not field.required and item == field.default and type(item) is type(field.default):
            continue
        if field.named:
            data[field.name] = {name: to_data(child, defaults=defaults) for name, child in item}
        else:
            data[field.name] = to_data(item, defaults=defaults)
    return data


def canonical(value: Any) -> bytes:
    """The one JSON text of a value, in order, without spaces.  Hashes are taken of it.

    Fields at their default are left out, so that a field which a node gains later moves no hash.  So a primitive's
    default never changes.
    """
    return msgspec.json.encode(_texts(value))


def _texts(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_texts(item) for item in value]
    return _text(value) if isinstance(value, Combinator) else to_data(value)


@lru_cache(maxsize=1 << 14)
def _text(node: Combinator) -> msgspec.Raw:
    """A combinator's text, kept: the copies of a block in a stage are written once."""
    data: dict[str, Any] = {KIND: node.kind()}
    for field in fields_of(type(node)):
        item = getattr(node, field.name)
        named = {name: _texts(child) for name, child in item} if field.named else None
        data[field.name] = to_data(item) if named is None else named
    return msgspec.Raw(msgspec.json.encode(data))

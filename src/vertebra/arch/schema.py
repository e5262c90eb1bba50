"""The JSON Schema (draft 2020-12) of architecture files: a fold over the kinds of node and their fields.

It says what a text editor can check: kinds, fields, types, bounds and defaults.  Rules between fields (groups that
divide channels, names used twice, shapes) are the constructors'.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.encoding import KIND, to_data
from vertebra.arch.node import ABSTRACT, Node, kinds
from vertebra.arch.record import Field, Record, fields_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAME = r"^([A-Za-z_][A-Za-z0-9_]*|[0-9]+)?$"


def json_schema() -> dict[str, Any]:
    """The schema, with a definition for each kind of node that exists now, a user's own blocks included."""
    known = kinds()
    records: list[type[Record]] = []
    _collect(Architecture, records)
    definitions = {_name(record): _object(record) for record in records if not issubclass(record, Node)}
    definitions["Node"] = _one_of(Node, known)
    definitions |= {kind: _object(cls) for kind, cls in sorted(known.items())}
    return {
        "$schema": DIALECT,
        "title": "A vertebra architecture",
        "$ref": f"#/$defs/{_name(Architecture)}",
        "$defs": definitions,
    }


def _collect(cls: type[Record], found: list[type[Record]]) -> None:
    if cls not in found:
        found.append(cls)
        for field in fields_of(cls):
            if field.record is not None:
                _collect(field.record, found)


def _object(cls: type[Record]) -> dict[str, Any]:
    """One record: its fields, those required, nothing else."""
    properties: dict[str, Any] = {KIND: {"const": cls.kind()}} if issubclass(cls, Node) else {}
    properties |= {field.name: _property(field) for field in fields_of(cls)}
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    summary = (cls.__doc__ or "").strip().partition("\n")[0]
    if summary:
        schema["description"] = summary
    required = [field.name for field in fields_of(cls) if field.required]
    return schema | ({"required": required} if required else {})


def _property(field: Field) -> dict[str, Any]:
    schema = _plain(field) if field.record is None else _nested(field, field.record)
    return schema if field.required else schema | {"default": to_data(field.default)}


def _plain(field: Field) -> dict[str, Any]:
    """A number, a word, or a pair of them, by msgspec's own account of the type."""
    single = _without_title(msgspec.json.schema(field.type))
    if field.pair is None:
        return single
    return {"anyOf": [single, _without_title(msgspec.json.schema(field.pair))]}


def _nested(field: Field, record: type[Record]) -> dict[str, Any]:
    one = _reference(record)
    if field.named:
        return {
            "type": "object",
            "additionalProperties": one,
            "propertyNames": {"pattern": _NAME},
            "minProperties": 1,
        }
    if field.many:
        return {"type": "array", "items": one} | ({"minItems": field.least} if field.least else {})
    return {"anyOf": [one, {"type": "null"}]} if field.optional else one


def _reference(record: type[Record]) -> dict[str, Any]:
    if record is Node:
        return {"$ref": "#/$defs/Node"}
    if record in ABSTRACT or (issubclass(record, Node) and record.__subclasses__()):
        return _one_of(record, kinds())
    return {"$ref": f"#/$defs/{_name(record)}"}


def _one_of(base: type[Record], known: dict[str, type[Node]]) -> dict[str, Any]:
    """Any kind of node below ``base``; it must say which, unless ``base`` is itself a kind and so the one meant.

    Conditions rather than ``anyOf``: a validator then looks into one definition, not into all of them at each level.
    """
    allowed = sorted(kind for kind, cls in known.items() if issubclass(cls, base))
    chosen = [
        {"if": {"properties": {KIND: {"const": kind}}, "required": [KIND]}, "then": {"$ref": f"#/$defs/{kind}"}}
        for kind in allowed
    ]
    schema: dict[str, Any] = {"type": "object", "properties": {KIND: {"enum": allowed}}, "allOf": chosen}
    if base is Node or base in ABSTRACT:
        return schema | {"required": [KIND]}
    return schema | {"if": {"not": {"required": [KIND]}}, "then": {"$ref": f"#/$defs/{_name(base)}"}}


def _name(record: type[Record]) -> str:
    """A record's name among the definitions; those that are no nodes are written with a capital, so none is taken
    twice.
    """
    return record.kind() if issubclass(record, Node) else record.__name__


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    """Titles are our own marks (``channels``), which say nothing to a reader of the schema."""
    return {key: value for key, value in schema.items() if key != "title"}

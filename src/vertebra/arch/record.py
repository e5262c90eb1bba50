"""Immutable, checked, hashable data: the base of every node, stage and architecture.

msgspec gives speed but its constructors check nothing, so ``Record`` checks and coerces each field when it is made: an
``int`` given for a ``float`` field becomes a ``float``, or equal values would hash differently after a round trip.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from vertebra.errors import ArchitectureError

# Bounds keep a hostile file from asking for years of work; the widest published layer has 18,432 channels.
Channels = Annotated[int, Meta(ge=1, le=1 << 20, title="channels")]
Positive = Annotated[int, Meta(ge=1, le=1 << 16)]
Depth = Annotated[int, Meta(ge=1, le=10_000)]
Natural = Annotated[int, Meta(ge=0, le=1 << 16)]
Ratio = Annotated[float, Meta(gt=0, le=1 << 16)]
Fraction = Annotated[float, Meta(ge=0, lt=1)]
Pair = tuple[Positive, Positive]
Kernel = Positive | Pair


class Field(msgspec.Struct, frozen=True):
    """What one field of a record may hold, worked out once for each class."""

    name: str
    type: Any
    """The declared type, fixed-length tuples apart."""
    pair: Any
    """The fixed-length tuple type that the field also takes, or None.  (msgspec 0.22 crashes on a union of the two.)"""
    record: type[Record] | None
    """The record class that a value must be an instance of; None for plain values."""
    many: bool
    """Whether the field holds a tuple of such records."""
    named: bool
    """Whether the field holds (name, node) pairs: a combinator's children."""
    optional: bool
    required: bool
    default: Any
    is_channels: bool
    """Whether a width multiplier scales the value."""


class Record(msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True, repr_omit_defaults=True):
    """The base of immutable data; a subclass lists its fields with types and adds ``check`` for rules between fields."""

    def __post_init__(self) -> None:
        for field in fields_of(type(self)):
            given = getattr(self, field.name)
            value = checked(field, given)
            if value is not given:
                msgspec.structs.force_setattr(self, field.name, value)
        self.check()

    def check(self) -> None:
        """Raise ArchitectureError where fields contradict one another."""

    def fault(self, field: str, what: str, **parts: str) -> ArchitectureError:
        """An error that names this record's class and field."""
        return ArchitectureError(what, where=f"{type(self).__name__}.{field}", **parts)


R = TypeVar("R", bound="Record")


def replace(record: R, **changes: Any) -> R:
    """A copy of ``record`` with some fields changed; checked like any other."""
    return msgspec.structs.replace(record, **changes)


@cache
def fields_of(cls: type[Record]) -> tuple[Field, ...]:
    """The fields of a record class, in order."""
    return tuple(_field(info) for info in msgspec.structs.fields(cls))


def _field(info: msgspec.structs.FieldInfo) -> Field:
    bare, optional = _without_none(info.type)
    many = get_origin(bare) is tuple and len(get_args(bare)) == 2 and get_args(bare)[1] is ...
    element = get_args(bare)[0] if many else bare
    named = many and get_origin(element) is tuple
    record = get_args(element)[1] if named else element
    is_record = isinstance(record, type) and issubclass(record, Record)
    metas = get_args(bare)[1:] if get_origin(bare) is Annotated else ()
    single, pair = _without_pair(info.type)
    return Field(
        name=info.name,
        type=single,
        pair=pair,
        record=record if is_record else None,
        many=many and is_record,
        named=named and is_record,
        optional=optional,
        required=info.required,
        default=None if info.required else info.default,
        is_channels=any(isinstance(meta, Meta) and meta.title == "channels" for meta in metas),
    )


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        rest = [part for part in get_args(hint) if part is not type(None)]
        if len(rest) == 1 and len(rest) != len(get_args(hint)):
            return rest[0], True
    return hint, False


def _without_pair(hint: Any) -> tuple[Any, Any]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, None
    pairs = [part for part in get_args(hint) if get_origin(part) is tuple]
    singles = [part for part in get_args(hint) if get_origin(part) is not tuple]
    return (Union[tuple(singles)], pairs[0]) if pairs and singles else (hint, None)  # noqa: UP007 - made at run time


def checked(field: Field, value: Any) -> Any:
    """``value`` as the field's type, or ArchitectureError naming the field alone (the caller knows the class)."""
    if field.record is None:
        return _converted(field, value)
    if value is None and field.optional:
        return value
    if field.many:
        return _tuple_of_records(field, field.record, value)
    if isinstance(value, field.record):
        return value
    raise ArchitectureError(f"expected {field.record.__name__}, got {brief(value)}", where=f"$.{field.name}")


def _converted(field: Field, value: Any) -> Any:
    try:
        is_pair = field.pair is not None and isinstance(value, tuple | list)
        return msgspec.convert(value, field.pair if is_pair else field.type)
    except msgspec.ValidationError as error:
        what, _, inner = str(error).partition(" - at ")
        where = f"$.{field.name}" + re.sub(r"^`\$|`$", "", inner)
        what = what.replace("`", "")
        raise ArchitectureError(f"{what[:1].lower()}{what[1:]}, got {brief(value)}", where=where) from None


def _tuple_of_records(field: Field, record: type[Record], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)):
        raise ArchitectureError(f"expected a sequence of {record.__name__}, got {brief(value)}", where=f"$.{field.name}")
    for index, item in enumerate(value):
        node = item[1] if field.named and isinstance(item, tuple) and len(item) == 2 else item
        if not isinstance(node, record):
            raise ArchitectureError(
                f"expected {record.__name__}, got {brief(item)}", where=f"$.{field.name}[{index}]"
            )
    return tuple(value)


def brief(value: object) -> str:
    """A value as an error shows it: short, on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def records_in(record: Record) -> Iterator[tuple[Field, Any]]:
    """The fields of ``record`` that hold other records, with their values (None left out)."""
    for field in fields_of(type(record)):
        value = getattr(record, field.name)
        if field.record is not None and value is not None:
            yield field, value

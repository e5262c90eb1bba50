"""Immutable, checked, hashable data: the base of every node, stage and architecture.

msgspec gives speed but its constructors check nothing, so ``Record`` checks and coerces each field when it is made: an
``int`` given for a ``float`` field becomes a ``float``, or equal values would hash differently after a round trip.
"""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from vertebra.arch.plain import PLAIN, plain
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

MAX_NESTING = 100
"""Levels of records within records: hashing, comparing and folding recurse, and the stack is not endless."""


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
    least: int
    """How many of them there must be."""
    named: bool
    """Whether the field holds (name, node) pairs: a combinator's children."""
    integers: range
    words: frozenset[str]
    """Whole numbers and words that it takes as they are: most values, at a glance."""
    optional: bool
    required: bool
    default: Any
    is_channels: bool
    """Whether a width multiplier scales the value."""


class Record(
    msgspec.Struct, frozen=True, cache_hash=True, forbid_unknown_fields=True, repr_omit_defaults=True, gc=False
):
    """The base of immutable data; a subclass lists its fields with types and adds ``check`` for rules between
    fields.
    """

    def __post_init__(self) -> None:
        cls = type(self)
        try:
            for default, field, given in zip(*_defaults_and_fields(cls), msgspec.structs.astuple(self), strict=True):
                if given is not default:
                    value = checked(field, given)
                    if value is not given:
                        msgspec.structs.force_setattr(self, field.name, value)
        except ArchitectureError as error:
            raise error.at(cls.__name__) from None
        if nesting(self) > MAX_NESTING:
            raise ArchitectureError(f"nested deeper than {MAX_NESTING} levels", where=cls.__name__)
        self.check()

    def check(self) -> None:
        """Raise ArchitectureError where fields contradict one another."""

    def fault(self, field: str, what: str, **parts: str) -> ArchitectureError:
        """An error that names this record's class and field."""
        return ArchitectureError(what, where=f"{type(self).__name__}.{field}", **parts)


R = TypeVar("R", bound="Record")


def nesting(record: Record) -> int:
    """Levels of records within a record: 1 for a leaf."""
    return _nesting(record) if nested_fields_of(type(record)) else 1


@lru_cache(maxsize=1 << 14)
def _nesting(record: Record) -> int:
    deepest = 0
    for field in nested_fields_of(type(record)):
        value = getattr(record, field.name)
        for item in value if field.many else (value,):
            inner = item[1] if field.named else item
            if inner is not None:
                deepest = max(deepest, nesting(inner))
    return 1 + deepest


def replace(record: R, **changes: Any) -> R:
    """A copy of ``record`` with some fields changed; checked like any other."""
    return msgspec.structs.replace(record, **changes)


@cache
def fields_of(cls: type[Record]) -> tuple[Field, ...]:
    """The fields of a record class, in order."""
    return tuple(_field(info) for info in msgspec.structs.fields(cls))


@cache
def _defaults_and_fields(cls: type[Record]) -> tuple[tuple[Any, ...], tuple[Field, ...]]:
    fields = fields_of(cls)
    return tuple(msgspec.NODEFAULT if field.required else field.default for field in fields), fields


@cache
def nested_fields_of(cls: type[Record]) -> tuple[Field, ...]:
    """Those fields that hold other records."""
    return tuple(field for field in fields_of(cls) if field.record is not None)


def _field(info: msgspec.structs.FieldInfo) -> Field:
    bare, optional = _without_none(info.type)
    least = 0
    if get_origin(bare) is Annotated and get_origin(get_args(bare)[0]) is tuple:
        bare, *marks = get_args(bare)
        least = max(mark.min_length or 0 for mark in marks)
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
        least=least,
        named=named and is_record,
        integers=_integers(single),
        words=frozenset(word for word in _literals(single) if isinstance(word, str)),
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
    kind = type(value)
    if (kind is int and value in field.integers) or (kind is str and value in field.words):
        return value
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
    if type(value) not in PLAIN:
        value = plain(value)
    try:
        is_pair = field.pair is not None and isinstance(value, tuple)
        value = msgspec.convert(value, field.pair if is_pair else field.type)
        if is_pair and value[0] == value[1]:
            return value[0]  # (3, 3) and 3 mean the same, so they must hash alike
        if type(value) is float:
            if not math.isfinite(value):
                raise msgspec.ValidationError("Expected a finite number")
            value += 0.0  # -0.0 equals 0.0 but is written otherwise, and equal values must hash alike
        hash(value)
        return value
    except UnicodeEncodeError:
        raise ArchitectureError(f"{brief(value)} is not Unicode text", where=f"$.{field.name}") from None
    except TypeError:
        raise ArchitectureError(
            f"a {type(value).__name__} can change, and nodes cannot", where=f"$.{field.name}", allowed="a tuple"
        ) from None
    except msgspec.ValidationError as error:
        what, _, inner = str(error).replace("`", "").partition(" - at ")
        what = what.partition(", got ")[0]
        where = f"$.{field.name}{inner.removeprefix('$')}"
        if what.startswith("Invalid enum"):
            allowed = ", ".join(map(str, _literals(field.type)))
            raise ArchitectureError(f"unknown value {brief(value)}", where=where, allowed=allowed) from None
        raise ArchitectureError(f"{what[:1].lower()}{what[1:]}, got {brief(value)}", where=where) from None


def _integers(hint: Any) -> range:
    """The whole numbers that a type allows, where it has bounds on both sides."""
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Annotated and get_args(part)[0] is int:
            (meta,) = (meta for meta in part.__metadata__ if isinstance(meta, Meta))
            return range(int(meta.ge), int(meta.le) + 1) if meta.ge is not None and meta.le is not None else range(0)
    return range(0)


def _literals(hint: Any) -> Iterator[str | int]:
    """The words and numbers that a type of literals allows."""
    for part in get_args(hint):
        if isinstance(part, str | int):
            yield part
        else:
            yield from _literals(part)


def _tuple_of_records(field: Field, record: type[Record], value: Any) -> tuple[Any, ...]:
    where = f"$.{field.name}"
    if not isinstance(value, tuple | list):
        raise ArchitectureError(f"expected a sequence of {record.__name__}, got {brief(value)}", where=where)
    if type(value) is tuple and (_are_named(record, value) if field.named else _are(record, value)):
        return value
    one_of = _named_record if field.named else _one_record
    return tuple(one_of(record, item, f"{where}[{index}]") for index, item in enumerate(value))


def _are(record: type[Record], items: tuple[Any, ...]) -> bool:
    return all(isinstance(item, record) for item in items)


def _are_named(record: type[Record], items: tuple[Any, ...]) -> bool:
    for item in items:
        if type(item) is not tuple or len(item) != 2 or type(item[0]) is not str or not isinstance(item[1], record):
            return False
    return True


def _one_record(record: type[Record], item: Any, where: str) -> Record:
    if isinstance(item, record):
        return item
    raise ArchitectureError(f"expected {record.__name__}, got {brief(item)}", where=where)


def _named_record(record: type[Record], item: Any, where: str) -> tuple[str, Record]:
    if not isinstance(item, tuple | list) or len(item) != 2 or not isinstance(item[0], str):
        raise ArchitectureError(f"expected a pair (name, {record.__name__}), got {brief(item)}", where=where)
    return str(item[0]), _one_record(record, item[1], where)


def brief(value: object) -> str:
    """A value as an error shows it: short, on one line."""
    try:
        text = " ".join(repr(value).split())
    except (ValueError, RecursionError):  # a number of thousands of digits, a list thousands deep
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def records_in(record: Record) -> Iterator[tuple[Field, Any]]:
    """The fields of ``record`` that hold other records, with their values (None left out)."""
    for field in nested_fields_of(type(record)):
        value = getattr(record, field.name)
        if value is not None:
            yield field, value

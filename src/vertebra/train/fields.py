"""Checking of a recipe's fields: msgspec's constructors check nothing, and an error must say what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from vertebra.errors import RecipeError

S = TypeVar("S", bound=msgspec.Struct)


@lru_cache(maxsize=64)
def hints(cls: type[msgspec.Struct]) -> Mapping[str, Any]:
    """The types of a struct's fields, with their limits."""
    every = get_type_hints(cls, include_extras=True)
    return {name: every[name] for name in cls.__struct_fields__}


def check(struct: msgspec.Struct, where: str) -> None:
    """Checks every field against its type and limits, and puts the value in that type; raises RecipeError."""
    for name, hint in hints(type(struct)).items():
        msgspec.structs.force_setattr(struct, name, converted(getattr(struct, name), hint, f"{where}.{name}"))


def converted(value: Any, hint: Any, where: str) -> Any:
    """``value`` as ``hint`` says, or RecipeError with what is allowed."""
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError:
        shown = " ".join(repr(value).split())
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise RecipeError(f"{shown} is not possible", where=where, allowed=allowed(hint)) from None


def from_mapping(cls: type[S], data: Any, where: str) -> S:
    """A struct from a mapping of plain data; unknown and missing names are RecipeErrors."""
    if not isinstance(data, Mapping):
        raise RecipeError(f"expected an object, got {type(data).__name__}", where=where)
    known = hints(cls)
    for name in data:
        if name not in known:
            close = difflib.get_close_matches(str(name), list(known), 1)
            raise RecipeError(
                f"unknown field {str(name)[:60]!r}",
                where=where,
                allowed=", ".join(known),
                remedy=f"did you mean {close[0]!r}?" if close else None,
            )
    return cls(**{str(name): value for name, value in data.items()})


def allowed(hint: Any) -> str:
    """A field's type and limits in words."""
    if get_origin(hint) is Literal:
        return ", ".join(repr(value) for value in get_args(hint))
    if get_origin(hint) is not Annotated:
        return {bool: "true or false", int: "an integer", float: "a number"}.get(
            hint, getattr(hint, "__name__", str(hint))
        )
    base, meta = get_args(hint)[:2]
    low = f"from {meta.ge:g}" if meta.ge is not None else f"above {meta.gt:g}"
    high = f"to {meta.le:g}" if meta.le is not None else f"below {meta.lt:g}"
    return f"{allowed(base)} {low} {high}"

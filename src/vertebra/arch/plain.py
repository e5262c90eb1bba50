"""Python's own numbers and strings, out of those of NumPy and other libraries."""

from __future__ import annotations

import operator
from typing import Any

PLAIN = frozenset((int, float, bool, str, type(None)))


def plain(value: Any) -> Any:
    """NumPy's and other libraries' numbers and strings as Python's own; anything else as it is."""
    if isinstance(value, list | tuple):
        return tuple(item if type(item) in PLAIN else plain(item) for item in value)
    for kind, convert in ((str, str), (float, float)):
        if isinstance(value, kind):
            return convert(value)
    try:
        return operator.index(value)
    except TypeError:
        return value


def whole(value: object) -> int | None:
    """A whole number, NumPy's too, as Python's own; None for anything else, truth values included."""
    number = plain(value)
    return number if type(number) is int and not isinstance(value, bool) else None

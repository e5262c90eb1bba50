"""Number formats and how many bytes a value takes in them."""

from __future__ import annotations

from typing import Final, Literal

from vertebra.arch.record import brief
from vertebra.errors import UsageError

Precision = Literal["fp32", "bf16", "fp16", "int8"]
"""IEEE 754 single and half, bfloat16 (8 bits of exponent, as single has), and whole numbers of 8 bits with a scale."""

BYTES: Final[dict[Precision, int]] = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}
"""Bytes of one value."""

TRAINABLE: Final[frozenset[Precision]] = frozenset(("fp32", "bf16", "fp16"))
"""Those that gradients are computed in."""


def precision_of(name: object) -> Precision:
    """The precision of this name; raises UsageError for any other."""
    for known in BYTES:
        if isinstance(name, str) and name == known:
            return known
    raise UsageError(f"a precision of {brief(name)}", where="precision", allowed=", ".join(BYTES))

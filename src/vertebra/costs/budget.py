"""Budgets as people write them: ``5ms``, ``1M``, ``50M``, ``4MB``, and ranges of them: ``1ms..50ms``."""

from __future__ import annotations

import re
from numbers import Real

import msgspec

from vertebra.arch.record import brief
from vertebra.errors import BudgetError

LATENCY = {"us": 1e-3, "ms": 1.0, "s": 1e3}
COUNT = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
SIZE = {"": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}
QUANTITIES: dict[str, tuple[dict[str, float], str]] = {
    "latency": (LATENCY, "5ms, 0.01s, 800us"),
    "params": (COUNT, "1M, 250k or a number"),
    "macs": (COUNT, "50M, 1.5G or a number"),
    "activations": (COUNT, "5M, 250k or a number"),
    "size": (SIZE, "4MB, 500kB"),
    "memory": (SIZE, "200MB, 1GiB"),
}
"""The units of each thing that a budget limits, and examples."""
BETWEEN = ".."
_QUANTITY = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([a-zA-Zµ]*)\s*", re.IGNORECASE)


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """What a network may cost; None is no limit.

    ``latency_ms``: milliseconds, network and preprocessing together.  ``params`` and ``macs``: counts.
    ``bytes``: of the artifact.  ``memory_bytes``: weights and peak activations while it runs.
    """

    latency_ms: float | None = None
    params: int | None = None
    macs: int | None = None
    bytes: int | None = None
    memory_bytes: int | None = None

    def said(self) -> tuple[str, ...]:
        """The limits as a person reads them."""
        lines = (
            None if self.latency_ms is None else f"latency at most {self.latency_ms:g} ms",
            None if self.params is None else f"at most {self.params:,} parameters",
            None if self.macs is None else f"at most {self.macs:,} MACs",
            None if self.bytes is None else f"at most {self.bytes:,} bytes",
            None if self.memory_bytes is None else f"at most {self.memory_bytes:,} bytes of memory",
        )
        return tuple(line for line in lines if line is not None)


class Range(msgspec.Struct, frozen=True):
    """Values from ``least`` to ``most``, both included, in ms, counts or bytes."""

    least: float = 0.0
    most: float = float("inf")

    def __contains__(self, value: float) -> bool:
        return self.least <= value <= self.most


def parse_budgets(
    *,
    latency: str | float | None = None,
    params: str | float | None = None,
    macs: str | float | None = None,
    size: str | float | None = None,
    memory: str | float | None = None,
) -> Budgets:
    """Budgets from text with units, or from numbers (ms, counts, bytes); raises BudgetError."""
    return Budgets(
        latency_ms=None if latency is None else parse_quantity("latency", latency),
        params=_whole("params", params),
        macs=_whole("macs", macs),
        bytes=_whole("size", size),
        memory_bytes=_whole("memory", memory),
    )


def parse_range(name: str, value: str | float) -> Range:
    """A range of one of QUANTITIES: ``1ms..50ms``, ``1ms..``, ``..50ms``; ``50ms`` alone, or a number, is the most.

    Raises BudgetError for what is no range, and for one that holds nothing.
    """
    if not isinstance(value, str) or BETWEEN not in value:
        return Range(most=parse_quantity(name, value))
    low, high = (part.strip() for part in value.split(BETWEEN, 1))
    if not (low or high):
        raise _misspelt(name, value)
    found = Range(
        least=parse_quantity(name, low) if low else Range().least,
        most=parse_quantity(name, high) if high else Range().most,
    )
    if found.least > found.most:
        raise BudgetError(
            f"{brief(value)} holds nothing", where=f"--{name}", remedy=f"write the smaller first: {high}..{low}"
        )
    return found


def parse_quantity(name: str, value: str | float) -> float:
    """One of QUANTITIES from text with a unit, or from a number, in ms, a count or bytes; raises BudgetError.

    Text for a latency needs its unit: ``5`` may mean milliseconds or seconds.
    """
    units, _ = QUANTITIES[name]
    if isinstance(value, Real) and not isinstance(value, bool):
        number, factor = float(value), 1.0
    else:
        match = _QUANTITY.fullmatch(str(value))
        unit = match[2].lower().replace("µ", "u") if match else ""
        if match is None or unit not in units:
            raise _misspelt(name, value)
        number, factor = float(match[1]), units[unit]
    least = 0.0 if units is LATENCY else 1.0
    if not least <= number * factor < float("inf") or number <= 0:
        raise BudgetError(f"{brief(value)} is no budget", where=f"--{name}", allowed="a number above 0")
    return number * factor


def _whole(name: str, value: str | float | None) -> int | None:
    return None if value is None else int(parse_quantity(name, value))


def _misspelt(name: str, value: object) -> BudgetError:
    return BudgetError(f"{brief(str(value))} is not understood", where=f"--{name}", allowed=QUANTITIES[name][1])

"""Budgets as people write them: ``5ms``, ``1M``, ``50M``, ``4MB``."""

from __future__ import annotations

import re
from numbers import Real

import msgspec

from vertebra.errors import BudgetError

LATENCY = {"us": 1e-3, "ms": 1.0, "s": 1e3}
COUNT = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9}
SIZE = {"": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30}
_QUANTITY = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([a-zA-Zµ]*)\s*", re.IGNORECASE)


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    """What a network may cost; None is no limit.

    ``latency_ms``: milliseconds, network and preprocessing together.  ``params`` and ``macs``: counts.
    ``bytes``: of the artifact.
    """

    latency_ms: float | None = None
    params: int | None = None
    macs: int | None = None
    bytes: int | None = None

    def said(self) -> tuple[str, ...]:
        """The limits as a person reads them."""
        lines = (
            None if self.latency_ms is None else f"latency at most {self.latency_ms:g} ms",
            None if self.params is None else f"at most {self.params:,} parameters",
            None if self.macs is None else f"at most {self.macs:,} MACs",
            None if self.bytes is None else f"at most {self.bytes:,} bytes",
        )
        return tuple(line for line in lines if line is not None)


def parse_budgets(
    *,
    latency: str | float | None = None,
    params: str | float | None = None,
    macs: str | float | None = None,
    size: str | float | None = None,
) -> Budgets:
    """Budgets from text with units, or from numbers (ms, counts, bytes); raises BudgetError."""
    count = _parsed("params", params, COUNT, "1M, 250k or a number")
    products = _parsed("macs", macs, COUNT, "50M, 1.5G or a number")
    octets = _parsed("size", size, SIZE, "4MB, 500kB")
    return Budgets(
        latency_ms=_parsed("latency", latency, LATENCY, "5ms, 0.01s, 800us"),
        params=None if count is None else int(count),
        macs=None if products is None else int(products),
        bytes=None if octets is None else int(octets),
    )


def _parsed(name: str, value: str | float | None, units: dict[str, float], allowed: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, Real) and not isinstance(value, bool):
        number, factor = float(value), 1.0
    else:
        match = _QUANTITY.fullmatch(str(value))
        unit = match[2].lower().replace("µ", "u") if match else ""
        if match is None or unit not in units:
            raise BudgetError(f"{str(value)!r} is not understood", where=f"--{name}", allowed=allowed)
        number, factor = float(match[1]), units[unit]
    least = 0.0 if units is LATENCY else 1.0
    if not least <= number * factor < float("inf") or number <= 0:
        raise BudgetError(f"{value!r} is no budget", where=f"--{name}", allowed="a number above 0")
    return number * factor

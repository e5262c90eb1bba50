"""How sure an accuracy is."""

from __future__ import annotations

import math

from vertebra.errors import VertebraError

_Z95 = 1.959963984540054  # the 97.5% point of the standard normal distribution


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95% score interval of a proportion, ``k`` right of ``n`` (Wilson 1927; method 3 of Newcombe 1998).

    It keeps its promise for small ``n`` and for proportions near 0 or 1, where the textbook interval leaves [0, 1].
    Nothing seen (n = 0) gives (0, 1).  Raises VertebraError unless 0 <= k <= n.
    """
    if not 0 <= k <= n:
        raise VertebraError(f"{k} of {n} is not a proportion", allowed="0 <= k <= n")
    if n == 0:
        return 0.0, 1.0
    share, square = k / n, _Z95 * _Z95
    scale = 1 / (1 + square / n)
    centre = scale * (share + square / (2 * n))
    half = scale * _Z95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    # At the ends the bound is exact; rounding must not leave 1e-18 there.
    return (0.0 if k == 0 else max(0.0, centre - half)), (1.0 if k == n else min(1.0, centre + half))

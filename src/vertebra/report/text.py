"""Numbers as a reader wants them, and text that is safe to show.  Pure functions; no dependency."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

from vertebra.report.intervals import wilson

NONE = "\u2013"  # an en dash
TIMES = "\u00d7"
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def visible(text: str) -> str:
    """``text`` with what no page may hold (control characters, lone surrogates) shown as the replacement sign."""
    return _CONTROL.sub("\ufffd", text)


def columns(text: str) -> int:
    """How many columns ``text`` takes: East Asian wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def shortened(text: str, limit: int) -> str:
    """One line of ``text``, at most ``limit`` columns, cut in the middle: ends of names often tell them apart."""
    text = " ".join(visible(text).split())
    if columns(text) <= limit:
        return text
    head, tail = list(text[: len(text) // 2]), list(text[len(text) // 2 :])
    while head and tail and columns("".join(head + tail)) > limit - 1:
        if len(head) > len(tail):
            head.pop()
        else:
            tail.pop(0)
    return "".join(head) + "…" + "".join(tail)


def begun(text: str, limit: int) -> str:
    """One line of ``text``, at most ``limit`` columns, cut at its end: of what a node is, the beginning tells most."""
    text = " ".join(visible(text).split())
    if columns(text) <= limit:
        return text
    letters = list(text)
    while columns("".join(letters)) > limit - 1:
        letters.pop()
    return "".join(letters) + "…"


def exact(number: int) -> str:
    """``1,234,567``"""
    return f"{number:,}"


def many(number: float, one: str, more: str = "") -> str:
    """A number of things: ``1 seed``, ``2 seeds``, ``0.5 passes``; ``more`` is the plural that no s makes."""
    return f"{number:g} {one if number == 1 else more or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """``MACs, parameters and activations``"""
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def figures(number: float) -> str:
    """Three significant figures without an exponent, zeros at the end too: ``0.0950``, ``4.10``, ``12.0``, ``1234``."""
    if not math.isfinite(number):
        return NONE
    if number == 0:
        return "0"
    rounded = abs(float(f"{number:.2e}"))  # 9.996 has as many decimals as 10
    return f"{number:.{max(0, 2 - math.floor(math.log10(rounded)))}f}"


def trimmed(said: str) -> str:
    """A number without the zeros that end its decimals, as a tick of an axis has it: ``10.0 MB`` as ``10 MB``."""
    return re.sub(r"\.(\d*?)0+(?!\d)", lambda found: f".{found[1]}" if found[1] else "", said)


def short(number: float) -> str:
    """Three figures and a decimal prefix: ``273 k``, ``1.23 M``, ``4.09 G``."""
    if not math.isfinite(number):
        return NONE
    for scale, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= scale * 0.9995:
            return figures(number / scale) + prefix
    return f"{number:.0f}"


def size(octets: float) -> str:
    """Bytes with a decimal prefix: ``1.09 MB``."""
    text = short(octets)
    return text if text == NONE else text + ("B" if " " in text else " B")


def ms(value: float | None, unit: str = " ms") -> str:
    """``0.624 ms``, ``12.3 ms``; never finer than a microsecond."""
    if value is None or not math.isfinite(value):
        return NONE
    decimals = 3 if value < 0.9995 else 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{decimals}f}{unit}"


def duration(seconds: float) -> str:
    """``0.82 s``, ``47 s``, ``3 min 07 s``, ``2 h 05 min``"""
    if not math.isfinite(seconds):
        return NONE
    if seconds < 59.5:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{exact(hours)} h {minutes:02d} min"


def percent(share: float | None, n: int | None = None) -> str:
    """``98.5%``; two decimals where ``n`` pictures can carry them, none where it is all."""
    if share is None or not math.isfinite(share):
        return NONE
    if share == 1:
        return "100%"
    return f"{100 * share:.{2 if n is not None and n >= 2000 else 1}f}%"


def interval(share: float, n: int) -> str:
    """The 95% Wilson interval of an accuracy over ``n`` pictures: ``96.9% to 99.4%``."""
    if n <= 0 or not math.isfinite(share):
        return NONE
    low, high = wilson(min(n, max(0, round(share * n))), n)
    return f"{percent(low, n)} to {percent(high, n)}"

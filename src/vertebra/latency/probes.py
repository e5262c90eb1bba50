"""Times calls between two small networks that show the machine's pace; see ``pace``."""

from __future__ import annotations

from itertools import pairwise
from statistics import mean, median
from time import perf_counter_ns

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.engines.timing import Call
from vertebra.latency.engines import runner
from vertebra.latency.pace import Window
from vertebra.latency.setting import Setting
from vertebra.latency.units import tally
from vertebra.zoo.registry import architecture

PROBES = 2

WINDOWS, WINDOW_MS = 2, 3.0
"""Of a visit, with the probes before, between and after; and milliseconds of calls in each."""

SETTLING = 2
"""Calls of a probe before those that count.  After another network the first takes 15 to 70% longer than the eighth,
the second 4 to 8%, the third 1 to 4%, and the more, the more of the caches that network took.
"""

WARM = 0.015
"""Seconds of calls before anything counts."""


def work_probe() -> Architecture:
    """A millisecond of plain convolutions on a usual machine."""
    return architecture("cifar_resnet20").scaled(width=2, depth=0.34)


def start_probe() -> Architecture:
    """A quarter of a millisecond for two million multiply-accumulates in two dozen operations."""
    return architecture("cifar_resnet20").scaled(width=0.25)


class Probes:
    """The probes on a setting's engine; make and use them within ``engines.session``."""

    def __init__(self, setting: Setting) -> None:
        one = msgspec.structs.replace(setting, batch=1)  # of more images the second would compute
        self._work, self._start = (runner(arch, one).run for arch in (work_probe(), start_probe()))
        self._starts = sum(tally(start_probe()).values())
        for probe in (self._work, self._start):
            warmed(probe)

    def visit(self, call: Call) -> tuple[Window, ...]:
        """Time a call that is warm."""
        around, own = [self._probed()], []
        for _ in range(WINDOWS):
            own.append(_window(call))
            around.append(self._probed())
        paces = [(mean(work), mean(start)) for work, start in (zip(*both, strict=True) for both in pairwise(around))]
        return tuple(Window(ms, *pace) for ms, pace in zip(own, paces, strict=True))

    def _probed(self) -> tuple[float, float]:
        return _again(self._work), _again(self._start) / self._starts


def warmed(call: Call) -> None:
    """Call for a moment: the first calls lay out memory and choose kernels."""
    end = perf_counter_ns() + WARM * 1e9
    call()
    while perf_counter_ns() < end:
        call()


def _again(probe: Call) -> float:
    """Milliseconds of a probe that has settled: how much of it the caches lost depends on what ran before."""
    for _ in range(SETTLING):
        probe()
    return mean((_timed(probe), _timed(probe)))


def _window(call: Call) -> float:
    """The median milliseconds; the first call is not counted: it brings the weights back into the caches."""
    call()
    taken: list[float] = []
    end = perf_counter_ns() + WINDOW_MS * 1e6
    while not taken or perf_counter_ns() < end:
        taken.append(_timed(call))
    return median(taken)


def _timed(call: Call) -> float:
    before = perf_counter_ns()
    call()
    return (perf_counter_ns() - before) / 1e6

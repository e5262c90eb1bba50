"""Times networks for a profile: each as soon as it is ready and again later, between probes.

A network that the engine cannot load, or that fails in the midst of a visit, is left out and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from statistics import median
from typing import NamedTuple

from vertebra.errors import ArchitectureError, EngineError, Interrupted, VertebraError
from vertebra.latency.engines import ENGINES, session
from vertebra.latency.learning import FEWEST
from vertebra.latency.noting import Ready, UnitTimes, ready
from vertebra.latency.pace import Pace, Window
from vertebra.latency.probes import PROBES, Probes, warmed
from vertebra.latency.room import footprint, ready_bytes
from vertebra.latency.sampling import Sample
from vertebra.latency.setting import Setting
from vertebra.latency.units import tally

VISITS, SPACING = 3, 12
"""Times that each network is timed, and how many others are made ready in between, some seconds: a machine that others
share may be slow for a while in ways that the probes do not show.

More networks tell more than more visits: half as many networks put a tenth fewer predictions within 10%, half as many
visits none.
"""

PROBED = 8
"""Every so many networks the probes are loaded anew: where a load comes to lie in memory may make it some percent
quicker or slower for as long as it lives.
"""

FAILURES = 50
"""Networks in a row that the engine cannot run: then the fault is not theirs."""

ENOUGH = 2 * FEWEST
"""Networks of which a profile is made when the user stops the timing."""

Say = Callable[[str], object]
"""Takes a line for the user."""


class Timed(NamedTuple):
    """A network as it was timed, and the milliseconds of its units where they were noted."""

    sample: Sample
    windows: tuple[Window, ...]
    noted: UnitTimes

    def ms(self, pace: Pace) -> float:
        """Milliseconds at a pace."""
        return pace.ms(self.windows, sum(tally(self.sample.arch).values()))

    @property
    def surplus_ms(self) -> float:
        """Of each noted unit over its part of the network's time, on average."""
        return (sum(ms for _, ms in self.noted) - median(one.ms for one in self.windows)) / len(self.noted)


def timings(setting: Setting, drawn: Iterator[Sample], going: Callable[[int], bool], say: Say) -> list[Timed]:
    """Networks timed one after the other and again later, for as long as it is ``going``, which is asked after each
    that was tried and told how many are timed; Ctrl-C ends it where ENOUGH are.

    Raises EngineError for FAILURES in a row that the engine cannot run, Interrupted for an earlier Ctrl-C.
    """
    with session(setting):
        visits = _Visits(setting)
        try:
            try:
                for sample in drawn:
                    visits.enter(sample)
                    if not going(visits.timed):
                        break
            except KeyboardInterrupt:
                if visits.timed < ENOUGH:
                    what = f"stopped: {visits.timed} networks were timed, and no profile is made of them"
                    raise Interrupted(what, allowed=f"{ENOUGH} networks or more") from None
                count = visits.timed
                say(f"stopped: a profile is made of the {count} networks that were timed; Ctrl-C again drops them")
            return visits.ended()
        finally:
            if visits.said:  # whatever ended it: it may be the reason
                say(visits.said)


class _Held:
    """A network that is ready, of so many bytes, and how long it took so far."""

    def __init__(self, ready: Ready, size: int) -> None:
        self.ready, self.size = ready, size
        self.windows: list[Window] = []


class _Visits:
    """Networks that are ready, those that are done, and the failures."""

    def __init__(self, setting: Setting) -> None:
        self._setting, self._bytes = setting, ready_bytes()
        self._held: deque[_Held] = deque()
        self._done: list[Timed] = []
        self._probes: Probes | None = None
        self._stale, self._readied = False, 0
        self._failed = self._in_a_row = 0
        self.said = ""
        """How many networks are left out, and why the last one is; empty without any."""

    @property
    def timed(self) -> int:
        """Networks that were visited once at least."""
        return len(self._done) + sum(bool(one.windows) for one in self._held)

    def enter(self, sample: Sample) -> None:
        """Make a network ready; visit it, and those that are due again."""
        try:
            size = footprint(sample.arch, self._setting, None)
            one = ready(sample, self._setting)
            warmed(one.run)
            one.warm()
        except (EngineError, ArchitectureError) as error:  # it lacks an operation, or ONNX a rule for a user's own kind
            self._fails(sample, error)
            return
        except MemoryError:  # NumPy's, before any engine
            self._fails(sample, EngineError("out of memory"))
            return
        self._stale |= self._readied % PROBED == 0
        self._readied += 1
        self._held.append(_Held(one, size))
        for due in list(self._held)[::-1][::SPACING]:
            self._visit(due)
        while not self._fits():
            self._end(self._held.popleft())

    def ended(self) -> list[Timed]:
        """What was timed."""
        while self._held:
            one = self._held.popleft()
            if one.windows:
                self._end(one)
        return self._done

    def _fits(self) -> bool:
        """Whether another network may be made ready beside those, the youngest of which is due ``VISITS`` times."""
        most = min(SPACING * (VISITS - 1), ENGINES[self._setting.engine].most - PROBES - 1)
        return len(self._held) <= max(most, 0) and sum(one.size for one in self._held) <= self._bytes

    def _visit(self, one: _Held) -> None:
        try:
            if self._probes is None or self._stale:  # the old ones go after the new have found a place in memory
                self._probes, self._stale = Probes(self._setting), False
            one.windows += self._probes.visit(one.ready.run)
        except EngineError as error:
            self._held.remove(one)
            self._stale = True  # the fault may be theirs
            self._fails(one.ready.sample, error)
        else:
            self._in_a_row = 0

    def _end(self, one: _Held) -> None:
        try:
            self._done.append(Timed(one.ready.sample, tuple(one.windows), one.ready.noted()))
        except EngineError as error:
            self._fails(one.ready.sample, error)

    def _fails(self, sample: Sample, error: VertebraError) -> None:
        self._failed += 1
        self._in_a_row += 1
        last, engine = f"{sample.arch.name}: {error.what}", self._setting.engine
        if self._in_a_row == FAILURES:
            self.said = ""
            what = f"{engine} could not run {FAILURES} networks in a row, the last {last}"
            raise EngineError(
                what, remedy=f"see whether `vertebra measure resnet18 --engine {engine}` works"
            ) from error
        many = f"{self._failed} networks are" if self._failed > 1 else "a network is"
        self.said = f"{many} left out that {engine} could not run, the last {last}"

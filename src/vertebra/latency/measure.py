"""How long networks take here: each made ready on the engine, warmed up, and timed in turn with the others."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

import msgspec

from vertebra.arch.architecture import Architecture
from vertebra.arch.record import brief
from vertebra.data.threads import Progress
from vertebra.engines.device import Device, describe
from vertebra.engines.timing import Call, Timing
from vertebra.errors import ArchitectureError, EngineError, ShapeError, UsageError, VertebraError
from vertebra.latency.engines import ENGINES, Runner, runner, session, version
from vertebra.latency.load import Load, between, moment
from vertebra.latency.room import footprint, groups, ready_bytes
from vertebra.latency.setting import Setting
from vertebra.latency.warmup import Clock, warm_up

SECONDS = 1.0
"""Of timed calls, for one network."""

MOST_SECONDS = 3600.0

ROUNDS = 10
"""Turns of each network."""

LEAST = 2
"""Timed calls in a turn, of a network that is slow."""

STEPS = ROUNDS + 2
"""Of progress for a network: making it ready, its warm-up, its turns."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network's latency for one batch, as it was measured.

    ``hash`` is the architecture's, ``resolution`` in px; ``version`` the engine's.  The median and the percentiles are
    of ``n`` calls, ``spread`` is (p90 - p10) / median, ``warmup`` the calls before them; ``when`` in ISO 8601, UTC.
    """

    name: str
    hash: str
    resolution: int
    setting: Setting
    version: str
    device: Device
    median_ms: float
    p10_ms: float
    p90_ms: float
    spread: float
    n: int
    warmup: int
    load: Load
    when: str


Keep = Callable[[tuple[Measurement, ...]], object]
"""Takes measurements as soon as they are made."""


def measure(
    archs: Architecture | Sequence[Architecture],
    setting: Setting | None = None,
    *,
    resolution: int | None = None,
    seconds: float = SECONDS,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Time networks, or one, with made-up weights as ``setting`` says (by default ONNX Runtime in fp32, batch 1).

    ``resolution`` in px, each network's own by default; ``seconds`` of timed calls for each.  As many networks as fit
    in memory are ready at once and take turns, so that a machine that slows down favours none.  The first call of a
    turn is not counted: it brings the network's weights back into the caches.  ``keep`` gets what is measured, group
    by group; ``progress`` is told of turns.

    Raises ShapeError and EngineError, before anything is timed, where a network does not fit the resolution or its
    batch the memory; EngineError where the engine cannot run it; MissingExtraError for an engine that is not installed;
    UsageError for other seconds than 0 to 3600.
    """
    archs = (archs,) if isinstance(archs, Architecture) else archs
    setting = setting or Setting()
    if type(seconds) not in (int, float) or not 0 < seconds <= MOST_SECONDS:
        raise UsageError(brief(seconds), where="seconds", allowed=f"above 0, at most {MOST_SECONDS:g}")
    weights = []
    for arch in archs:
        if not isinstance(arch, Architecture):
            remedy = "get one with vertebra.architecture(name)"
            raise UsageError(f"{brief(arch)} is no architecture", where="archs", remedy=remedy)
        with named(arch):
            weights.append(footprint(arch, setting, resolution))
    advance = _steps(progress, len(archs) * STEPS)
    found: list[Measurement] = []
    for places in groups(weights, ENGINES[setting.engine].most, ready_bytes()):
        group = [archs[place] for place in places]
        measured = _group(group, setting, resolution, seconds, advance)
        if keep is not None:
            keep(measured)
        found += measured
    return tuple(found)


class Named(NamedTuple):
    """A network that is ready: errors of its ``call`` name it."""

    arch: Architecture
    call: Call


def in_turn(
    networks: Sequence[Named], seconds: float, advance: Callable[[], object], *, clock: Clock = perf_counter_ns
) -> list[list[int]]:
    """Nanoseconds of each network's timed runs: ``ROUNDS`` turns of ``seconds / ROUNDS`` each, ``LEAST`` runs at least.

    Every other round goes backwards, so that no network always follows the same one.
    """
    taken: list[list[int]] = [[] for _ in networks]
    for index in range(ROUNDS):
        order: Iterable[int] = range(len(networks)) if index % 2 == 0 else reversed(range(len(networks)))
        for place in order:
            with named(networks[place].arch):
                taken[place] += _turn(networks[place].call, seconds / ROUNDS * 1e9, clock)
            advance()
    return taken


def _turn(call: Call, nanoseconds: float, clock: Clock) -> list[int]:
    call()
    times: list[int] = []
    begun = clock()
    while len(times) < LEAST or clock() - begun < nanoseconds:
        before = clock()
        call()
        times.append(clock() - before)
    return times


def drift(taken: Sequence[Sequence[int]]) -> float:
    """By how much second halves are slower than first ones, as a part of these: the median over the networks."""
    changes = [
        median(times[len(times) // 2 :]) / median(times[: len(times) // 2]) - 1 for times in taken if len(times) > 1
    ]
    return median(changes) if changes else 0.0


def _group(
    archs: Sequence[Architecture],
    setting: Setting,
    resolution: int | None,
    seconds: float,
    advance: Callable[[], object],
) -> tuple[Measurement, ...]:
    with session(setting):
        networks: list[Named] = []
        for arch in archs:
            networks.append(Named(arch, _ready(arch, setting, resolution).run))
            advance()
        with _uncollected():
            start = moment()
            warm = []
            for arch, call in networks:
                with named(arch):
                    warm.append(warm_up(call))
                advance()
            taken = in_turn(networks, seconds, advance)
            load = between(start, moment(), drift(taken))
    here = _Here(setting, version(setting), describe(), load, datetime.now(UTC).isoformat(timespec="seconds"))
    results = zip(archs, taken, warm, strict=True)
    return tuple(_measurement(here, arch, resolution, Timing.of(times), 1 + before) for arch, times, before in results)


class _Here(NamedTuple):
    """What the measurements of a group share."""

    setting: Setting
    version: str
    device: Device
    load: Load
    when: str


def _measurement(here: _Here, arch: Architecture, resolution: int | None, timing: Timing, warmup: int) -> Measurement:
    return Measurement(
        name=arch.name,
        hash=arch.hash,
        resolution=resolution or arch.resolution,
        setting=here.setting,
        version=here.version,
        device=here.device,
        median_ms=timing.median_ms,
        p10_ms=timing.p10_ms,
        p90_ms=timing.p90_ms,
        spread=(timing.p90_ms - timing.p10_ms) / timing.median_ms,
        n=timing.n,
        warmup=warmup,
        load=here.load,
        when=here.when,
    )


def _ready(arch: Architecture, setting: Setting, resolution: int | None) -> Runner:
    """The runner after its first call, in which most engines show what they cannot run."""
    try:
        with named(arch):
            one = runner(arch, setting, resolution=resolution)
            one.run()
    except ArchitectureError as error:  # ONNX has no rule for a user's own kind
        raise _of(arch, error) from error
    return one


@contextmanager
def named(arch: Architecture) -> Iterator[None]:
    """Errors say of which network they are: that a window does not fit a map, or what an engine cannot."""
    try:
        yield
    except ShapeError as error:
        raise _of(arch, error) from error
    except EngineError as error:  # its own place is the artifact, or the network already
        raise EngineError(error.what, where=arch.name, allowed=error.allowed, remedy=error.remedy) from error


def _of(arch: Architecture, error: VertebraError) -> VertebraError:
    """The error with the network's name before its path in the network."""
    return error.at(f"{arch.name}: " if error.where else arch.name)


def _steps(progress: Progress | None, total: int) -> Callable[[], None]:
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return advance


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would strike within somebody's call."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

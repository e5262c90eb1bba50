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
from vertebra.costs.count import cost
from vertebra.data.threads import Progress
from vertebra.engines.device import Device, describe
from vertebra.engines.timing import Call, Timing
from vertebra.errors import ShapeError, UsageError, VertebraError
from vertebra.latency.engines import WAYS, Runner, runner, session, version
from vertebra.latency.load import Load, between, moment
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

READY_BYTES = 2 << 30
"""Of memory for the networks that are ready at once."""


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

    Raises ShapeError, before anything is timed, where a network does not fit the resolution; EngineError where the
    engine cannot run it; MissingExtraError for an engine that is not installed; UsageError for other seconds than 0 to
    3600.
    """
    archs = (archs,) if isinstance(archs, Architecture) else archs
    setting = setting or Setting()
    if type(seconds) not in (int, float) or not 0 < seconds <= MOST_SECONDS:
        raise UsageError(brief(seconds), where="seconds", allowed=f"above 0, at most {MOST_SECONDS:g}")
    weights = []
    for arch in archs:
        with named(arch):
            weights.append(footprint(arch, setting, resolution))
    advance = _steps(progress, len(archs) * STEPS)
    found: list[Measurement] = []
    for places in groups(weights, WAYS[setting.engine].most, READY_BYTES):
        group = [archs[place] for place in places]
        measured = _group(group, setting, resolution, seconds, advance)
        if keep is not None:
            keep(measured)
        found += measured
    return tuple(found)


def groups(sizes: Sequence[int], most: int, limit: int) -> list[range]:
    """Places of consecutive items: at most ``most`` and ``limit`` bytes together, a larger item by itself."""
    found: list[range] = []
    start = total = 0
    for place, size in enumerate(sizes):
        if place > start and (place - start == most or total + size > limit):
            found.append(range(start, place))
            start, total = place, 0
        total += size
    return [*found, range(start, len(sizes))] if sizes else []


def in_turn(
    calls: Sequence[Call], seconds: float, advance: Callable[[], object], *, clock: Clock = perf_counter_ns
) -> list[list[int]]:
    """Nanoseconds of each call's timed runs: ``ROUNDS`` turns of ``seconds / ROUNDS`` each, ``LEAST`` runs at least.

    Every other round goes backwards, so that no network always follows the same one.
    """
    taken: list[list[int]] = [[] for _ in calls]
    turn = seconds / ROUNDS * 1e9
    for index in range(ROUNDS):
        order: Iterable[int] = range(len(calls)) if index % 2 == 0 else reversed(range(len(calls)))
        for place in order:
            call, times = calls[place], taken[place]
            call()
            begun, done = clock(), 0
            while done < LEAST or clock() - begun < turn:
                before = clock()
                call()
                times.append(clock() - before)
                done += 1
            advance()
    return taken


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
        calls: list[Call] = []
        for arch in archs:
            calls.append(_ready(arch, setting, resolution).run)
            advance()
        with _uncollected():
            start = moment()
            warm = []
            for call in calls:
                warm.append(warm_up(call))
                advance()
            taken = in_turn(calls, seconds, advance)
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
    """The runner after its first call, in which most engines show what they cannot run; errors name the network."""
    try:
        one = runner(arch, setting, resolution=resolution)
        one.run()
    except VertebraError as error:
        raise type(error)(error.what, where=arch.name, allowed=error.allowed, remedy=error.remedy) from error
    return one


@contextmanager
def named(arch: Architecture) -> Iterator[None]:
    """Where a map of the network fits no window, the error says of which network."""
    try:
        yield
    except ShapeError as error:
        raise error.at(f"{arch.name}: " if error.where else arch.name) from error


def footprint(arch: Architecture, setting: Setting, resolution: int | None) -> int:
    """About what a ready network takes: its weights, once more as the engine packs them, and its activations."""
    costs = cost(arch, resolution=resolution)
    return 3 * costs.parameter_bytes + 4 * setting.batch * costs.activations


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

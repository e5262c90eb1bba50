"""How long each operation of a network takes within an engine, fused as the engine runs it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.engines import onnxruntime, openvino
from vertebra.engines.engine import first_line
from vertebra.errors import EngineError

Feed = Mapping[str, NDArray[Any]]
"""An array for each input of the model, by its name."""

WARMUP = 3
"""Runs before those that count: the first ones lay out memory and choose kernels."""

ROUNDS = 3
"""Times that OpenVINO compiles a model: it tells nothing but means since then, so the median is one of means."""

HALF = 0.5
"""Microseconds.  Both engines round every time down to whole ones, which takes half of one on average."""

KERNEL = "_kernel_time"
"""ONNX Runtime's ending of an operation's name in its trace."""

FUSED = "fused "
"""What it puts before the name of a matrix product that took in an activation."""


def operation_times(
    model: bytes, engine: str, feed: Feed, runs: int, *, threads: int | None = None, rounds: int = ROUNDS
) -> dict[str, float]:
    """Milliseconds of each operation that the engine executes, by the name that it has there, in order of execution.

    ``model`` is a serialised ONNX model whose extents are those of ``feed``, ``runs`` the runs that count (after
    ``WARMUP`` others), ``threads`` by default the cores that this process may use.  A fused operation bears the name of
    one of its parts: ONNX Runtime takes a later one and often adds ``_nchwc``, of OpenVINO the first one is told.
    Changes of layout are among them (``ReorderInput``, ``ReorderOutput_token_7``; ``Reorder/stem.conv/Conv``).

    ONNX Runtime: the mean of the quicker half of the runs, which whole microseconds do not make coarse.
    OpenVINO: the median of ``rounds`` means; what takes less than 1 us is left out.  Raises EngineError where the model
    cannot be loaded or run, MissingExtraError without openvino.
    """
    if engine not in TIMERS:
        raise EngineError(f"{engine!r} does not time its operations", allowed=", ".join(TIMERS))
    if runs < 1:
        raise EngineError(f"{runs} runs", allowed="1 or more")
    return TIMERS[engine](model, feed, runs, threads, rounds)


class _Detail(msgspec.Struct, frozen=True):
    op_name: str = ""


class _Event(msgspec.Struct, frozen=True):
    """One line of ONNX Runtime's trace; ``dur`` in microseconds."""

    name: str = ""
    dur: int = 0
    ts: int = 0
    args: _Detail = _Detail()


def _by_onnxruntime(model: bytes, feed: Feed, runs: int, threads: int | None, rounds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="vertebra-") as folder:
        session = onnxruntime.session(model, threads, trace=Path(folder, "trace"))
        try:
            for _ in range(WARMUP + runs):
                session.run(None, dict(feed))
            trace = Path(session.end_profiling()).read_bytes()
        except Exception as error:  # its exceptions share no base but this
            raise EngineError(f"ONNX Runtime cannot run it: {first_line(error)}") from error
    return times_of_trace(trace, runs)


def times_of_trace(trace: bytes, runs: int) -> dict[str, float]:
    """Milliseconds of each operation by ONNX Runtime's trace, of its last ``runs`` runs; raises EngineError."""
    try:
        events = msgspec.json.decode(trace, type=list[_Event])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EngineError(f"ONNX Runtime wrote a trace that cannot be read: {error}") from None
    taken: dict[str, list[int]] = {}
    for event in sorted(events, key=lambda one: one.ts):
        if event.name.endswith(KERNEL):
            name = event.name.removesuffix(KERNEL).removeprefix(FUSED) or event.args.op_name
            taken.setdefault(name, []).append(event.dur)
    return {name: (_quick(durations[-runs:]) + HALF) / 1e3 for name, durations in taken.items()}


def _quick(durations: list[int]) -> float:
    """The mean of the quicker half: what disturbs a machine only slows it down."""
    ordered = sorted(durations)
    return float(np.mean(ordered[: (len(ordered) + 1) // 2]))


def _by_openvino(model: bytes, feed: Feed, runs: int, threads: int | None, rounds: int) -> dict[str, float]:
    rounds = min(rounds, runs)
    means: dict[str, list[float]] = {}
    for _ in range(rounds):
        counted = CountedOpenVino(model, threads)
        for _ in range(WARMUP):
            counted.run(feed)
        counted.begin()
        for _ in range(-(-runs // rounds)):
            counted.run(feed)
        for name, ms in counted.times().items():
            means.setdefault(name, []).append(ms)
    return {name: float(np.median(found)) for name, found in means.items()}


class CountedOpenVino:
    """A serialised ONNX model on OpenVINO that counts what its operations take, which slows it down by next to nothing.

    Raises EngineError where it cannot be loaded or run, MissingExtraError without openvino.
    """

    def __init__(self, model: bytes, threads: int | None = None, *, precision: str = "f32") -> None:
        read = openvino.read(model)
        self._own = {one.get_friendly_name() for one in read.get_ops()}
        self._compiled = openvino.compiled(read, threads, precision=precision, counting=True)
        self._request = self._compiled.create_infer_request()
        self._runs = self._skipped = 0
        self._before: Mapping[str, float] = {}

    def run(self, feed: Feed) -> object:
        """The output."""
        self._runs += 1
        return openvino.output(self._request, feed)

    def begin(self) -> None:
        """Count from here on."""
        self._skipped, self._before = self._runs, _counters(self._request)

    def times(self) -> dict[str, float]:
        """Milliseconds of each operation, the mean since the beginning, by the names of ``operation_times``."""
        means = _later(_counters(self._request), self._runs, self._before, self._skipped)
        return _by_own_names(means, self._compiled.get_runtime_model(), self._own)


def _later(means: Mapping[str, float], runs: int, before: Mapping[str, float], skipped: int) -> dict[str, float]:
    """Mean milliseconds of the runs after those ``skipped``, given the means (microseconds, rounded down) of all runs
    and of the skipped.
    """
    found = {}
    for name, mean in means.items():
        total = (mean + HALF) * runs - (before.get(name, 0.0) + HALF) * skipped
        found[name] = max(total / (runs - skipped) + HALF, HALF) / 1e3
    return found


def _counters(request: Any) -> dict[str, float]:
    """The mean microseconds of what was executed; raises EngineError where it cannot be told."""
    counted: dict[str, float] = {}
    try:
        notes = request.profiling_info
    except Exception as error:  # RuntimeError, but also what its bindings let through
        raise EngineError(f"OpenVINO does not tell its times: {first_line(error)}") from error
    for one in notes:
        if one.status.name == "EXECUTED":
            counted[one.node_name] = counted.get(one.node_name, 0.0) + one.real_time.total_seconds() * 1e6
    return counted


def _by_own_names(means: Mapping[str, float], model: Any, own: Collection[str]) -> dict[str, float]:
    """Times by names that a model gives: OpenVINO numbers what it makes (``Multiply_9162``), otherwise each time.

    It notes which operations of the model are in each of its own, of which the first is taken.  One without any, such
    as a mean within a normalisation that it takes apart, counts to the next operation that has a name; a change of
    layout is told by itself, as ``Reorder/`` and that name.
    """
    running = {one.get_friendly_name(): one for one in model.get_ops()}
    firsts = {name: first for name, one in running.items() if (first := _first(one, own))}
    found: dict[str, float] = {}
    for name, mean in means.items():
        told = firsts.get(name)
        if told is None and name in running:
            told = _next(running[name], firsts)
            told = f"Reorder/{told}" if _note(running[name], "layerType") == "Reorder" else told
        told = told or name
        found[told] = found.get(told, 0.0) + mean
    return found


def _first(operation: Any, own: Collection[str]) -> str | None:
    """The first of its parts that the model names."""
    return next((part for part in _note(operation, "originalLayersNames").split(",") if part in own), None)


def _next(operation: Any, firsts: Mapping[str, str]) -> str | None:
    """The name of the nearest operation that uses its value and has one."""
    reached = [operation]
    for one in reached:
        for port in one.outputs():
            for target in port.get_target_inputs():
                user = target.get_node()
                if (name := user.get_friendly_name()) in firsts:
                    return firsts[name]
                reached.append(user)
    return None


def _note(operation: Any, key: str) -> str:
    """What OpenVINO notes of an operation that it runs."""
    notes = operation.get_rt_info()
    return str(notes[key].value) if key in notes else ""


Timer = Callable[[bytes, Feed, int, int | None, int], dict[str, float]]
TIMERS: Mapping[str, Timer] = {"onnxruntime": _by_onnxruntime, "openvino": _by_openvino}

"""Networks that are ready to be timed, with what an engine notes of their operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from vertebra.engines.operations import CountedOpenVino, operation_times
from vertebra.engines.timing import Call
from vertebra.latency.engines import INPUT, OPENVINO_TYPES, OnnxRuntimeModel, body, noise, runner
from vertebra.latency.matching import unit_times
from vertebra.latency.sampling import Sample
from vertebra.latency.setting import Setting
from vertebra.latency.units import Unit

RUNS = 4
"""Of a network whose operations ONNX Runtime traces: more networks tell more than more runs."""

UnitTimes = tuple[tuple[Unit, float], ...]
"""Milliseconds of each unit, in order of execution."""


class Ready(NamedTuple):
    """A network on an engine.  ``warm`` is told when the runs that count begin; ``noted`` gives its units' times
    afterwards, none where nothing is noted.
    """

    sample: Sample
    run: Call
    warm: Callable[[], None]
    noted: Callable[[], UnitTimes]


def ready(sample: Sample, setting: Setting) -> Ready:
    """The network on the setting's engine, and the units of a shallow one where the engine tells their times.

    Raises EngineError where the engine cannot load it.
    """
    noting = _plain if sample.whole else WAYS.get(setting.engine, _plain)
    return noting(sample, setting)


def _plain(sample: Sample, setting: Setting) -> Ready:
    return Ready(sample, runner(sample.arch, setting).run, _nothing, tuple)


def _traced(sample: Sample, setting: Setting) -> Ready:
    """ONNX Runtime: a trace takes a session of its own, for writing it slows the runs down."""
    model = body(sample.arch, batch=setting.batch)
    feed = {INPUT: noise(sample.arch, setting.batch)}
    times = operation_times(model, setting.engine, feed, RUNS, threads=setting.threads, rounds=1)
    noted = unit_times(sample.arch, times)
    return Ready(sample, OnnxRuntimeModel(model, feed, setting.threads).run, _nothing, lambda: noted)


def _counted(sample: Sample, setting: Setting) -> Ready:
    """OpenVINO: the runs that are timed are those that it counts."""
    model = body(sample.arch, batch=setting.batch)
    counted = CountedOpenVino(model, setting.threads, precision=OPENVINO_TYPES[setting.precision])
    feed = {INPUT: noise(sample.arch, setting.batch)}
    return Ready(sample, lambda: counted.run(feed), counted.begin, lambda: unit_times(sample.arch, counted.times()))


def _nothing() -> None:
    pass


WAYS: Mapping[str, Callable[[Sample, Setting], Ready]] = {"onnxruntime": _traced, "openvino": _counted}
"""How each engine of ``operations.TIMERS`` notes; of the others whole networks alone are timed."""

"""OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebra.engines.engine import Artifact, check_pixels, first_line, name_of, signature, threads_here
from vertebra.errors import EngineError, MissingExtraError

_MAKING = Lock()
"""Held while the core is asked for: a cache alone would let two threads make one each."""

Feed = Mapping[str, NDArray[Any]] | Sequence[NDArray[Any]]
"""The inputs by name, or in order."""


def core() -> Any:
    """The process's one OpenVINO core; raises MissingExtraError without openvino."""
    try:
        import openvino  # noqa: F401 - before the cache, so that a missing package is told every time
    except ImportError:
        raise MissingExtraError.of("openvino", "deploy") from None
    with _MAKING:
        return _core()


@cache
def _core() -> Any:
    """Stays until the process ends.

    A core of 2026.4 gives its thread a stack for signals, and puts the one before back when it goes.  Of two cores
    that go in the order in which they came, the second puts the first one's back, whose memory is gone: the next
    signal, Ctrl-C above all, ends the process with a segmentation fault.
    """
    import openvino

    return openvino.Core()


def read(artifact: Artifact) -> Any:
    """A Model, as it was written; raises EngineError where it cannot be read, MissingExtraError without openvino."""
    what = name_of(artifact)
    reading = {"model": artifact, "weights": b""} if isinstance(artifact, bytes) else {"model": what}
    runtime = core()
    try:
        return runtime.read_model(**reading)
    except Exception as error:  # RuntimeError, but also what its bindings let through
        raise EngineError(f"OpenVINO cannot load it: {first_line(error)}", where=what) from error


def compiled(
    model: Any,
    threads: int | None = None,
    *,
    precision: str = "f32",
    counting: bool = False,
    where: str = "artifact",
) -> Any:
    """A CompiledModel on the CPU of what :func:`read` gave; ``threads`` are by default the cores that this process may
    use.

    ``precision`` is OpenVINO's name of the type that it computes in; ``counting`` notes the operations' times;
    ``where`` is what errors call the model.  Raises EngineError where this CPU cannot compute it so, or for more
    threads than the machine has cores.
    """
    # f32: by default OpenVINO computes in bf16 where the CPU has it, and probabilities move by 1e-2.
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": str(threads_here(threads)),
        "PERF_COUNT": "YES" if counting else "NO",
    }
    try:
        made = core().compile_model(model, "CPU", hints)
        used = made.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    except Exception as error:  # RuntimeError, but also what its bindings let through
        raise EngineError(f"OpenVINO cannot load it: {first_line(error)}", where=where) from error
    if used != precision:
        raise EngineError(f"OpenVINO computes in {used} on this CPU, which has no {precision}", where=where)
    return made


def output(request: Any, feed: Feed) -> NDArray[Any]:
    """What an InferRequest's first output holds after a run, copied; raises EngineError where it cannot run.

    A shared input is not copied; the output is, since the next run overwrites its memory.
    """
    try:
        found: NDArray[Any] = request.infer(feed, share_inputs=True, share_outputs=False)[0]
    except Exception as error:  # RuntimeError, but also what its bindings let through
        raise EngineError(f"OpenVINO cannot run it: {first_line(error)}") from error
    return found


class OpenVino:
    """An artifact on OpenVINO, computed in float32; ``threads`` are by default the cores that this process may use.

    Raises EngineError where the artifact cannot be read, MissingExtraError without openvino.
    """

    def __init__(self, artifact: Artifact, threads: int | None = None) -> None:
        what = name_of(artifact)
        model = compiled(read(artifact), threads, where=what)
        inputs = [(one.any_name, _extents(one)) for one in model.inputs]
        outputs = [(one.any_name, _extents(one)) for one in model.outputs]
        self.entry, self.size, self.classes = signature(what, inputs, outputs)
        self._request = model.create_infer_request()

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, classes]; raises EngineError for pixels that the artifact does not take."""
        return output(self._request, [check_pixels(pixels, self.entry, self.size)])


def _extents(port: Any) -> list[object]:
    """A number for each extent, or its text where it varies."""
    return [one.get_length() if one.is_static else str(one) for one in port.partial_shape]

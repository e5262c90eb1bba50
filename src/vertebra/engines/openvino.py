"""OpenVINO on the CPU."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebra.data.threads import cores
from vertebra.engines.engine import check_pixels, first_line, signature
from vertebra.errors import EngineError, MissingExtraError

Artifact = str | os.PathLike[str] | bytes


def core() -> Any:
    """The process's one OpenVINO core; raises MissingExtraError without openvino."""
    try:
        import openvino  # noqa: F401 - before the cache, so that a missing package is told every time
    except ImportError:
        raise MissingExtraError.of("openvino", "deploy") from None
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
    what = "artifact" if isinstance(artifact, bytes) else os.fspath(artifact)
    reading = {"model": artifact, "weights": b""} if isinstance(artifact, bytes) else {"model": what}
    runtime = core()
    try:
        return runtime.read_model(**reading)
    except Exception as error:  # RuntimeError, but also what its bindings let through
        raise EngineError(f"OpenVINO cannot load it: {first_line(error)}", where=what) from error


def compiled(
    artifact: Artifact | Any, threads: int | None = None, *, precision: str = "f32", counting: bool = False
) -> Any:
    """A CompiledModel on the CPU, of an artifact or of what :func:`read` made of one; ``threads`` are by default the
    cores that this process may use.

    ``precision`` is OpenVINO's name of the type that it computes in; ``counting`` notes the operations' times.  Raises
    EngineError where the artifact cannot be read or this CPU cannot compute so, MissingExtraError without openvino.
    """
    what = os.fspath(artifact) if isinstance(artifact, (str, os.PathLike)) else "artifact"
    # f32: by default OpenVINO computes in bf16 where the CPU has it, and probabilities move by 1e-2.
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": str(threads or cores()),
        "PERF_COUNT": "YES" if counting else "NO",
    }
    model = read(artifact) if isinstance(artifact, (str, bytes, os.PathLike)) else artifact
    try:
        model = core().compile_model(model, "CPU", hints)
        used = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    except Exception as error:  # RuntimeError, but also what its bindings let through
        raise EngineError(f"OpenVINO cannot load it: {first_line(error)}", where=what) from error
    if used != precision:
        raise EngineError(f"OpenVINO computes in {used} on this CPU, which has no {precision}", where=what)
    return model


class OpenVino:
    """An artifact on OpenVINO, computed in float32; ``threads`` are by default the cores that this process may use.

    Raises EngineError where the artifact cannot be read, MissingExtraError without openvino.
    """

    def __init__(self, artifact: Artifact, threads: int | None = None) -> None:
        what = "artifact" if isinstance(artifact, bytes) else os.fspath(artifact)
        model = compiled(artifact, threads)
        inputs = [(one.any_name, _extents(one)) for one in model.inputs]
        outputs = [(one.any_name, _extents(one)) for one in model.outputs]
        self.entry, self.size, self.classes = signature(what, inputs, outputs)
        self._request = model.create_infer_request()

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, classes]; raises EngineError for pixels that the artifact does not take."""
        feed = check_pixels(pixels, self.entry, self.size)
        try:
            # A shared input is not copied; the output is, since the next run overwrites its memory.
            results = self._request.infer([feed], share_inputs=True, share_outputs=False)
        except Exception as error:  # RuntimeError, but also what its bindings let through
            raise EngineError(f"OpenVINO cannot run it: {first_line(error)}") from error
        probabilities: NDArray[np.float32] = results[0]
        return probabilities


def _extents(port: Any) -> list[object]:
    """A number for each extent, or its text where it varies."""
    return [one.get_length() if one.is_static else str(one) for one in port.partial_shape]

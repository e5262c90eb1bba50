"""ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vertebra.engines.engine import Artifact, check_pixels, first_line, name_of, signature, threads_here
from vertebra.errors import EngineError


def session(artifact: Artifact, threads: int | None = None, *, trace: Path | None = None) -> Any:
    """An InferenceSession on the CPU; ``threads`` are by default the cores that this process may use.

    With ``trace`` every run notes its operations' times, which ``end_profiling`` writes to a file whose name begins
    so.  Raises EngineError where the artifact cannot be read, or for more threads than the machine has cores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads_here(threads)
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_mem_pattern = True
    # Threads that spin while they wait sleep once a run ends; else whatever is timed next may take twice as long.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 4  # what is wrong is raised
    if trace is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(trace)
    what = name_of(artifact)
    source = artifact if isinstance(artifact, bytes) else what
    try:
        # Without a fallback: there is none on a CPU, and it would announce its attempt on the terminal.
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # its exceptions share no base but this
        raise EngineError(f"ONNX Runtime cannot load it: {first_line(error)}", where=what) from error


class OnnxRuntime:
    """An artifact on ONNX Runtime; ``threads`` are by default the cores that this process may use.

    Raises EngineError where the artifact cannot be read.
    """

    def __init__(self, artifact: Artifact, threads: int | None = None) -> None:
        what = name_of(artifact)
        self._session = session(artifact, threads)
        inputs = [(one.name, list(one.shape)) for one in self._session.get_inputs()]
        outputs = [(one.name, list(one.shape)) for one in self._session.get_outputs()]
        self.entry, self.size, self.classes = signature(what, inputs, outputs)
        self._input, self._outputs = inputs[0][0], [outputs[0][0]]

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities float32 [N, classes]; raises EngineError for pixels that the artifact does not take."""
        feed = {self._input: check_pixels(pixels, self.entry, self.size)}
        try:
            (probabilities,) = self._session.run(self._outputs, feed)
        except Exception as error:  # its exceptions share no base but this
            raise EngineError(f"ONNX Runtime cannot run it: {first_line(error)}") from error
        result: NDArray[np.float32] = probabilities
        return result

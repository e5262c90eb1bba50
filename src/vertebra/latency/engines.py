"""From an architecture to something that runs on an engine, with made-up weights: nothing is trained or traced."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FunctionType
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.arch.shapes import elements
from vertebra.engines import onnxruntime, openvino
from vertebra.engines.engine import first_line, threads_here
from vertebra.errors import EXTRAS, EngineError, MissingExtraError
from vertebra.latency.setting import Setting
from vertebra.onnx.emit import emit_body
from vertebra.onnx.weights import random_weights, weight_table

SEED = 0
MOST_BYTES = 2**31 - (1 << 20)
"""Of weights in one ONNX file, which protocol buffers bound by 2 GiB."""

OPENVINO_TYPES = {"fp32": "f32", "bf16": "bf16"}
"""Its names of the precisions."""

INPUT = "input"
"""The name of the input of :func:`body`."""


class Runner(Protocol):
    """A network that is ready on an engine."""

    def run(self) -> object:
        """Its outputs for its batch of noise; raises EngineError where the engine cannot run it."""
        ...


class Way(msgspec.Struct, frozen=True):
    """What ``measure`` needs of an engine.

    ``prepare`` makes a Runner of an architecture at a resolution in px (None: its own).  ``how`` says how the network
    is run, ``package`` is the distribution whose version is noted, ``most`` how many networks may be ready at once.
    ``session`` surrounds their preparation and their runs.
    """

    prepare: Callable[[Architecture, Setting, int | None], Runner]
    how: str
    package: str
    most: int
    session: Callable[[Setting], AbstractContextManager[None]]


def runner(arch: Architecture, setting: Setting, *, resolution: int | None = None) -> Runner:
    """The network with made-up weights, ready on the setting's engine; make it and run it within :func:`session`.

    Raises EngineError where the engine cannot load it, ShapeError where the network does not fit the resolution,
    MissingExtraError for an engine that is not installed.
    """
    try:
        return ENGINES[setting.engine].prepare(arch, setting, resolution)
    except MemoryError:  # NumPy's, before any engine
        raise EngineError("out of memory", where=arch.name, remedy="take a smaller batch or resolution") from None


def session(setting: Setting) -> AbstractContextManager[None]:
    """What the whole process must have while runners of this setting are made and run; put back afterwards.

    Raises EngineError for more threads than this machine has cores, MissingExtraError without torch for its engines.
    """
    threads_here(setting.threads)
    return ENGINES[setting.engine].session(setting)


def version(setting: Setting) -> str:
    """The engine with its version, as ``onnxruntime 1.31.1``; the name alone where the version is not known."""
    package = ENGINES[setting.engine].package
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:  # not installed, or under another name
        return package


def noise(arch: Architecture, batch: int = 1, resolution: int | None = None) -> NDArray[np.float32]:
    """A batch of normal values, float32 [N, C, H, W]."""
    shape = (batch, *arch.shape_at(resolution))
    return np.random.default_rng(SEED).standard_normal(shape, dtype=np.float32)


def body(arch: Architecture, *, batch: int = 1, resolution: int | None = None) -> bytes:
    """The network alone as ONNX, with made-up weights and a fixed batch: ``input`` float32 [N, C, H, W] -> ``output``.

    Raises EngineError for weights above 2 GiB, and as ``emit_body`` does.
    """
    weighs = 4 * sum(elements(weight.shape) for weight in weight_table(arch, resolution).values())
    if weighs > MOST_BYTES:
        remedy = "use --engine torch"
        raise EngineError(f"its weights take {weighs:,} bytes", where=arch.name, allowed="2 GiB in ONNX", remedy=remedy)
    model = emit_body(arch, random_weights(arch, SEED, resolution=resolution), resolution=resolution)
    for value in (*model.graph.input, *model.graph.output):  # an engine plans for extents that it knows
        value.type.tensor_type.shape.dim[0].dim_value = batch
    data: bytes = model.SerializeToString()
    return data


class OnnxRuntimeModel:
    """What :func:`body` gives, on ONNX Runtime, with its feed; raises EngineError where it cannot be loaded."""

    def __init__(self, model: bytes, feed: Mapping[str, NDArray[np.float32]], threads: int | None) -> None:
        self._session = onnxruntime.session(model, threads)
        self._feed = dict(feed)

    def run(self) -> object:
        try:
            return self._session.run(None, self._feed)[0]
        except Exception as error:  # its exceptions share no base but this
            raise EngineError(f"ONNX Runtime cannot run it: {first_line(error)}") from error


def _onnx_runtime(arch: Architecture, setting: Setting, resolution: int | None) -> Runner:
    model = body(arch, batch=setting.batch, resolution=resolution)
    return OnnxRuntimeModel(model, {INPUT: noise(arch, setting.batch, resolution)}, setting.threads)


class _OpenVino:
    def __init__(self, arch: Architecture, setting: Setting, resolution: int | None) -> None:
        read = openvino.read(body(arch, batch=setting.batch, resolution=resolution))
        compiled = openvino.compiled(read, setting.threads, precision=OPENVINO_TYPES[setting.precision])
        self._request = compiled.create_infer_request()
        self._feed = [noise(arch, setting.batch, resolution)]

    def run(self) -> object:
        return openvino.output(self._request, self._feed)


class _Torch:
    """Eager, in torch's own layout (contiguous, NCHW): what ``vertebra.build(arch)(images)`` does."""

    def __init__(self, arch: Architecture, setting: Setting, resolution: int | None) -> None:
        self._torch = torch_module()
        self._bf16 = setting.precision == "bf16"
        self._call = self._called(_module(arch, resolution))
        self._images = self._torch.from_numpy(noise(arch, setting.batch, resolution))

    def _called(self, net: Any) -> Any:
        return net

    def run(self) -> object:
        torch = self._torch
        try:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
                return self._call(self._images)
        except Exception as error:  # torch's own, and anything from its compiler
            raise EngineError(f"torch cannot run it: {first_line(error)}") from error


class _Compiled(_Torch):
    """Through torch.compile.  Whole graphs only: a network that it gave up would silently be timed in eager mode."""

    def _called(self, net: Any) -> Any:
        """torch compiles a code object eight times at most, and every network's ``forward`` is the same one: so each
        gets a function with a code object of its own, which goes with it."""

        def call(images: Any) -> Any:
            return net(images)

        own = FunctionType(call.__code__.replace(), call.__globals__, closure=call.__closure__)
        return self._torch.compile(own, fullgraph=True, dynamic=False)


def torch_module() -> Any:
    """torch, imported where it is needed; raises MissingExtraError where it is not installed."""
    try:
        import torch
    except ImportError:
        raise MissingExtraError.of("torch", EXTRAS["torch"]) from None
    return torch


def _module(arch: Architecture, resolution: int | None) -> Any:
    """The torch module with the made-up weights that the other engines get, for inference."""
    from vertebra.nn.construct import construct

    torch = torch_module()
    with torch.device("meta"):
        net = construct(arch)
    drawn = random_weights(arch, SEED, resolution=resolution)
    filled = {
        name: torch.from_numpy(drawn[name]) if name in drawn else torch.zeros_like(tensor, device="cpu")
        for name, tensor in net.state_dict().items()  # the counters of batch norm are not drawn
    }
    net.load_state_dict(filled, assign=True)
    return net.eval()


@contextmanager
def _torch_session(setting: Setting) -> Iterator[None]:
    torch = torch_module()
    before = torch.get_num_threads()
    torch.set_num_threads(setting.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _compiler_session(setting: Setting) -> Iterator[None]:
    """Forgets what was compiled, before and after: nobody runs it again."""
    with _torch_session(setting):
        compiler = torch_module().compiler
        compiler.reset()
        try:
            yield
        finally:
            compiler.reset()


def _no_session(setting: Setting) -> AbstractContextManager[None]:
    return nullcontext()


ENGINES: Mapping[str, Way] = {
    "onnxruntime": Way(_onnx_runtime, "its graph optimised", "onnxruntime", 32, _no_session),
    "openvino": Way(_OpenVino, "its graph optimised", "openvino", 32, _no_session),
    "torch": Way(_Torch, "eager, contiguous (NCHW)", "torch", 32, _torch_session),
    "torch.compile": Way(_Compiled, "compiled, contiguous (NCHW)", "torch", 4, _compiler_session),
}
"""How each engine of ``setting.PRECISIONS`` is made to run.  Compiling takes long, and what ``measure`` has timed is
kept group by group: so groups of compiled networks are small.
"""

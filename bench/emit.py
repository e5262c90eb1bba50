"""How long emitting takes, for every registered architecture, and against torch's exporter.

    python bench/emit.py [NAME ...]

``cold``: the first time for this architecture in a process that has emitted another.  ``warm``: the median of five.
Neither writes weights.  ``with weights`` also copies them into the model and serialises it.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from time import perf_counter

from vertebra.arch.architecture import Architecture
from vertebra.data.preprocess import Preprocess
from vertebra.engines.device import describe
from vertebra.engines.timing import measure
from vertebra.onnx import emit, emit_body, random_weights
from vertebra.zoo import architecture, names

LIMIT_MS = 50.0
PEER = "mobilenet_v2"


def preprocess_of(arch: Architecture) -> Preprocess:
    """The network's size, cut from a little more."""
    return Preprocess(size=arch.resolution, resize=arch.resolution * 8 // 7)


def row(name: str) -> float:
    """Print one architecture's times; gives its cold time in ms."""
    arch = architecture(name)
    preprocess = preprocess_of(arch)
    start = perf_counter()
    model = emit(arch, None, preprocess, entry="any")
    cold = (perf_counter() - start) * 1e3
    warm = measure(lambda: emit(arch, None, preprocess, entry="any"), warmup=1, repeats=5).median_ms
    weights = random_weights(arch, 0)
    full = measure(
        lambda: emit(arch, weights, preprocess, entry="any").SerializeToString(), warmup=0, repeats=3
    ).median_ms
    late = "  over the limit" if cold > LIMIT_MS else ""
    print(f"{name:<22}{len(model.graph.node):>7}{cold:>9.1f}{warm:>9.1f}{full:>15.0f}{late}")
    return cold


def against_the_tracer(name: str) -> None:
    """One network, the same weights, by ``torch.onnx.export(dynamo=True)``."""
    import torch

    from vertebra.nn import build

    arch = architecture(name)
    module = build(arch).eval()
    weights = {key: value.numpy() for key, value in module.state_dict().items()}
    images = torch.zeros(1, *arch.input_shape)

    def traced() -> None:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (images,), dynamo=True, verbose=False).save(io.BytesIO())

    slow = measure(traced, warmup=1, repeats=3).median_ms
    fast = measure(lambda: emit_body(arch, weights).SerializeToString(), warmup=1, repeats=9).median_ms
    print(f"\n{name}, weights written: torch.onnx.export {slow:.0f} ms, emit {fast:.1f} ms: {slow / fast:.0f} times")


def main(chosen: list[str]) -> None:
    print(f"{describe()}\n\n{'':<22}{'nodes':>7}{'cold ms':>9}{'warm ms':>9}{'with weights':>15}")
    first = architecture("cifar_resnet20").with_classes(7)  # what importing onnx costs is nobody's row
    emit(first, None, preprocess_of(first), entry="any")
    worst = max(row(name) for name in chosen or names())
    print(f"\nslowest {worst:.1f} ms; asked for: at most {LIMIT_MS:.0f} ms")
    if not chosen:
        against_the_tracer(PEER)


if __name__ == "__main__":
    main(sys.argv[1:])

"""How a network is run when it is timed: the engine, the precision, the batch, the threads."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from vertebra.arch.plain import whole
from vertebra.arch.record import brief
from vertebra.data.threads import cores
from vertebra.errors import EngineError

PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "onnxruntime": ("fp32",),
    "openvino": ("fp32", "bf16"),
    "torch": ("fp32", "bf16"),
    "torch.compile": ("fp32", "bf16"),
}
"""Each engine, and the precisions that it is timed in."""

MOST = 1 << 16
"""Of images in a batch, and of threads."""


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``precision`` of the arithmetic (weights are made as fp32), ``batch`` in images, ``threads`` of the engine.

    ``threads`` are by default the cores that this process may use; more than this machine has are refused where
    something runs, not here: a setting may be of another machine's profile.  Raises EngineError for an engine, a
    precision or a number that is not allowed.
    """

    engine: str = "onnxruntime"
    precision: str = "fp32"
    batch: int = 1
    threads: int = msgspec.field(default_factory=cores)

    def __post_init__(self) -> None:
        if not isinstance(self.engine, str) or self.engine not in PRECISIONS:
            raise EngineError(f"unknown engine {brief(self.engine)}", where="engine", allowed=", ".join(PRECISIONS))
        allowed = PRECISIONS[self.engine]
        if self.precision not in allowed:
            what = f"{self.engine} is not timed in {brief(self.precision)}"
            raise EngineError(what, where="precision", allowed=", ".join(allowed))
        for name in ("batch", "threads"):
            number = whole(getattr(self, name))
            if number is None or not 1 <= number <= MOST:
                what = f"{brief(getattr(self, name))}"
                raise EngineError(what, where=name, allowed=f"an integer from 1 to {MOST}")
            msgspec.structs.force_setattr(self, name, number)

    def __str__(self) -> str:
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        return f"{self.engine} {self.precision}, batch {self.batch}, {threads}"

"""Networks in turn: which is run when, and what is made of the times.  No time of a real network is asserted."""

from __future__ import annotations

import gc

import msgspec
import pytest

from tests.latency.small import small
from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Conv, GlobalPool, Linear
from vertebra.engines.device import describe
from vertebra.errors import ArchitectureError, EngineError, ShapeError, UsageError
from vertebra.latency import measure as module
from vertebra.latency import room
from vertebra.latency.measure import LEAST, ROUNDS, STEPS, Measurement, Named, drift, in_turn, measure
from vertebra.latency.setting import Setting

ONE = Setting(threads=1)


# -- turns --------------------------------------------------------------------------------------------------------


class Machine:
    """Networks whose calls take milliseconds; a call after another network's takes ``cold`` more."""

    def __init__(self, *times: float, cold: float = 0.0) -> None:
        self.times = times
        self.cold = cold
        self.now = 0
        self.order: list[int] = []

    def clock(self) -> int:
        return self.now

    def call(self, place: int):
        def run() -> None:
            changed = not self.order or self.order[-1] != place
            self.order.append(place)
            self.now += int((self.times[place] + (self.cold if changed else 0)) * 1e6)

        return run

    def taken(self, seconds: float) -> list[list[int]]:
        networks = [Named(small(), self.call(place)) for place in range(len(self.times))]
        return in_turn(networks, seconds, lambda: None, clock=self.clock)


def test_each_has_the_same_seconds_and_slow_ones_enough_calls() -> None:
    quick, slow = Machine(5, 400).taken(1.0)
    assert quick == [5_000_000] * 200
    assert slow == [400_000_000] * ROUNDS * LEAST


def test_networks_take_turns_and_every_other_round_goes_back() -> None:
    machine = Machine(400, 400, 400)
    machine.taken(0.1)
    turns = [machine.order[start] for start in range(0, len(machine.order), 1 + LEAST)]
    assert turns == [0, 1, 2, 2, 1, 0] * (ROUNDS // 2)


def test_a_cold_call_is_not_counted() -> None:
    for times in Machine(5, 7, cold=100).taken(1.0):
        assert len(set(times)) == 1


def test_drift_is_of_second_halves() -> None:
    assert drift([[10] * 5 + [12] * 5]) == pytest.approx(0.2)
    assert drift([[10, 10], [10, 9], [10, 20]]) == 0
    assert drift([]) == drift([[5]]) == 0


# -- the whole ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "torch"])
def test_measurements(engine: str) -> None:
    archs = [small("one"), small("two", 16)]
    setting = Setting(engine=engine, batch=2, threads=1)
    found = measure(archs, setting, resolution=32, seconds=0.01)
    assert [(one.name, one.hash, one.resolution) for one in found] == [(arch.name, arch.hash, 32) for arch in archs]
    for one in found:
        assert one.setting == setting and one.device == describe() and one.version.split()[0] == engine
        assert 0 < one.p10_ms <= one.median_ms <= one.p90_ms
        assert one.spread == pytest.approx((one.p90_ms - one.p10_ms) / one.median_ms)
        assert one.n >= ROUNDS * LEAST and one.warmup >= 2
        assert one.when.endswith("+00:00")
        assert msgspec.json.decode(msgspec.json.encode(one), type=Measurement) == one


@pytest.mark.slow  # torch compiles C++
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # its own use
def test_more_compiled_networks_than_torch_keeps_of_one_code() -> None:
    """torch gives a code up after so many compilations, and all networks have the same; so would a profile end."""
    import torch._dynamo

    head = seq(pool=GlobalPool(), fc=Linear(2))
    archs = [Architecture(f"net{n}", Conv(n, 1), (Stage(Conv(n, 1)),), head, 4) for n in range(1, 4)]
    with torch._dynamo.config.patch(recompile_limit=1):
        assert len(measure(archs, Setting(engine="torch.compile", threads=1), seconds=0.001)) == 3


def test_kept_group_by_group_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ready_bytes", lambda: 1)
    kept: list[tuple[str, ...]] = []
    steps: list[tuple[int, int]] = []
    archs = [small("a"), small("b"), small("c")]
    measure(
        archs,
        ONE,
        seconds=0.001,
        keep=lambda some: kept.append(tuple(one.name for one in some)),
        progress=lambda done, total: steps.append((done, total)),
    )
    assert kept == [("a",), ("b",), ("c",)]
    assert steps == [(done, 3 * STEPS) for done in range(1, 3 * STEPS + 1)]


def test_what_was_kept_stays_after_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ready_bytes", lambda: 1)
    kept: list[Measurement] = []

    def keep(some: tuple[Measurement, ...]) -> None:
        if kept:
            raise KeyboardInterrupt
        kept.extend(some)

    with pytest.raises(KeyboardInterrupt):
        measure([small("a"), small("b")], ONE, seconds=0.001, keep=keep)
    assert [one.name for one in kept] == ["a"]
    assert gc.isenabled()


def test_a_network_that_does_not_fit_stops_it_before_anything_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    from vertebra.zoo import architecture

    monkeypatch.setattr(module, "runner", lambda *arguments, **more: pytest.fail("made ready"))
    with pytest.raises(ShapeError):
        measure([small(), architecture("alexnet")], ONE, resolution=16)


@pytest.mark.parametrize("calls", [0, 1, 20, "last"])
def test_an_engines_error_names_the_network(monkeypatch: pytest.MonkeyPatch, calls: int | str) -> None:
    """Whenever it comes: in the first call, in the warm-up, in a turn."""

    class Fails:
        def __init__(self, left: int | None = None) -> None:
            self.left, self.done = left, 0

        def run(self) -> object:
            if self.done == self.left:
                raise EngineError("it cannot", where="artifact")
            self.done += 1
            return None

    monkeypatch.setattr(module, "warm_up", lambda call: [call() for _ in range(5)] and 5)
    last = 1 + 5 + ROUNDS * (1 + LEAST) - 1
    broken = Fails(last if calls == "last" else int(calls))
    runners = {"one": Fails(), "two": broken}
    monkeypatch.setattr(module, "runner", lambda arch, setting, *, resolution: runners[arch.name])
    with pytest.raises(EngineError, match=r"^two: it cannot$"):
        measure([small("one"), small("two")], ONE, seconds=1e-9)


def test_a_batch_larger_than_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is timed.  The first map alone: 65,536 x 512 x 12 x 12 float32 are 18 GiB."""
    here = msgspec.structs.replace(describe(), memory_bytes=8 << 30)
    monkeypatch.setattr(room, "describe", lambda: here)
    monkeypatch.setattr(module, "runner", lambda *arguments, **more: pytest.fail("made ready"))
    with pytest.raises(EngineError, match=r"^wide: a batch of 65,536 takes \d+ GiB \(allowed: the memory of this"):
        measure([small(), small("wide", 512)], Setting(threads=1, batch=1 << 16))


def test_a_kind_without_a_rule_names_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def runner(arch: Architecture, setting: Setting, *, resolution: int | None) -> None:
        raise ArchitectureError("ONNX has no rule for it", where="stages.0")

    monkeypatch.setattr(module, "runner", runner)
    with pytest.raises(ArchitectureError, match=r"^small: stages\.0: ONNX has no rule for it$"):
        measure([small()], ONE)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e9, True, "1"])
def test_other_seconds(seconds) -> None:
    with pytest.raises(UsageError, match=r"^seconds: .*above 0, at most 3600"):
        measure([small()], ONE, seconds=seconds)


def test_none_and_one() -> None:
    assert measure([], ONE) == ()
    assert [one.name for one in measure(small(), ONE, seconds=0.001)] == ["small"]
    with pytest.raises(UsageError, match=r"^archs: 'resnet18' is no architecture; get one with vertebra\.architectur"):
        measure(["resnet18"], ONE)  # type: ignore[list-item]

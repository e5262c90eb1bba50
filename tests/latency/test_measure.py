"""Networks in turn: which is run when, and what is made of the times.  No time of a real network is asserted."""

from __future__ import annotations

import gc
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.latency.small import small
from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.combinators import seq
from vertebra.arch.primitives import Conv, GlobalPool, Linear
from vertebra.engines.device import describe
from vertebra.errors import EngineError, ShapeError, UsageError, VertebraError
from vertebra.latency import measure as module
from vertebra.latency.engines import WAYS
from vertebra.latency.measure import LEAST, ROUNDS, STEPS, Measurement, drift, groups, in_turn, measure
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
        calls = [self.call(place) for place in range(len(self.times))]
        return in_turn(calls, seconds, lambda: None, clock=self.clock)


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


# -- groups -------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 100), max_size=40), st.integers(1, 8), st.integers(1, 200))
def test_groups(sizes: list[int], most: int, limit: int) -> None:
    found = groups(sizes, most, limit)
    assert [place for one in found for place in one] == list(range(len(sizes)))
    for one in found:
        assert 1 <= len(one) <= most
        assert len(one) == 1 or sum(sizes[place] for place in one) <= limit
    for one, after in pairwise(found):  # none is smaller than it need be
        assert len(one) == most or sum(sizes[place] for place in one) + sizes[after[0]] > limit


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
    """torch gives a code up after so many compilations; a group may hold as many networks as that, not more."""
    import torch._dynamo

    most = WAYS["torch.compile"].most
    assert most <= torch._dynamo.config.recompile_limit
    head = seq(pool=GlobalPool(), fc=Linear(2))
    archs = [Architecture(f"net{n}", Conv(n, 1), (Stage(Conv(n, 1)),), head, 4) for n in range(1, most + 2)]
    with torch._dynamo.config.patch(recompile_limit=most):
        assert len(measure(archs, Setting(engine="torch.compile", threads=1), seconds=0.001)) == most + 1


def test_kept_group_by_group_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READY_BYTES", 1)
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
    monkeypatch.setattr(module, "READY_BYTES", 1)
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


def test_an_engines_error_names_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def run(self) -> object:
            raise EngineError("it cannot", where="artifact")

    monkeypatch.setattr(module, "runner", lambda *arguments, **more: Broken())
    with pytest.raises(EngineError, match=r"^small: it cannot$"):
        measure([small()], ONE)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e9, True, "1"])
def test_other_seconds(seconds) -> None:
    with pytest.raises(UsageError, match=r"^seconds: .*above 0, at most 3600"):
        measure([small()], ONE, seconds=seconds)


def test_none_and_one() -> None:
    assert measure([], ONE) == ()
    assert [one.name for one in measure(small(), ONE, seconds=0.001)] == ["small"]
    with pytest.raises(VertebraError):
        measure(["resnet18"], ONE)  # type: ignore[list-item]

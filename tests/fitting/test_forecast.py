"""What candidates are expected to take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fitting.plans import guessed, measured
from tests.latency.made_up import made_up_profile
from vertebra.fitting.forecast import ENOUGH, WIDE, Forecast, forecast_of, learned
from vertebra.fitting.layout import Plan, plans
from vertebra.latency.database import Database
from vertebra.latency.predictor import Predictor
from vertebra.zoo import families

FEW = ("cifar_resnet", "mobilenet_v2", "resnet")


@pytest.fixture(scope="module")
def found() -> tuple[Plan, ...]:
    return plans([one for one in families() if one.name in FEW], classes=7, side=32)


def of(found: tuple[Plan, ...], family: str) -> list[Plan]:
    return [plan for plan in found if plan.family == family]


def test_a_family_inherits_its_own_error_and_the_others_the_usual_one(found: tuple[Plan, ...]) -> None:
    forecast = guessed(found, lambda plan: 1e-6 * plan.macs)
    resnets, mobile, cifar = (of(found, name) for name in ("resnet", "mobilenet_v2", "cifar_resnet"))
    forecast.learn(measured(resnets[9], 3e-6 * resnets[9].macs))
    for own in (resnets, mobile):  # one error is all that is known
        np.testing.assert_allclose(forecast.network_ms(own), [3e-6 * plan.macs for plan in own])
    forecast.learn(measured(cifar[9], 0.5e-6 * cifar[9].macs))
    forecast.learn(measured(cifar[12], 0.5e-6 * cifar[12].macs))
    near = forecast.network_ms(cifar[10:11])[0] / cifar[10].macs
    assert near == pytest.approx(0.5e-6, rel=0.05)
    assert forecast.network_ms(resnets[8:9])[0] / resnets[8].macs == pytest.approx(3e-6, rel=0.2)
    np.testing.assert_allclose(forecast.network_ms(mobile), [0.5e-6 * plan.macs for plan in mobile])  # the median


def test_what_was_measured_is_expected_as_it_was(found: tuple[Plan, ...]) -> None:
    forecast = guessed(found, lambda plan: 1e-6 * plan.macs)
    one = measured(found[5], 123.0, beside=4.0)
    assert not forecast.was_measured(found[5])
    assert not forecast.surprised(one)  # nothing of its family is known
    forecast.learn(one)
    assert forecast.surprised(measured(found[5], 200.0)) and not forecast.surprised(measured(found[5], 130.0))
    assert forecast.was_measured(found[5]) and not forecast.was_measured(found[6])
    assert forecast.network_ms(found[5:6]).tolist() == [123.0] and forecast.total_ms(found[5:6]).tolist() == [127.0]


def test_preprocessing_is_that_of_the_nearest_resolution(found: tuple[Plan, ...]) -> None:
    forecast = guessed(found, lambda plan: 1.0)
    assert (forecast.total_ms(found) == forecast.network_ms(found)).all()  # nothing is known of it yet
    by_side = {side: [plan for plan in found if plan.resolution == side] for side in (16, 24, 32)}
    forecast.learn(measured(by_side[16][0], 1.0, beside=0.25))
    for beside in (2.0, 1.0, 4.0):
        forecast.learn(measured(by_side[32].pop(), 1.0, beside=beside))
    added = {side: set((forecast.total_ms(own) - forecast.network_ms(own)).tolist()) for side, own in by_side.items()}
    assert added == {16: {0.25}, 24: {2.0}, 32: {2.0}}  # 24 is nearer to 32: 1.33 times, not 1.5


def test_the_interval_is_of_what_was_expected_just_before(found: tuple[Plan, ...]) -> None:
    forecast = guessed(found, lambda plan: 1.0, interval=(0.8, 1.3))
    dice = np.random.default_rng(0)
    ratios = []
    assert forecast.slack("resnet") == 1.3  # nothing of the family is known
    for plan in of(found, "resnet")[: ENOUGH + 6]:
        assert (forecast.interval, forecast.checked) == ((0.8, 1.3), 0) or len(ratios) > ENOUGH
        before = forecast.total_ms([plan])[0]
        forecast.learn(measured(plan, float(np.exp(dice.normal(0, 0.2)))))
        ratios.append(forecast.total_ms([plan])[0] / before)
    own = ratios[1:]  # before the first the family was not known
    assert forecast.misses == pytest.approx(own) and forecast.firsts == pytest.approx(ratios[:1])
    assert forecast.checked == len(own)
    assert forecast.interval == pytest.approx(tuple(np.quantile(own, (0.05, 0.95))))
    assert forecast.slack("resnet") == pytest.approx(max(1.0, np.quantile(own[-ENOUGH:], 0.8)))


def test_without_a_profile_a_few_measurements_are_one(found: tuple[Plan, ...]) -> None:
    """Against times that are sums over blocks, multiply-accumulates, activations and weights, at another machine's
    rates."""

    def truth(plan: Plan) -> float:
        blocks = sum(stage.depth for stage in plan.arch.stages)
        return 0.004 * blocks + 9e-9 * plan.macs + 8e-7 * plan.activations + 3e-7 * plan.params

    forecast = Forecast(found, learned(found))
    chosen = np.random.default_rng(1).permutation(len(found))[:9]
    for place in chosen:
        forecast.learn(measured(found[place], truth(found[place])))
    errors = np.abs(np.log(forecast.network_ms(found) / [truth(plan) for plan in found]))
    assert np.median(errors) < 0.1 and np.quantile(errors, 0.95) < 0.4


def test_the_profile_of_this_device_predicts_where_there_is_one(
    found: tuple[Plan, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path))
    said: list[str] = []
    without = forecast_of(found, said.append)
    assert "no profile" in said[0] and "what is measured on the way" in said[0] and without.interval == WIDE
    profile = made_up_profile()
    with Database() as database:
        database.put(profile.stored())
    forecast = forecast_of(found, said.append)
    assert said[1:] == ["latency is predicted by profile 1 of this device"]
    assert forecast.interval == profile.interval
    expected = Predictor.of(profile).many([plan.arch for plan in found])
    np.testing.assert_allclose(forecast.network_ms(found), expected, rtol=1e-4)


def test_a_broken_database_stops_nothing(
    found: tuple[Plan, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERTEBRA_HOME", str(tmp_path))
    (tmp_path / "latency.sqlite").write_text("no database " * 100)
    said: list[str] = []
    assert forecast_of(found, said.append).interval == WIDE
    assert "database" in said[0]

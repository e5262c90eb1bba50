"""What candidates are expected to take before they are measured: predicted, and corrected by what was measured.

The time of the network alone is predicted by the profile that the database keeps of this device.  Where there is none,
what is measured on the way is a poor man's profile: a time for each block, multiply-accumulate, activation and weight,
none of them below zero.  Either way a candidate inherits the errors that were seen in its family, those of networks of
about its own time most; so after one measurement a family's next prediction needs little slack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.arch.architecture import Architecture
from vertebra.errors import OutputError, ProfileError
from vertebra.fitting.layout import Plan
from vertebra.fitting.measuring import Measured
from vertebra.latency.kept import predictor_of
from vertebra.latency.setting import Setting
from vertebra.latency.sweep import Sweep

Times = NDArray[np.float64]
"""Milliseconds, [n]."""

WIDE = (0.5, 2.0)
"""Between which ratios a measured time lies to one that was predicted without a profile, as long as little is known."""
NINE_OF_TEN, FOUR_OF_FIVE = (0.05, 0.95), 0.8
ENOUGH = 10
"""Measurements from which on the interval is that of their own errors."""
KNOWN, MOST_SLACK = 1.05, 2.0
"""Slack for a candidate of whose family one was measured, as long as little is known; and the most that is left."""
SURPRISE = 1.4
"""The ratio of a measured time to the expected one from which on it is not believed at once."""
NEAR, USUAL = 0.1, 0.5
"""The weight of an error is one over NEAR and the distance of the two times as logarithms; all families' has USUAL."""
RATES = (3e-2, 2e-8, 3e-7, 1e-7)
"""Milliseconds of a block, a multiply-accumulate, an activation and a weight on two usual cores, to begin with."""
ROUNDS = 100


class Guess(msgspec.Struct, frozen=True):
    """How times are predicted: the network's of each plan (ms) from those of the plans that were measured.

    ``said``: what does it, in words.  ``interval``: the ratios of measured to predicted times to begin with.
    """

    said: str
    interval: tuple[float, float]
    network_ms: Callable[[NDArray[np.intp], Times], Times]


class Forecast:
    """The expected times of these candidates."""

    def __init__(self, plans: Sequence[Plan], guess: Guess) -> None:
        self.plans = tuple(plans)
        self.guess = guess
        self.misses: list[float] = []
        """For each measurement of a family that was known its ratio to what was expected just before."""
        self.firsts: list[float] = []
        """The same of the first of each family."""
        self._places = {plan.name: place for place, plan in enumerate(self.plans)}
        self._family = np.unique([plan.family for plan in self.plans], return_inverse=True)[1]
        self._size = np.log([plan.resolution for plan in self.plans])
        self._known: dict[int, Measured] = {}
        self._expect()

    def learn(self, one: Measured) -> None:
        """Take in a measurement of one of the plans."""
        place = self._places[one.plan.name]
        missed = self.misses if self._knows(one.plan.family) else self.firsts
        missed.append(one.latency.total_ms / float(self._total[place]))
        self._known[place] = one
        self._expect()

    def network_ms(self, plans: Sequence[Plan]) -> Times:
        """Expected of the networks alone."""
        return self._network[self._at(plans)]

    def total_ms(self, plans: Sequence[Plan]) -> Times:
        """Expected of networks with their preprocessing; what was measured is expected as it was measured."""
        return self._total[self._at(plans)]

    def was_measured(self, plan: Plan) -> bool:
        """Whether a plan's time is not expected but known."""
        return self._places[plan.name] in self._known

    def surprised(self, one: Measured) -> bool:
        """Whether a plan of a family that is known took far longer than was expected."""
        expected = float(self._total[self._places[one.plan.name]])
        return self._knows(one.plan.family) and one.latency.total_ms > SURPRISE * expected

    def slack(self, family: str) -> float:
        """By what a measured time may exceed the expected one, as a ratio: four of five of the latest did by less."""
        known = self._knows(family)
        ratios = self.misses if known else self.firsts
        if len(ratios) < ENOUGH:
            return KNOWN if known else self.guess.interval[1]
        return min(max(float(np.quantile(ratios[-ENOUGH:], FOUR_OF_FIVE)), 1.0), MOST_SLACK)

    @property
    def checked(self) -> int:
        """On how many measurements the interval rests; 0 where they are too few."""
        return len(self.misses) if len(self.misses) >= ENOUGH else 0

    @property
    def interval(self) -> tuple[float, float]:
        """The ratios of measured to expected times between which nine of ten lay, where the family was known.

        Where too few were measured, what the profile says of itself.
        """
        if not self.checked:
            return self.guess.interval
        low, high = np.quantile(self.misses, NINE_OF_TEN)
        return min(float(low), 1.0), max(float(high), 1.0)

    def _knows(self, family: str) -> bool:
        return any(one.plan.family == family for one in self._known.values())

    def _at(self, plans: Sequence[Plan]) -> NDArray[np.intp]:
        return np.array([self._places[plan.name] for plan in plans], np.intp)

    def _expect(self) -> None:
        places = np.array(list(self._known), np.intp)
        measured = np.array([one.latency.network_ms for one in self._known.values()])
        self._network = self._corrected(self.guess.network_ms(places, measured), places, measured)
        beside = np.zeros(len(self.plans))
        if len(places):
            added = np.array([one.latency.preprocess_ms for one in self._known.values()])
            beside = _nearest(self._size, self._size[places], added)
        self._network[places] = measured
        self._total = self._network + beside
        self._total[places] = [one.latency.total_ms for one in self._known.values()]

    def _corrected(self, raw: Times, places: NDArray[np.intp], measured: Times) -> Times:
        """Raw predictions with the errors that were seen in the family."""
        if not len(places):
            return raw.copy()
        logs = np.log(raw)
        errors = np.log(measured) - logs[places]
        weights = 1 / (NEAR + np.abs(logs[:, None] - logs[places]))
        weights *= self._family[:, None] == self._family[places]
        corrections = (weights @ errors + USUAL * np.median(errors)) / (weights.sum(axis=1) + USUAL)
        corrected: Times = np.exp(logs + corrections)
        return corrected


def _nearest(sizes: Times, known: Times, values: Times) -> Times:
    """For each size the median of the values at the nearest known one."""
    distances = np.abs(sizes[:, None] - known)
    nearest = distances <= distances.min(axis=1, keepdims=True) + 1e-9
    found: Times = np.nanmedian(np.where(nearest, values, np.nan), axis=1)
    return found


def forecast_of(plans: Sequence[Plan], say: Callable[[str], None]) -> Forecast:
    """By this device's profile for ONNX Runtime in fp32 at batch 1 on all cores; says in a line what predicts."""
    try:
        kept = predictor_of(Setting())
        guess = _profiled(plans, Sweep.of(kept.predictor.profile), kept.predictor.profile.interval, kept.stored.number)
    except (ProfileError, OutputError) as error:
        guess = learned(plans)
        say(f"latency is predicted by {guess.said}: {error}")
    else:
        say(f"latency is predicted by {guess.said}")
    return Forecast(plans, guess)


def _profiled(plans: Sequence[Plan], sweep: Sweep, interval: tuple[float, float], number: int) -> Guess:
    """Networks that differ in their resolution alone are walked once."""
    alike: dict[object, list[int]] = {}
    for place, plan in enumerate(plans):
        alike.setdefault((plan.arch.stem, plan.arch.stages, plan.arch.head, plan.arch.channels), []).append(place)
    archs: list[Architecture] = [plans[own[0]].arch for own in alike.values()]
    times = np.empty(len(plans))
    found = sweep(archs, [[plans[place].resolution for place in own] for own in alike.values()])
    times[np.concatenate(list(map(np.array, alike.values())))] = np.concatenate(found)
    return Guess(f"profile {number} of this device", interval, lambda places, measured: times)


def learned(plans: Sequence[Plan]) -> Guess:
    """A time for each block, multiply-accumulate, activation and weight, from what is measured on the way."""
    counts = [(sum(one.depth for one in p.arch.stages), p.macs, p.activations, p.params) for p in plans]
    table = np.array(counts, np.float64) + 1

    def network_ms(places: NDArray[np.intp], measured: Times) -> Times:
        rates = np.array(RATES)
        if len(places):
            rates = _fitted(table[places] / measured[:, None], rates)
        found: Times = table @ rates
        return found

    return Guess("what is measured on the way", WIDE, network_ms)


def _fitted(shares: NDArray[np.float64], rates: Times) -> Times:
    """Rates above zero with which each row of ``shares`` comes near 1, by least squares, begun at ``rates``.

    Multiplicative steps keep the signs, and leave what the rows say nothing of as it was relative to the others
    (Daube-Witherspoon and Muehllehner 1986, IEEE Transactions on Medical Imaging 5(2)).
    """
    rates = rates / np.median(shares @ rates)
    for _ in range(ROUNDS):
        rates = rates * shares.sum(axis=0) / (shares.T @ (shares @ rates))
    return rates

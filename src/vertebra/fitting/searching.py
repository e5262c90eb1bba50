"""Which candidates are measured: in every family the largest that is expected to suit, and what the measurement says.

Of the candidates that are expected to keep all limits the one with the most multiply-accumulates stands on the frontier
of its family: nothing that is expected to be as quick holds more.  It is measured; where it proves too slow, or leaves
room, the forecast is corrected and the next one chosen by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import zip_longest

import msgspec

from vertebra.errors import BudgetError
from vertebra.fitting.forecast import Forecast
from vertebra.fitting.halving import MOST, affordable_ms, foreign, least_epochs
from vertebra.fitting.job import Job
from vertebra.fitting.layout import Plan, shrinks
from vertebra.fitting.measuring import MARGIN, Known, Latency, Measured, measure
from vertebra.fitting.run_folder import Timed

PER_FAMILY, FEWEST = 4, 3
"""Measurements that a family gets at most, and at least where it needs them."""
LEAST_FAMILIES = 4
"""That are measured however short the time is."""
CLOSE = 0.85
"""Of the tightest limit: a candidate that uses as much of it is near enough to the largest."""
HOPELESS = 1.3
"""Of the tightest limit: where the quickest was measured and the next is still expected to use more, nothing suits."""
SECONDS_EACH = 0.3
"""What measuring one candidate takes, roughly: emitting it, and an engine's start."""

Test = Callable[[Plan], Measured]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What decides how large a candidate may be: its latency (ms, None for any), and how often it could see so many
    ``images`` in so many seconds of ``training``."""

    latency_ms: float | None
    images: int
    training: float

    def used(self, plan: Plan, network_ms: float, total_ms: float) -> float:
        """The share of the tightest limit that a candidate uses; above 1 it is too large."""
        trained = network_ms / affordable_ms(self.images, self.training, least_epochs(plan))
        return trained if self.latency_ms is None else max(trained, total_ms / self.latency_ms)

    def used_by(self, plan: Plan, latency: Latency) -> float:
        """The same of a latency that was measured."""
        return self.used(plan, latency.network_ms, latency.total_ms)

    def suits(self, one: Measured) -> bool:
        """Whether it keeps every budget, and could see the data often enough."""
        return one.fits and self.used_by(one.plan, one.latency) <= 1


def search(job: Job, found: Sequence[Plan], forecast: Forecast, *, seconds: float, training: float) -> list[Measured]:
    """Measure some candidates of every family, in about so many ``seconds``; ``forecast`` learns from each.

    Families that are meant for pictures like these come first: where the time is too short for all, the others are left
    out, in a line.  Candidates that could not see the data often enough in ``training`` seconds count as too large.
    Where a stopped job had chosen among candidates, those that it measured are all there are.
    Raises BudgetError with the fastest that was found where none fits.
    """
    limits = _limits(job, training)
    measured: list[Measured] = []
    with job.watcher.task("measuring candidates") as advance:
        groups = _by_promise(found, job.look.side)

        def said(one: Measured) -> None:
            measured.append(one)
            forecast.learn(one)
            advance(len(measured), max(len(measured), FEWEST * len(groups)), f"{one.plan.name}: {_ms(one)}")

        test = _tester(job, forecast, said)
        if job.folder.state.contenders:
            _as_before(job, found, test)
        else:
            _search(job, groups, test, limits, forecast, seconds, measured)
    return _checked(job, measured)


def _search(
    job: Job,
    groups: Sequence[Sequence[Plan]],
    test: Test,
    limits: Limits,
    forecast: Forecast,
    seconds: float,
    measured: list[Measured],
) -> None:
    end = job.watch.elapsed + seconds
    tests = max(FEWEST, min(PER_FAMILY, int(seconds / SECONDS_EACH / len(groups))))
    wanted = math.ceil(MOST / len(groups))  # of few families several each, so that there is something to choose from
    for place, members in enumerate(groups):
        if place >= LEAST_FAMILIES and job.watch.elapsed > end and any(map(_can_be_had, measured)):
            job.watcher.say(f"no time to measure {len(groups) - place} of the {len(groups)} families")
            break
        search_family(members, test, forecast, limits, side=job.look.side, tests=max(tests, wanted + 1), wanted=wanted)
        timed = tuple(Timed(name=one.plan.name, latency=one.latency, bytes=one.bytes) for one in measured)
        job.folder.note(timed=timed, spent=job.watch.spent)


def _limits(job: Job, training: float) -> Limits:
    budget = job.folder.request.budgets.latency_ms
    return Limits(
        latency_ms=None if budget is None else MARGIN * budget,
        images=len(job.look.dataset.parts["train"]),
        training=training,
    )


def _by_promise(found: Sequence[Plan], side: int) -> list[list[Plan]]:
    """The plans of each family, those that start from weights apart; the most promising family first.

    Both kinds take turns, weights first: however short the time is, there is something of either to choose from.
    """
    groups: tuple[dict[str, list[Plan]], dict[str, list[Plan]]] = {}, {}
    for plan in found:
        groups[plan.offer is None].setdefault(plan.family, []).append(plan)
    kinds = [sorted(kind.values(), key=lambda members: _promise(members[0], side)) for kind in groups]
    return [members for turn in zip_longest(*kinds) for members in turn if members is not None]


def _promise(plan: Plan, side: int) -> tuple[int, bool]:
    """What comes first: families for pictures of such a size, normalised ones."""
    return foreign(plan, side), not plan.normalised


def _can_be_had(one: Measured) -> bool:
    """Whether it fits, and needs no weights that may turn out to be out of reach."""
    return one.fits and one.plan.offer is None


def _tester(job: Job, forecast: Forecast, said: Callable[[Measured], None]) -> Test:
    """Measures a plan, twice where the forecast is surprised; what a stopped job had measured stands."""
    before = {one.name: one for one in job.folder.state.timed}

    def timed(plan: Plan, known: Known | None) -> Measured:
        return measure(plan, job.preprocess(plan), job.look.image, job.folder.request.budgets, known=known)

    def test(plan: Plan) -> Measured:
        old = before.get(plan.name)
        new = timed(plan, None if old is None else (old.latency, old.bytes))
        if old is None and forecast.surprised(new):  # machines hiccup
            new = min(new, timed(plan, None), key=lambda one: one.latency.total_ms)
        said(new)
        return new

    return test


def _as_before(job: Job, found: Sequence[Plan], test: Test) -> None:
    plans = {plan.name: plan for plan in found}
    for one in job.folder.state.timed:
        if one.name in plans:
            test(plans[one.name])


def _checked(job: Job, measured: list[Measured]) -> list[Measured]:
    fitting = [one for one in measured if one.fits]
    if not fitting:
        least = min(measured, key=lambda one: one.latency.total_ms)
        raise BudgetError(
            f"nothing fits {' and '.join(job.folder.request.budgets.said())}",
            remedy=f"the fastest, {least.plan.name}, takes {_ms(least)}, {least.bytes:,} bytes",
        )
    job.watcher.say(f"{len(measured)} candidates measured, {len(fitting)} of them fit")
    return measured


def _ms(one: Measured) -> str:
    return f"{one.latency.total_ms:.2f} ms"


def search_family(
    found: Sequence[Plan],
    test: Test,
    forecast: Forecast,
    limits: Limits,
    *,
    side: int,
    tests: int = PER_FAMILY,
    wanted: int = 1,
) -> list[Measured]:
    """Measure plans of a family until the largest that suits is found, and ``wanted`` of them; at most ``tests``.

    ``test`` must let ``forecast`` learn.  Plans that shrink pictures of ``side`` px come only after all others have
    failed: what is lost there no width brings back.  The last test of a family of which nothing suited is the quickest,
    which says whether anything does.
    """
    done: list[Measured] = []
    for shrunk in (False, True):
        if not any(map(limits.suits, done)):
            members = [plan for plan in found if shrinks(plan, side) == shrunk]
            done += _searched(members, test, forecast, limits, tests, wanted)
    return done


def _searched(
    members: list[Plan], test: Test, forecast: Forecast, limits: Limits, tests: int, wanted: int
) -> list[Measured]:
    done: list[Measured] = []
    left, asked = members, False  # whether the quickest was measured
    while left and len(done) < tests:
        good = [one for one in done if limits.suits(one)]
        expected = _used(left, forecast, limits)
        quickest = min(left, key=lambda plan: expected[plan.name])
        last = bool(done) and not good and len(done) == tests - 1
        plan = None if last else _next(left, good, expected, limits, wanted, 1 / forecast.slack(left[0].family))
        if plan is None:
            if good or (asked and expected[quickest.name] > HOPELESS):
                break
            plan, asked = quickest, True
        done.append(test(plan))
        left = [one for one in left if not _beyond(one, done[-1], limits)]
    return done


def _used(plans: Sequence[Plan], forecast: Forecast, limits: Limits) -> dict[str, float]:
    """The share of the tightest limit that each plan is expected to use."""
    times = zip(plans, forecast.network_ms(plans), forecast.total_ms(plans), strict=True)
    return {plan.name: limits.used(plan, float(network), float(total)) for plan, network, total in times}


def _next(
    left: Sequence[Plan],
    good: Sequence[Measured],
    expected: dict[str, float],
    limits: Limits,
    wanted: int,
    most: float,
) -> Plan | None:
    """The largest that is expected to use at most so much, as long as larger ones or more are wanted; None for none."""
    within = [plan for plan in left if expected[plan.name] <= most]
    if good:
        largest = max(good, key=lambda one: one.plan.macs)
        if limits.used_by(largest.plan, largest.latency) < CLOSE:
            larger = [plan for plan in within if plan.macs > largest.plan.macs]
            within = larger or (within if len(good) < wanted else [])
        elif len(good) >= wanted:
            return None
    return max(within, key=lambda plan: (plan.macs, plan.params), default=None)


def _beyond(plan: Plan, one: Measured, limits: Limits) -> bool:
    """Whether a plan need not be tried after that: the same, or no smaller in anything than what did not suit."""
    if plan is one.plan:
        return True
    smaller = plan.macs < one.plan.macs or plan.params < one.plan.params or plan.activations < one.plan.activations
    return not (limits.suits(one) or smaller)

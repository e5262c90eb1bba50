"""fit(): from images and a budget to the best backbone that fits, trained, measured here, verified and packed."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from vertebra.costs.budget import Budgets, parse_budgets
from vertebra.errors import DataError, WeightsError
from vertebra.fitting import starting
from vertebra.fitting.console import Quiet, Watcher
from vertebra.fitting.fetching import Fetching
from vertebra.fitting.finding import AUTO, find, named
from vertebra.fitting.forecast import forecast_of
from vertebra.fitting.further import further
from vertebra.fitting.halving import (
    Contender,
    Setting,
    affordable_ms,
    halve,
    ranked,
    rounds_for,
)
from vertebra.fitting.job import EVALUATIONS, Job
from vertebra.fitting.layout import Plan, breach, plans, pretrained_plans, within
from vertebra.fitting.measuring import Measured
from vertebra.fitting.offers import Offer
from vertebra.fitting.packing import FitResult, pack, reserve
from vertebra.fitting.run_folder import Request
from vertebra.fitting.searching import search
from vertebra.zoo.registry import families

DIGITS = "digits"
DEMO_LATENCY = "1ms"
DEMO_MINUTES = 2.0
MINUTES = 10.0
SEARCH_SHARE = 0.2
"""Of the training time, spent on finding the winner."""
MEASURING_SHARE = 0.1
"""Of all the time, for measuring candidates."""
FETCHING_SHARE = 0.25
"""Of the time for the winner's training, for all downloads that nobody asked for."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


def fit(
    data: str | Path | None = None,
    *,
    latency: str | float | None = None,
    params: str | float | None = None,
    macs: str | float | None = None,
    size: str | float | None = None,
    minutes: float | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    force: bool = False,
    resume: bool = False,
    skip_bad: bool = False,
    weights: str | Path | Sequence[str | Path] = AUTO,
    watcher: Watcher | None = None,
) -> FitResult:
    """Find, train, verify and pack the best network for ``data`` within all the given budgets, on this machine.

    ``data``: a folder ``CLASS/*.jpg`` or ``train|val|test/CLASS/...``, a ``.tar`` of one, or ``"digits"`` (the default,
    then with ``latency="1ms"``).  ``latency``: median at batch 1 of network and preprocessing together, ``"5ms"`` or
    milliseconds; ``params`` and ``macs``: ``"1M"``; ``size`` of the artifact: ``"4MB"``.  ``minutes``: of all.
    ``out``: the bundle's folder.  ``resume`` goes on with a stopped job; ``skip_bad`` leaves out what cannot be read.
    ``weights``: which pretrained ones candidates may start from beside those trained from scratch: ``"auto"`` (what the
    cache holds and what can be downloaded within reason), ``"none"``, or one or more sources: a folder of files named
    for architectures or of bundles, a file, a bundle, or a source as :func:`vertebra.load` takes it.

    Raises BudgetError where nothing fits, DataError for unusable data, WeightsError for named weights that cannot be
    used, OutputError for a place that is taken, and Interrupted after Ctrl-C.
    """
    budgets = parse_budgets(latency=latency, params=params, macs=macs, size=size)
    if data is None and budgets == Budgets():
        budgets = parse_budgets(latency=DEMO_LATENCY)
    name = str(data) if data is not None else DIGITS
    given = minutes if minutes is not None else DEMO_MINUTES if name == DIGITS else MINUTES
    sources = named(weights)
    request = Request(data=name, budgets=budgets, minutes=given, seed=seed, skip_bad=skip_bad, weights=sources)
    return run(request, output_for(name, out), force=force, resume=resume, watcher=watcher or Quiet())


def output_for(data: str, out: str | Path | None) -> Path:
    """Where the bundle goes: as asked, or ``runs/NAME``."""
    return Path(out) if out is not None else Path("runs") / (_UNSAFE.sub("-", Path(data).name.split(".")[0]) or "fit")


def run(request: Request, out: Path, *, force: bool, resume: bool, watcher: Watcher) -> FitResult:
    """The whole job, from a request."""
    with starting.job(request, out, force=force, resume=resume, watcher=watcher) as job:
        with job.watch.step("looking for weights"):
            offers = _offers(job)
        with job.watch.step("laying out candidates"):
            candidates = (*_planned(job), *_pretrained(job, offers))
        with job.watch.step("measuring candidates"):
            seconds = 60 * (request.minutes or MINUTES)
            training = (1 - SEARCH_SHARE) * seconds
            forecast = forecast_of(candidates, job.watcher.say)
            measured = search(job, candidates, forecast, seconds=MEASURING_SHARE * seconds, training=training)
        with job.watch.step("choosing among candidates"):
            field, winner = _chosen(job, measured)
        with job.watch.step("training the winner"):
            _trained(job, winner)
        beyond = further(forecast, winner, field, side=job.look.side, budget_ms=request.budgets.latency_ms)
        return pack(job, winner, measured, field, beyond)


def _planned(job: Job) -> tuple[Plan, ...]:
    dataset = job.look.dataset
    found = plans(families(), classes=len(dataset.classes), side=job.look.side, channels=job.look.channels)
    kept = within(found, job.folder.request.budgets)
    kept = tuple(plan for plan in kept if job.pixels_fit(plan.resolution))
    if not kept:
        raise DataError("too many pictures for the memory set aside", where=dataset.root, remedy="take fewer of them")
    job.watcher.say(
        f"{len(found):,} candidates from {len(families())} families, {len(kept):,} within the exact budgets"
    )
    return kept


def _offers(job: Job) -> tuple[Offer, ...]:
    """The weights that candidates may start from; what a stopped job had found stands."""
    known = job.folder.state.offers
    if known is None:
        known = find(job.folder.request.weights, job.look, job.watcher.say)
        job.folder.note(offers=known)
    return known


def _pretrained(job: Job, offers: tuple[Offer, ...]) -> tuple[Plan, ...]:
    """The candidates that start from weights, within the exact budgets; there may be none."""
    found = pretrained_plans(offers, classes=len(job.look.dataset.classes), side=job.look.side)
    budgets = job.folder.request.budgets
    kept = tuple(plan for plan in found if breach(plan, budgets) is None and job.pixels_fit(plan.resolution))
    if offers:
        names = {plan.offer.name for plan in kept if plan.offer is not None}
        job.watcher.say(f"{len(offers)} networks with pretrained weights, {len(names)} within the exact budgets")
    return kept


def _chosen(job: Job, measured: list[Measured]) -> tuple[list[Contender], Contender]:
    """Successive halving; the decisions of a stopped job stand."""
    state = job.folder.state
    by_name = {one.plan.name: one for one in measured}
    made: dict[str, Contender] = {}
    if not set(state.contenders) & set(by_name):
        scratch = [one for one in measured if one.plan.offer is None]
        share = 2 if any(one.fits for one in scratch) else 1
        _, setting, sizes = _rounds(job, measured)
        made = _starting_from_weights(job, measured, setting, most=sizes[0] // share, needed=share == 1)
        seconds, setting, sizes = _rounds(job, measured)  # again: fetching weights has taken time
        made = dict(list(made.items())[: sizes[0] // share])
        chosen = ranked(scratch, setting)[: sizes[0] - len(made)]
        names = (*made, *(one.plan.name for one in chosen))
        each = tuple(seconds / len(sizes) / min(size, len(names)) for size in sizes)
        job.folder.note(contenders=names, round_seconds=each if len(names) > 1 else (), spent=job.watch.spent)
        state = job.folder.state
    said = ", ".join(state.contenders)
    job.watcher.say(f"training {len(state.contenders)} candidates, the better half goes on: {said}")
    field = [made.get(name) or job.contender(by_name[name]) for name in state.contenders]
    winner = halve(field, state.round_seconds, job.cycle)
    job.forget_pixels(job.preprocess(winner.plan))
    return field, winner


def _rounds(job: Job, measured: list[Measured]) -> tuple[float, Setting, tuple[int, ...]]:
    """From the time that is left now: seconds for all rounds, what choices turn on, how many candidates a round has."""
    left = seconds_left(job, measured)
    final = (1 - SEARCH_SHARE) * left
    images = len(job.look.dataset.parts["train"])
    typical = min(affordable_ms(images, final), typical_ms(measured))
    setting = Setting(images=images, side=job.look.side, seconds=final)
    return SEARCH_SHARE * left, setting, rounds_for(SEARCH_SHARE * left, images, typical)


def _starting_from_weights(
    job: Job, measured: Sequence[Measured], setting: Setting, *, most: int, needed: bool = False
) -> dict[str, Contender]:
    """At most so many contenders that start from weights, by name, their weights fetched.

    Weights that cannot be had are passed over in a line, and the others tried, but those of a server that is away, so
    that a machine without a network goes on at once; unasked not longer than FETCHING_SHARE of the time.  Raises
    WeightsError where none can be had of weights that were named, or that are ``needed``: nothing else fits.
    """
    unasked = job.folder.request.weights == (AUTO,)
    fetching = Fetching(FETCHING_SHARE * setting.seconds if unasked else None, job.watcher.say)
    offered = [one for one in measured if one.plan.offer is not None]
    made: dict[str, Contender] = {}
    faults: dict[tuple[str, str], WeightsError] = {}  # many networks have weights of one tag
    for one in ranked(offered, setting):
        offer = one.plan.offer
        if len(made) == most:
            break
        if offer is None or (offer.name, offer.source) in faults or not fetching.may(offer):
            continue
        try:
            fetching.fetch(offer)
            made[one.plan.name] = job.contender(one)
        except WeightsError as error:
            faults[offer.name, offer.source] = error
            job.watcher.say(fetching.left_out(offer, error))
    if faults and not made and (needed or not unasked):
        raise next(iter(faults.values()))
    return made


def _trained(job: Job, winner: Contender) -> None:
    """The last cycle, with all the time that is left."""
    rounds = len(job.folder.state.round_seconds)
    if job.folder.state.final_seconds is None:
        job.folder.note(final_seconds=seconds_left(job, [winner.measured]))
    if len(winner.rounds) <= rounds:
        seconds = job.folder.state.final_seconds or 1.0
        job.watcher.say(f"the winner is {winner.plan.name}; training it for {seconds:.0f} s")
        job.cycle(winner, seconds, f"training {winner.plan.name}", EVALUATIONS)
    if winner.fault is not None:
        raise winner.fault


def seconds_left(job: Job, measured: list[Measured]) -> float:
    """Of the job's minutes, without what the steps after the training will need; never less than a few seconds."""
    minutes = job.folder.request.minutes or MINUTES
    dataset = job.look.dataset
    later = reserve(len(dataset.parts["val"]), len(dataset.parts["test"]), typical_ms(measured))
    return max(60 * minutes - job.watch.elapsed - later, 4.0)


def typical_ms(measured: list[Measured]) -> float:
    """The median latency of those that fit."""
    return statistics.median(one.latency.total_ms for one in measured if one.fits)

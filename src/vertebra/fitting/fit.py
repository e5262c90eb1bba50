"""fit(): from images and a budget to the best backbone that fits, trained, measured here, verified and packed."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

from vertebra.costs.budget import Budgets, parse_budgets
from vertebra.errors import BudgetError, DataError
from vertebra.fitting import starting
from vertebra.fitting.console import Quiet, Watcher
from vertebra.fitting.halving import Contender, affordable_ms, contenders, halve, rounds_for
from vertebra.fitting.job import EVALUATIONS, Job
from vertebra.fitting.layout import Plan, plans, within
from vertebra.fitting.measuring import PER_FAMILY, Measured, measure, search_family
from vertebra.fitting.packing import FitResult, pack, reserve
from vertebra.fitting.run_folder import Request, Timed
from vertebra.zoo.registry import families

DIGITS = "digits"
DEMO_LATENCY = "1ms"
DEMO_MINUTES = 2.0
MINUTES = 10.0
SEARCH_SHARE = 0.25
"""Of the training time, spent on finding the winner."""
MEASURING_SHARE = 0.15
"""Of all the time, after which further families are measured once instead of by bisection."""
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
    watcher: Watcher | None = None,
) -> FitResult:
    """Find, train, verify and pack the best network for ``data`` within all the given budgets, on this machine.

    ``data``: a folder ``CLASS/*.jpg`` or ``train|val|test/CLASS/...``, a ``.tar`` of one, or ``"digits"`` (the default,
    then with ``latency="1ms"``).  ``latency``: median at batch 1 of network and preprocessing together, ``"5ms"`` or
    milliseconds; ``params`` and ``macs``: ``"1M"``; ``size`` of the artifact: ``"4MB"``.  ``minutes``: of all.
    ``out``: the bundle's folder.  ``resume`` goes on with a stopped job; ``skip_bad`` leaves out what cannot be read.

    Raises BudgetError where nothing fits, DataError for unusable data, OutputError for a place that is taken, and
    Interrupted after Ctrl-C.
    """
    budgets = parse_budgets(latency=latency, params=params, macs=macs, size=size)
    if data is None and budgets == Budgets():
        budgets = parse_budgets(latency=DEMO_LATENCY)
    name = str(data) if data is not None else DIGITS
    given = minutes if minutes is not None else DEMO_MINUTES if name == DIGITS else MINUTES
    request = Request(data=name, budgets=budgets, minutes=given, seed=seed, skip_bad=skip_bad)
    return run(request, output_for(name, out), force=force, resume=resume, watcher=watcher or Quiet())


def output_for(data: str, out: str | Path | None) -> Path:
    """Where the bundle goes: as asked, or ``runs/NAME``."""
    return Path(out) if out is not None else Path("runs") / (_UNSAFE.sub("-", Path(data).name.split(".")[0]) or "fit")


def run(request: Request, out: Path, *, force: bool, resume: bool, watcher: Watcher) -> FitResult:
    """The whole job, from a request."""
    with starting.job(request, out, force=force, resume=resume, watcher=watcher) as job:
        with job.watch.step("laying out candidates"):
            candidates = _planned(job)
        with job.watch.step("measuring candidates"):
            measured = _measured(job, candidates)
        with job.watch.step("choosing among candidates"):
            field, winner = _chosen(job, measured)
        with job.watch.step("training the winner"):
            _trained(job, winner)
        return pack(job, winner, measured, field)


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


def _measured(job: Job, found: tuple[Plan, ...]) -> list[Measured]:
    """A bisection for each family; raises BudgetError with the fastest that was found where none fits."""
    budgets = job.folder.request.budgets
    images = len(job.look.dataset.parts["train"])
    # Above this a network would not see the pictures often enough in the time that is given.
    most = affordable_ms(images, 60 * (job.folder.request.minutes or MINUTES) * (1 - SEARCH_SHARE))
    before = {one.name: one for one in job.folder.state.timed}
    measured: list[Measured] = []
    by_family = {plan.family: [one for one in found if one.family == plan.family] for plan in found}
    late = MEASURING_SHARE * 60 * (job.folder.request.minutes or MINUTES) + job.watch.elapsed
    with job.watcher.task("measuring candidates") as advance:

        def test(plan: Plan) -> Measured:
            old = before.get(plan.name)
            preprocess = job.look.preprocess(plan.resolution)
            known = None if old is None else (old.latency, old.bytes)
            new = measure(plan, preprocess, job.look.image, budgets, known=known)
            measured.append(new)
            advance(len(measured), PER_FAMILY * len(by_family), f"{plan.name}: {new.latency.total_ms:.2f} ms")
            return new

        for members in by_family.values():
            tests = PER_FAMILY if job.watch.elapsed < late else 1
            search_family(members, test, lambda one: one.fits and one.latency.network_ms <= most, tests)
            timed = tuple(Timed(name=one.plan.name, latency=one.latency, bytes=one.bytes) for one in measured)
            job.folder.note(timed=timed, spent=job.watch.spent)
    fitting = [one for one in measured if one.fits]
    if not fitting:
        least = min(measured, key=lambda one: one.latency.total_ms)
        raise BudgetError(
            f"nothing fits {' and '.join(budgets.said())}",
            remedy=f"the fastest, {least.plan.name}, takes {least.latency.total_ms:.2f} ms, {least.bytes:,} bytes",
        )
    job.watcher.say(f"{len(measured)} candidates measured, {len(fitting)} of them fit")
    return measured


def _chosen(job: Job, measured: list[Measured]) -> tuple[list[Contender], Contender]:
    """Successive halving; the decisions of a stopped job stand."""
    state = job.folder.state
    by_name = {one.plan.name: one for one in measured}
    if not set(state.contenders) & set(by_name):
        left = seconds_left(job, measured)
        final = (1 - SEARCH_SHARE) * left
        images = len(job.look.dataset.parts["train"])
        affordable = min(affordable_ms(images, final), typical_ms(measured))
        sizes = rounds_for(SEARCH_SHARE * left, images, affordable)
        chosen = contenders(measured, count=sizes[0], images=images, seconds=final)
        names = tuple(one.plan.name for one in chosen)
        each = tuple(SEARCH_SHARE * left / len(sizes) / min(size, len(chosen)) for size in sizes)
        job.folder.note(contenders=names, round_seconds=each if len(chosen) > 1 else (), spent=job.watch.spent)
        state = job.folder.state
    said = ", ".join(state.contenders)
    job.watcher.say(f"training {len(state.contenders)} candidates, the better half goes on: {said}")
    field = [job.contender(by_name[name]) for name in state.contenders]
    winner = halve(field, state.round_seconds, job.cycle)
    job.forget_pixels(winner.plan.resolution)
    return field, winner


def _trained(job: Job, winner: Contender) -> None:
    """The last cycle, with all the time that is left."""
    rounds = len(job.folder.state.round_seconds)
    if job.folder.state.final_seconds is None:
        job.folder.note(final_seconds=seconds_left(job, [winner.measured]))
    if len(winner.trainer.histories) <= rounds:
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

"""Which candidates are measured: a search in every family for the largest that suits, in the time there is for it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from vertebra.errors import BudgetError
from vertebra.fitting.halving import affordable_ms, foreign, least_epochs
from vertebra.fitting.job import Job
from vertebra.fitting.layout import Plan, shrinks
from vertebra.fitting.measuring import Measured, measure
from vertebra.fitting.run_folder import Timed

PER_FAMILY, FEWEST = 6, 2
"""Measurements that a family gets: at most as many as a bisection over SIZES takes, at least two."""
LEAST_FAMILIES = 4
"""That are measured however short the time is."""
SIZES = 24
SECONDS_EACH = 0.3
"""What measuring one candidate takes, roughly: emitting it, and an engine's start."""

Test = Callable[[Plan], Measured]


def search(job: Job, found: Sequence[Plan], *, seconds: float, training: float) -> list[Measured]:
    """Measure some candidates of every family, in about so many ``seconds``.

    Families that are meant for pictures like these come first: where the time is too short for all, the others are left
    out, in a line.  Candidates that could not see the data often enough in ``training`` seconds count as too large.
    Raises BudgetError with the fastest that was found where none fits.
    """
    images = len(job.look.dataset.parts["train"])
    groups: dict[tuple[str, bool], list[Plan]] = {}
    for plan in found:
        groups.setdefault((plan.family, plan.offer is not None), []).append(plan)
    order = sorted(groups.values(), key=lambda members: _promise(members[0], job.look.side))
    end = job.watch.elapsed + seconds
    tests = max(FEWEST, min(PER_FAMILY, int(seconds / SECONDS_EACH / len(groups))))
    measured: list[Measured] = []
    best: list[int] = []

    def good(one: Measured) -> bool:
        return one.fits and one.latency.network_ms <= affordable_ms(images, training, least_epochs(one.plan))

    with job.watcher.task("measuring candidates") as advance:

        def said(one: Measured) -> None:
            measured.append(one)
            advance(len(measured), tests * len(groups), f"{one.plan.name}: {one.latency.total_ms:.2f} ms")

        test = _tester(job, said)
        for place, members in enumerate(order):
            if place >= LEAST_FAMILIES and job.watch.elapsed > end and any(one.fits for one in measured):
                job.watcher.say(f"no time to measure {len(order) - place} of the {len(order)} families")
                break
            guess = statistics.median(best) if best else None
            done = search_family(members, test, good, side=job.look.side, tests=tests, guess=guess)
            best += [max(one.plan.macs for one in done if good(one))] if any(map(good, done)) else []
            timed = tuple(Timed(name=one.plan.name, latency=one.latency, bytes=one.bytes) for one in measured)
            job.folder.note(timed=timed, spent=job.watch.spent)
    return _checked(job, measured)


def _promise(plan: Plan, side: int) -> tuple[bool, int, bool]:
    """What comes first: pretrained weights, families for pictures of such a size, normalised ones."""
    return plan.offer is None, foreign(plan, side), not plan.normalised


def _tester(job: Job, said: Callable[[Measured], None]) -> Test:
    """Measures a plan; what a stopped job had measured stands."""
    before = {one.name: one for one in job.folder.state.timed}

    def test(plan: Plan) -> Measured:
        old = before.get(plan.name)
        known = None if old is None else (old.latency, old.bytes)
        new = measure(plan, job.preprocess(plan), job.look.image, job.folder.request.budgets, known=known)
        said(new)
        return new

    return test


def _checked(job: Job, measured: list[Measured]) -> list[Measured]:
    fitting = [one for one in measured if one.fits]
    if not fitting:
        least = min(measured, key=lambda one: one.latency.total_ms)
        raise BudgetError(
            f"nothing fits {' and '.join(job.folder.request.budgets.said())}",
            remedy=f"the fastest, {least.plan.name}, takes {least.latency.total_ms:.2f} ms, {least.bytes:,} bytes",
        )
    job.watcher.say(f"{len(measured)} candidates measured, {len(fitting)} of them fit")
    return measured


def search_family(
    found: Sequence[Plan],
    test: Test,
    good: Callable[[Measured], bool],
    *,
    side: int,
    tests: int = PER_FAMILY,
    guess: float | None = None,
) -> list[Measured]:
    """Measure a family's plans (cheapest first), by bisection up to the largest ``good`` one.

    Plans that shrink pictures of ``side`` px come only after all others have failed: what is lost there no width
    brings back.  The first test is at ``guess`` MACs, or at the smallest.  Latency follows MACs only roughly, so this
    finds a good one, not the very largest.
    """
    whole = [plan for plan in found if not shrinks(plan, side)]
    done: list[Measured] = []
    for members in (whole, [plan for plan in found if shrinks(plan, side)]):
        if members and not any(map(good, done)):
            done += _bisected(members, test, good, tests, guess)
    return done


def _bisected(
    found: Sequence[Plan], test: Test, good: Callable[[Measured], bool], tests: int, guess: float | None
) -> list[Measured]:
    sizes = spread(found, SIZES)
    done: list[Measured] = []
    low, high = -1, len(sizes)  # the largest good place, and the smallest that is not
    place = 0 if guess is None else max(sum(plan.macs <= guess for plan in sizes) - 1, 0)
    while high - low > 1 and len(done) < tests:
        # The last test of a family of which nothing was good is its smallest member, which says whether anything is.
        if low < 0 and done and len(done) == tests - 1:
            place = 0
        done.append(test(sizes[place]))
        low, high = (place, high) if good(done[-1]) else (low, place)
        place = (low + high) // 2
    return done


def spread(found: Sequence[Plan], count: int) -> list[Plan]:
    """At most ``count`` plans, evenly spaced in order, the first and the last among them."""
    last = len(found) - 1
    places = range(last + 1) if last < count else sorted({round(last * i / (count - 1)) for i in range(count)})
    return [found[place] for place in places]

"""A finished job as the data of its report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from vertebra.costs.count import cost
from vertebra.data.tally import Tally
from vertebra.data.threads import cores
from vertebra.fitting.exporting import Artifact, Verified
from vertebra.fitting.halving import Contender, merit
from vertebra.fitting.job import Job
from vertebra.fitting.measuring import Latency, Measured
from vertebra.report import study as report


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the last steps found."""

    artifact: Artifact
    verified: Verified
    latency: Latency
    judged: Tally
    """The artifact on the test part."""
    samples: tuple[report.SamplePicture, ...]
    mistakes: tuple[report.Mistake, ...]
    began: date
    created: datetime
    environment: dict[str, str]


def study_of(
    job: Job,
    winner: Contender,
    measured: Sequence[Measured],
    field: Sequence[Contender],
    outcome: Outcome,
    further: report.Further | None = None,
) -> report.Study:
    """Everything that the page and the card show."""
    dataset, request = job.look.dataset, job.folder.request
    rungs = {one.plan.name: one.rungs for one in field}
    last = winner.trainer.histories[-1].points[-1]
    return report.Study(
        title=f"{dataset.name}: {winner.plan.name}",
        created=outcome.created.isoformat(timespec="seconds"),
        study_started=outcome.began.isoformat(),
        days=(outcome.created.date() - outcome.began).days,
        data=_overview(job, outcome),
        budgets=request.budgets.said(),
        latency_budget_ms=request.budgets.latency_ms,
        candidates=tuple(
            _candidate(one, rungs.get(one.plan.name, ()), winner=one.plan.name == winner.plan.name) for one in measured
        ),
        winner=winner.plan.name,
        curves={one.plan.name: one.points for one in field},
        confusion=outcome.judged.confusion,
        val_accuracy=last.val_accuracy or 0.0,
        test_accuracy=outcome.judged.top1,
        test_n=outcome.judged.n,
        per_class={name: of for name, of in outcome.judged.per_class.items() if of is not None},
        mistakes=outcome.mistakes,
        costs=_costs(winner),
        artifact=report.Artifact(
            engine="ONNX Runtime",
            threads=cores(),
            bytes=len(outcome.artifact.portable),
            network_ms=outcome.latency.network_ms,
            preprocess_ms=outcome.latency.preprocess_ms,
            image_size=job.look.image,
            largest_difference=outcome.verified.largest_difference,
            agreeing=outcome.verified.agreeing,
            compared=outcome.verified.compared,
        ),
        steps=job.watch.steps,
        environment=outcome.environment,
        recipe=msgspec.to_builtins(winner.trainer.recipe),
        seed=request.seed,
        bundle=job.folder.out.name,
        brought=brought(field),
        further=further,
    )


def brought(field: Sequence[Contender]) -> report.Brought | None:
    """The best candidate that started from weights beside the best from scratch, after the last round that both kinds
    took part in: the same seconds for each.  None where there was no such round.
    """
    kinds = ([one for one in field if (one.plan.offer is not None) == tuned] for tuned in (True, False))
    tuned, scratch = ({one.plan.name: one for one in kind if one.rounds} for kind in kinds)
    both = min(max((len(one.rounds) for one in kind.values()), default=0) for kind in (tuned, scratch))
    if not both:
        return None
    best, plain = (
        max((one for one in kind.values() if len(one.rounds) >= both), key=lambda one: merit(one, both - 1))
        for kind in (tuned, scratch)
    )
    offer = best.plan.offer
    return report.Brought(
        round=both,
        seconds=best.rungs[both - 1].seconds,
        weights="" if offer is None else offer.said,
        pretrained=best.plan.name,
        pretrained_accuracy=best.rungs[both - 1].val_accuracy,
        scratch=plain.plan.name,
        scratch_accuracy=plain.rungs[both - 1].val_accuracy,
    )


def _overview(job: Job, outcome: Outcome) -> report.DataOverview:
    dataset = job.look.dataset
    counts = {part: dict.fromkeys(dataset.classes, 0) for part in dataset.parts}
    for part, samples in dataset.parts.items():
        for sample in samples:
            counts[part][dataset.classes[sample.label]] += 1
    return report.DataOverview(
        name=dataset.name,
        classes=dataset.classes,
        counts=counts,
        median_size=job.look.image,
        notes=job.look.inspection.notes,
        samples=outcome.samples,
        skipped=tuple((bad.path, bad.reason) for bad in job.look.skipped),
    )


def _candidate(one: Measured, rungs: tuple[report.Rung, ...], *, winner: bool) -> report.Candidate:
    plan = one.plan
    return report.Candidate(
        name=plan.name,
        family=plan.family,
        width=plan.width,
        depth=plan.depth,
        resolution=plan.resolution,
        params=plan.params,
        macs=plan.macs,
        bytes=one.bytes,
        network_ms=one.latency.network_ms,
        preprocess_ms=one.latency.preprocess_ms,
        fits=one.fits,
        over=one.over,
        accuracies=rungs,
        winner=winner,
        weights=None if plan.offer is None else plan.offer.said,
        licence=None if plan.offer is None else plan.offer.licence,
    )


def _costs(winner: Contender) -> tuple[report.StageCost, ...]:
    return tuple(
        report.StageCost(
            stage=part.part,
            block=part.block,
            depth=part.depth,
            width=part.width,
            stride=part.stride,
            output_shape=" x ".join(str(extent) for extent in part.leaves),
            params=part.params,
            macs=part.macs,
            activations=part.activations,
        )
        for part in cost(winner.plan.arch).parts
    )

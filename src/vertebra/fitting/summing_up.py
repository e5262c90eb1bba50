"""A finished job as the data of its report."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from vertebra.costs.count import cost
from vertebra.engines.engine import cores
from vertebra.fitting.exporting import Artifact, Verified
from vertebra.fitting.halving import Contender
from vertebra.fitting.job import Job
from vertebra.fitting.measuring import Latency, Measured
from vertebra.report import study as report


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The artifact on the test part; ``confusion`` has a row for each true class."""

    n: int
    accuracy: float
    confusion: tuple[tuple[int, ...], ...]
    per_class: dict[str, float]

    @classmethod
    def of(cls, truth: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Sequence[str]) -> Judged:
        """From labels int64[N] and probabilities float32[N, classes]."""
        size = len(classes)
        predicted = probabilities.argmax(axis=1)
        counts = np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)
        right, each = counts.diagonal(), counts.sum(axis=1)
        return cls(
            n=len(truth),
            accuracy=float(right.sum() / len(truth)),
            confusion=tuple(tuple(int(value) for value in row) for row in counts),
            per_class={name: float(right[i] / each[i]) for i, name in enumerate(classes) if each[i]},
        )


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the last steps found."""

    artifact: Artifact
    verified: Verified
    latency: Latency
    judged: Judged
    samples: tuple[report.SamplePicture, ...]
    mistakes: tuple[report.Mistake, ...]
    began: date
    created: datetime
    environment: dict[str, str]


def study_of(
    job: Job, winner: Contender, measured: Sequence[Measured], field: Sequence[Contender], outcome: Outcome
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
        test_accuracy=outcome.judged.accuracy,
        test_n=outcome.judged.n,
        per_class=outcome.judged.per_class,
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

"""The end of a job: export, verify, measure, test, report, bundle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from vertebra.bundle import manifest
from vertebra.bundle.bundle import Bundle, load_bundle
from vertebra.bundle.folder import write_bundle
from vertebra.data.tally import Tally
from vertebra.fitting.environment import environment
from vertebra.fitting.exporting import Artifact, artifact_probabilities, export, measure_artifact, verify
from vertebra.fitting.halving import Contender
from vertebra.fitting.job import Job
from vertebra.fitting.measuring import Latency, Measured, over
from vertebra.fitting.picturing import sample_pictures, surest_mistakes
from vertebra.fitting.run_folder import study_began
from vertebra.fitting.summing_up import Outcome, study_of
from vertebra.report.card import card
from vertebra.report.html import render_report
from vertebra.report.intervals import wilson
from vertebra.report.study import Brought, Further, Study
from vertebra.version import installed

FIXED_SECONDS = 6.0
"""Of the steps after the training: the emission, the measurement, the report."""


class FitResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a job leaves: the bundle's ``path``, and the figures of its network.

    ``test_accuracy`` is of the artifact on the test part, which took no part in any choice; ``latency_ms`` is the
    artifact's median at batch 1 on a picture of the data's median size.
    """

    path: Path
    architecture: str
    test_accuracy: float
    test_n: int
    val_accuracy: float
    latency_ms: float
    network_ms: float
    preprocess_ms: float
    params: int
    macs: int
    bytes: int
    seconds: float
    within_budgets: bool
    """Whether the finished artifact, measured again, still keeps every budget."""

    @property
    def bundle(self) -> Bundle:
        """The bundle, opened."""
        return load_bundle(self.path)

    def summary(self) -> dict[str, Any]:
        """As plain data."""
        figures = {name: getattr(self, name) for name in self.__struct_fields__ if name != "path"}
        return {"bundle": str(self.path), **figures}


def reserve(val: int, test: int, latency_ms: float) -> float:
    """Seconds that packing will take: each validation picture through artifact and network, each test picture once."""
    return FIXED_SECONDS + (2 * val + test) * (latency_ms + 0.2) / 1e3


def pack(
    job: Job,
    winner: Contender,
    measured: Sequence[Measured],
    field: Sequence[Contender],
    further: Further | None = None,
) -> FitResult:
    """Make the bundle of a trained network; raises EngineError where the artifact is not the network."""
    look, watcher = job.look, job.watcher
    dataset = look.dataset
    preprocess = job.preprocess(winner.plan)
    net = winner.trainer.network
    with job.watch.step("exporting and verifying"), watcher.task("verifying the artifact") as advance:
        artifact = export(net, winner.plan.arch, preprocess, dataset.classes)
        verified = verify(artifact, net, dataset, dataset.parts["val"], lambda done, total: advance(done, total, ""))
    with job.watch.step("measuring the artifact"):
        latency = _measured(job, artifact)
    with job.watch.step("testing"), watcher.task("testing the artifact") as advance:
        samples = dataset.parts["test"]
        probabilities = artifact_probabilities(artifact, dataset, samples, lambda done, total: advance(done, total, ""))
    truth = np.array([sample.label for sample in samples])
    judged = Tally.of(truth, probabilities.argmax(axis=1), dataset.classes)
    outcome = Outcome(
        artifact=artifact,
        verified=verified,
        latency=latency,
        judged=judged,
        samples=sample_pictures(dataset),
        mistakes=surest_mistakes(dataset, samples, probabilities),
        began=study_began(job.folder.out.parent),
        created=datetime.now(UTC),
        environment=environment(),
    )
    with job.watch.step("writing the report"):
        study = study_of(job, winner, measured, field, outcome, further)
        files = artifact.files() | _papers(job, winner, study, outcome)
    write_bundle(job.folder.out, files, version=installed(), force=job.folder.state.replaces)
    job.folder.remove()
    result = FitResult(
        path=job.folder.out,
        architecture=winner.plan.name,
        test_accuracy=judged.top1,
        test_n=judged.n,
        val_accuracy=study.val_accuracy,
        latency_ms=latency.total_ms,
        network_ms=latency.network_ms,
        preprocess_ms=latency.preprocess_ms,
        params=winner.plan.params,
        macs=winner.plan.macs,
        bytes=len(artifact.portable),
        seconds=job.watch.elapsed,
        within_budgets=over(latency, len(artifact.portable), job.folder.request.budgets) is None,
    )
    _say(job, result, study.brought)
    return result


def _measured(job: Job, artifact: Artifact) -> Latency:
    """The artifact's latency; where it is above the budget, the middle one of three, since machines hiccup."""
    budgets = job.folder.request.budgets
    first = measure_artifact(artifact, job.look.image)
    if over(first, len(artifact.portable), budgets) is None:
        return first
    again = [first, *(measure_artifact(artifact, job.look.image) for _ in range(2))]
    return sorted(again, key=lambda one: one.total_ms)[1]


def _papers(job: Job, winner: Contender, study: Study, outcome: Outcome) -> dict[str, bytes]:
    """The report, the card, and fit.json: all that is needed to do it again."""
    without_pictures = msgspec.structs.replace(
        study,
        data=msgspec.structs.replace(study.data, samples=()),
        mistakes=tuple(msgspec.structs.replace(one, png=b"") for one in study.mistakes),
    )
    record = {
        "vertebra": installed(),
        "request": job.folder.request,
        "state": job.folder.state,
        "recipe": winner.trainer.recipe,
        "cycles": [history.plan for history in winner.trainer.histories],
        "setting": winner.trainer.setting,
        "architecture_hash": winner.plan.arch.hash,
        "offer": winner.plan.offer,
        "fingerprint": job.folder.state.fingerprints.get(winner.plan.name),
        "verified": outcome.verified,
        "study": without_pictures,
    }
    return {
        "report.html": render_report(study).encode(),
        "card.md": card(study).encode(),
        manifest.RECORD: msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n",
    }


def _say(job: Job, result: FitResult, found: Brought | None) -> None:
    low, high = wilson(round(result.test_accuracy * result.test_n), result.test_n)
    job.watcher.say(
        f"{result.architecture}: {100 * result.test_accuracy:.2f}% of {result.test_n} test pictures "
        f"({100 * low:.1f} to {100 * high:.1f}), {result.latency_ms:.2f} ms "
        f"({result.network_ms:.2f} network, {result.preprocess_ms:.2f} preprocessing), {result.params:,} parameters"
    )
    if found is not None:
        job.watcher.say(
            f"pretrained: {found.pretrained} {100 * found.pretrained_accuracy:.1f}% after {found.seconds:.0f} s, "
            f"from scratch {found.scratch} {100 * found.scratch_accuracy:.1f}% ({found.points:+.1f} points, validation)"
        )
    if not result.within_budgets:
        budgets = " and ".join(job.folder.request.budgets.said())
        job.watcher.say(f"warning: measured again, the artifact no longer keeps {budgets}; is the machine busy?")
    job.watcher.say(f"bundle: {result.path}   report: {result.path / 'report.html'}   ({result.seconds:.0f} s)")

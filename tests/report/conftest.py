"""A study to report on: made up, but shaped like a run on handwritten digits."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from PIL import Image

from vertebra.report.study import (
    Allowance,
    Artifact,
    Candidate,
    DataOverview,
    Further,
    Line,
    Mistake,
    Point,
    Reach,
    Rung,
    SamplePicture,
    StageCost,
    Step,
    Study,
    Trained,
)

FAMILIES = ("cifar_resnet", "mobilenet_v2", "efficientnet", "densenet", "resnet")


def png(seed: int, side: int = 8) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def candidates_of(count: int, budget_ms: float) -> tuple[Candidate, ...]:
    """The first one wins; the slow ones are over the budget; of the rest the first twelve were trained."""
    dice = np.random.default_rng(3)
    made = []
    for index in range(count):
        family = FAMILIES[index % len(FAMILIES)]
        network = 0.62 if index == 0 else float(0.15 * 1.16 ** (index % 29) * dice.uniform(0.8, 1.2))
        fits = network + 0.05 <= budget_ms
        rounds = 3 if index == 0 else 2 if index < 6 else 1
        reached = 0.986 if index == 0 else 0.93 + 0.045 * float(dice.uniform()) + 0.004 * rounds
        rungs = [
            Rung(round=at, seconds=4.0 * 2**at, epochs=3.0 * 2**at, val_accuracy=reached - 0.01 * (rounds - at - 1))
            for at in range(rounds)
        ]
        made.append(
            Candidate(
                name=f"{family}-w{0.5 + index % 4 * 0.25:g}-d{1 + index % 3}",
                family=family,
                width=0.5 + index % 4 * 0.25,
                depth=1.0 + index % 3,
                resolution=(8, 16, 32)[index % 3],
                params=272_474 + 12_345 * index,
                macs=40_551_040 + 1_000_003 * index,
                bytes=4 * (272_474 + 12_345 * index),
                network_ms=network,
                preprocess_ms=0.05,
                fits=fits,
                over=None if fits else f"latency {network + 0.05:.2f} ms is over {budget_ms:g} ms",
                accuracies=tuple(rungs) if fits and index < 12 else (),
                winner=index == 0,
            )
        )
    return tuple(made)


def curve(index: int) -> tuple[Point, ...]:
    return tuple(
        Point(
            epoch=float(step),
            seconds=3.0 * step,
            train_loss=0.5 + 1.8 / (1 + step * (1 + 0.1 * index)),
            val_accuracy=0.985 - 0.01 * index - 0.6 / (1 + step),
            val_loss=None,
            learning_rate=0.1,
        )
        for step in range(1, 14 if index == 0 else 6)
    )


def further_of(candidates: tuple[Candidate, ...], budget_ms: float | None) -> Further:
    """Two families: 50 M MACs for each ms of the first, and something that was trained within the budget."""
    basis = budget_ms if budget_ms is not None else 0.67
    first = candidates[0]

    def reach(family: str, share: float, rate: float) -> Reach:
        ms = 0.95 * share * basis
        return Reach(
            family=family, name=f"{family}-at-{share:g}", resolution=32, params=round(5e5 * share),
            macs=round(rate * ms), ms=ms, low_ms=0.9 * ms, high_ms=1.1 * ms, measured=share == 1, last=share == 3,
        )  # fmt: skip

    rates = {first.family: 5e7, "densenet": 2e7}
    trained = Trained(name=first.name, family=first.family, latency_ms=0.67, val_accuracy=0.986, epochs=24.0)
    return Further(
        budgeted=budget_ms is not None,
        basis_ms=basis,
        predicted_by="profile 7 of this device",
        interval=(0.93, 1.08),
        checked=31,
        allowances=tuple(
            Allowance(
                latency_ms=share * basis,
                share=share,
                reaches=tuple(reach(family, share, rate) for family, rate in rates.items()),
                trained=trained if share == 1 else None,
            )
            for share in (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
        ),
        lines=tuple(
            Line(
                family=family,
                points=tuple((at * basis, round(rate * at * basis), f"{family}-{at}") for at in (0.5, 1, 3)),
            )
            for family, rate in rates.items()
        ),
    )


def study_of(
    classes: tuple[str, ...] = tuple(str(digit) for digit in range(10)),
    *,
    count: int = 60,
    budget_ms: float | None = 1.0,
    mistakes: int = 4,
    side: int = 8,
) -> Study:
    candidates = candidates_of(count, budget_ms if budget_ms is not None else 1e9)
    dice = np.random.default_rng(0)
    confusion = np.diag(np.full(len(classes), 27))
    for _ in range(mistakes):
        row = int(dice.integers(len(classes)))
        confusion[row, row] -= 1
        confusion[row, (row + 1) % len(classes)] += 1
    per_part = {"train": 125, "val": 27, "test": 27}
    tested = int(confusion.sum())
    return Study(
        title=f"vertebra fit digits: {len(classes)} classes",
        created="2031-05-17T14:03:22",
        study_started="2031-05-14",
        days=3,
        data=DataOverview(
            name="digits",
            classes=classes,
            counts={part: {name: size + i % 7 for i, name in enumerate(classes)} for part, size in per_part.items()},
            median_size=(8, 8),
            notes=("All pictures are grey.", "2 pictures of train are also in test."),
            samples=tuple(SamplePicture(png=png(i, side), label=classes[i % len(classes)]) for i in range(20)),
            skipped=(("train/3/broken.png", "the file ends early"),),
        ),
        budgets=() if budget_ms is None else (f"latency <= {budget_ms:g} ms",),
        latency_budget_ms=budget_ms,
        candidates=candidates,
        winner=candidates[0].name,
        curves={one.name: curve(i) for i, one in enumerate(candidates) if one.accuracies},
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
        val_accuracy=0.986,
        test_accuracy=(tested - mistakes) / tested,
        test_n=tested,
        per_class={name: confusion[i, i] / 27 for i, name in enumerate(classes)},
        mistakes=tuple(
            Mistake(
                path=f"test/{classes[i % len(classes)]}/{i:04d}.png",
                png=png(100 + i, side),
                truth=classes[i % len(classes)],
                predicted=classes[(i + 1) % len(classes)],
                probability=0.99 - 0.05 * i,
            )
            for i in range(mistakes)
        ),
        costs=(
            StageCost(
                stage="stem", block="Conv 3x3", depth=1, width=16, stride=1, output_shape="16 x 32 x 32",
                params=464, macs=442_368, activations=16_384,
            ),
            StageCost(
                stage="1", block="Basic", depth=3, width=16, stride=1, output_shape="16 x 32 x 32",
                params=14_016, macs=14_155_776, activations=98_304,
            ),
            StageCost(
                stage="head", block="GlobalPool, Linear", depth=1, width=10, stride=1, output_shape="10",
                params=650, macs=640, activations=0,
            ),
        ),
        artifact=Artifact(
            engine="onnxruntime 1.30", threads=2, bytes=1_093_112, network_ms=0.624, preprocess_ms=0.051,
            image_size=(8, 8), largest_difference=2.4e-7, agreeing=270, compared=270,
        ),
        steps=(
            Step(name="reading and inspecting the data", seconds=0.41),
            Step(name="measuring candidates", seconds=14.2),
            Step(name="successive halving", seconds=61.0),
            Step(name="training the winner", seconds=44.7),
        ),
        environment={"machine": "AMD EPYC, 2 cores", "python": "3.11.7", "day": str(date(2031, 5, 17))},
        recipe={"epochs": 40, "label_smoothing": 0.1, "schedule": {"name": "cosine", "warm_up": 2}},
        seed=17,
        bundle="runs/digits-1",
        further=further_of(candidates, budget_ms),
    )  # fmt: skip


@pytest.fixture
def make_study() -> Callable[..., Study]:
    return study_of


@pytest.fixture
def study() -> Study:
    return study_of()

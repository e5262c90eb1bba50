"""Whatever a study holds, it goes to JSON and back, and page and card can be made of it."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vertebra.report.card import card
from vertebra.report.html import render_report
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

WORDS = st.text(max_size=30)
COUNT = st.integers(0, 2**53)
SHARE = st.floats(0, 1)
TIME = st.floats(0, allow_nan=False, allow_infinity=False)
MAYBE_TIME = st.none() | TIME
SIDE = st.integers(1, 10_000)


def some(strategy: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


RUNG = st.builds(Rung, round=st.integers(0, 9), seconds=TIME, epochs=TIME, val_accuracy=SHARE)
CANDIDATE = st.builds(
    Candidate, name=WORDS, family=WORDS, width=TIME, depth=TIME, resolution=SIDE, params=COUNT, macs=COUNT, bytes=COUNT,
    network_ms=MAYBE_TIME, preprocess_ms=MAYBE_TIME, fits=st.booleans(), over=st.none() | WORDS, accuracies=some(RUNG),
    winner=st.booleans(),
)  # fmt: skip
POINT = st.builds(
    Point, epoch=TIME, seconds=TIME, train_loss=MAYBE_TIME, val_accuracy=st.none() | SHARE, val_loss=MAYBE_TIME,
    learning_rate=TIME,
)  # fmt: skip
MISTAKE = st.builds(Mistake, path=WORDS, png=st.binary(max_size=40), truth=WORDS, predicted=WORDS, probability=SHARE)
COST = st.builds(
    StageCost, stage=WORDS, block=WORDS, depth=COUNT, width=COUNT, stride=COUNT, output_shape=WORDS, params=COUNT,
    macs=COUNT, activations=COUNT,
)  # fmt: skip
ARTIFACT = st.builds(
    Artifact, engine=WORDS, threads=COUNT, bytes=COUNT, network_ms=TIME, preprocess_ms=TIME,
    image_size=st.tuples(SIDE, SIDE), largest_difference=SHARE, agreeing=COUNT, compared=COUNT,
)  # fmt: skip
RECIPE = st.dictionaries(
    WORDS, st.none() | st.booleans() | COUNT | SHARE | WORDS | st.lists(WORDS, max_size=2), max_size=3
)
REACH = st.builds(
    Reach, family=WORDS, name=WORDS, resolution=SIDE, params=COUNT, macs=COUNT, ms=TIME, low_ms=TIME, high_ms=TIME,
    measured=st.booleans(), last=st.booleans(),
)  # fmt: skip
TRAINED = st.builds(Trained, name=WORDS, family=WORDS, latency_ms=TIME, val_accuracy=SHARE, epochs=TIME)
ALLOWANCE = st.builds(Allowance, latency_ms=TIME, share=TIME, reaches=some(REACH), trained=st.none() | TRAINED)
FURTHER = st.builds(
    Further, budgeted=st.booleans(), basis_ms=TIME, predicted_by=WORDS, interval=st.tuples(TIME, TIME), checked=COUNT,
    allowances=some(ALLOWANCE), lines=some(st.builds(Line, family=WORDS, points=some(st.tuples(TIME, COUNT, WORDS)))),
)  # fmt: skip


@st.composite
def studies(draw: st.DrawFn) -> Study:
    classes = tuple(draw(st.lists(WORDS, min_size=2, max_size=5, unique=True)))
    some_classes = st.sampled_from(classes)
    data = st.builds(
        DataOverview, name=WORDS, classes=st.just(classes),
        counts=st.dictionaries(WORDS, st.dictionaries(some_classes, COUNT), max_size=3),
        median_size=st.tuples(SIDE, SIDE), notes=some(WORDS), skipped=some(st.tuples(WORDS, WORDS)),
        samples=some(st.builds(SamplePicture, png=st.binary(max_size=40), label=WORDS)),
    )  # fmt: skip
    row = st.tuples(*[COUNT] * len(classes))
    whole = st.builds(
        Study, title=WORDS, created=WORDS, study_started=WORDS, days=st.integers(0, 10_000), data=data,
        budgets=some(WORDS), latency_budget_ms=MAYBE_TIME, candidates=some(CANDIDATE, 6), winner=WORDS,
        curves=st.dictionaries(WORDS, some(POINT), max_size=3), confusion=st.tuples(*[row] * len(classes)),
        val_accuracy=SHARE, test_accuracy=SHARE, test_n=COUNT, per_class=st.dictionaries(some_classes, SHARE),
        mistakes=some(MISTAKE), costs=some(COST), artifact=ARTIFACT,
        steps=some(st.builds(Step, name=WORDS, seconds=TIME)),
        environment=st.dictionaries(WORDS, WORDS, max_size=3), recipe=RECIPE, seed=COUNT, bundle=WORDS,
        further=st.none() | FURTHER,
    )  # fmt: skip
    return draw(whole)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(studies())
def test_any_study_becomes_a_page_and_a_card(study: Study) -> None:
    page = render_report(study)
    assert page.count("<section") == 12 + (study.further is not None)
    assert "<script" not in page
    assert card(study).startswith("# ")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(studies())
def test_any_study_goes_through_json(study: Study) -> None:
    assert msgspec.json.decode(msgspec.json.encode(study), type=Study) == study

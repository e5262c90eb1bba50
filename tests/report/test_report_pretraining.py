"""What the page and the card say of pretrained weights."""

from __future__ import annotations

import msgspec
import pytest

from vertebra.report.card import card
from vertebra.report.html import render_report
from vertebra.report.study import Brought, Study

BROUGHT = Brought(
    round=2,
    seconds=90.0,
    weights="torchvision:<b>",
    pretrained="tuned",
    pretrained_accuracy=0.875,
    scratch="plain",
    scratch_accuracy=0.75,
)


def with_weights(study: Study, brought: Brought | None, licence: str | None) -> Study:
    """The winner began with weights."""
    candidates = tuple(
        msgspec.structs.replace(one, weights="torchvision:<b>", licence=licence) if one.winner else one
        for one in study.candidates
    )
    return msgspec.structs.replace(study, candidates=candidates, brought=brought)


@pytest.mark.parametrize(("accuracy", "said"), [(0.875, "12.5 points above"), (0.5, "25.0 points below")])
def test_the_page_sets_both_kinds_side_by_side(study: Study, accuracy: float, said: str) -> None:
    found = msgspec.structs.replace(BROUGHT, pretrained_accuracy=accuracy)
    page = render_report(with_weights(study, found, None))
    assert said in page and "After round 2" in page and "torchvision:&lt;b&gt;" in page and "<b>torchvision" not in page
    assert "What pretrained weights brought" not in render_report(study)


@pytest.mark.parametrize(("licence", "said"), [("bsd-3-clause", "licence: bsd-3-clause"), (None, "look up")])
def test_the_card_names_the_weights_and_their_licence(study: Study, licence: str | None, said: str) -> None:
    text = card(with_weights(study, BROUGHT, licence))
    assert "fine-tuned from pretrained weights, torchvision:&lt;b&gt;" in text and said in text
    assert "87.5%" in text and "75.0%" in text
    assert "fine-tuned" not in card(study)

from __future__ import annotations

import msgspec
import pytest

from vertebra.report.card import card, escaped
from vertebra.report.study import Study


def test_the_card_says_what_a_user_must_know(study: Study) -> None:
    text = card(study)
    for phrase in (
        "# vertebra fit digits: 10 classes", "98.5% on 270 test images", "96.3% to 99.4%", "0.675 ms", "0.624 ms",
        "on AMD EPYC, 2 cores", "15,130", "14,598,784", "1.09 MB", "`preprocess.json`", "## Limits",
        "vertebra predict runs/digits-1 cat.jpg", 'vertebra.load_bundle("runs/digits-1")', "seed 17",
        "latency &lt;= 1 ms", "cifar\\_resnet-w0.5-d1",
    ):  # fmt: skip
        assert phrase in text, phrase


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a*b_c`d", "a\\*b\\_c\\`d"),
        ("<script> & co", "&lt;script&gt; &amp; co"),
        ("# heading\n\n## another", "\\# heading ## another"),
        ("1. first", "1\\. first"),
        ("- item", "\\- item"),
        ("[x](javascript:1)", "\\[x\\](javascript:1)"),
        ("a\x00b\udcff", "a\ufffdb\ufffd"),
    ],
)
def test_text_stays_text(words: str, shown: str) -> None:
    assert escaped(words) == shown


def test_a_bundle_with_an_odd_name_is_quoted(study: Study) -> None:
    odd = msgspec.structs.replace(study, bundle='it\'s ```mine```; rm -rf "x"')
    text = card(odd)
    assert "vertebra predict 'it'\"'\"'s ```mine```; rm -rf \"x\"' cat.jpg" in text
    assert 'load_bundle("it\'s ```mine```; rm -rf \\"x\\"")' in text
    assert "````sh" in text  # a fence longer than what it holds


def test_a_card_names_at_most_a_hundred_classes(study: Study) -> None:
    data = msgspec.structs.replace(study.data, classes=tuple(f"c{i}" for i in range(130)))
    assert "c99, and 30 more (`labels.json`)" in card(msgspec.structs.replace(study, data=data))

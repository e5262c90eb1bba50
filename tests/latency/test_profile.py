"""Profiles as documents: what is stored is read back, and nothing that is stored can do harm."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.latency.made_up import made_up_profile
from tests.latency.small import small
from vertebra.errors import ProfileError
from vertebra.latency.predictor import Predictor
from vertebra.latency.profile import VERSION, Profile, TimedNetwork, TimedUnit
from vertebra.latency.stored import StoredProfile, file_text, from_file
from vertebra.latency.units import Unit, tally

COUNTS = tally(small())
PROFILE = msgspec.structs.replace(
    made_up_profile(),
    units=tuple(TimedUnit(unit, None if unit.kind == "linear" else 0.25, 3) for unit in COUNTS),
    networks=(TimedNetwork("small", "own", True, tuple(enumerate(COUNTS.values())), 1.5),),
)
STORED = PROFILE.stored()


def with_document(document: str | bytes) -> StoredProfile:
    text = document if isinstance(document, str) else document.decode()
    return msgspec.structs.replace(STORED, document=text, number=7)


def changed(**fields: Any) -> StoredProfile:
    """The document with other fields at its top."""
    return with_document(msgspec.json.encode(msgspec.json.decode(STORED.document) | fields))


def test_what_is_stored_is_read_back() -> None:
    assert Profile.of(STORED) == PROFILE
    assert Profile.of(from_file(file_text(STORED).encode(), "file")) == PROFILE
    assert (STORED.device, STORED.setting, STORED.version, STORED.made) == (
        PROFILE.device, PROFILE.setting, PROFILE.version, PROFILE.made,
    )  # fmt: skip
    assert {"device", "setting"}.isdisjoint(msgspec.json.decode(STORED.document)), "they are kept beside it"


def test_a_newer_one_is_refused_whatever_is_in_it() -> None:
    line = (
        f"profile 7: was made by a newer vertebra, as document {VERSION + 1} (allowed: document {VERSION}); "
        "update vertebra"
    )
    for document in (changed(document=VERSION + 1), with_document(f'{{"document": {VERSION + 1}, "new": {{}}}}')):
        with pytest.raises(ProfileError) as error:
            Profile.of(document)
        assert str(error.value) == line


def test_an_older_one_is_refused() -> None:
    line = f"profile 7: was made by an older vertebra, as document 1 (allowed: document {VERSION}); build it again"
    with pytest.raises(ProfileError) as error:
        Profile.of(changed(document=1))
    assert str(error.value) == line


def unit(**fields: Any) -> list[dict[str, Any]]:
    """A list of one timed unit with other fields."""
    return [{"unit": list(Unit("conv", (3, 8, 8), (4, 8, 8))._replace(**fields))}]


NANS = {"shape": [1], "data": base64.b64encode(np.array([np.nan], "<f4").tobytes()).decode()}


@pytest.mark.parametrize(
    "broken",
    [
        with_document(""), with_document("null"), with_document("[]"), with_document("{}"), with_document("{"),
        with_document("\ud800"),
        with_document(f'{{"document": {VERSION}, "deep": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        with_document(STORED.document[:-1]), with_document(STORED.document.replace("1.5", "NaN")),
        with_document(STORED.document.replace("1.5", "1e999")), with_document(STORED.document.replace("1.5", "-1.5")),
        changed(document=0), changed(document=-1), changed(document="1"), changed(document=1.5), changed(more=1),
        changed(units=unit(kind="attention")), changed(units=unit(kind="x" * 10_000)),
        changed(units=unit(act="swoosh")),
        changed(units=unit(enters=())), changed(units=unit(enters=(3, 8))), changed(units=unit(leaves=(0, 8, 8))),
        changed(units=unit(leaves=(3, -8, 8))), changed(units=unit(kernel=(0, 1))), changed(units=unit(groups=0)),
        changed(units=unit(joins=-1)), changed(units=unit(norm=None)), changed(units=[{"unit": ["conv"]}]),
        changed(units=[]),
        changed(networks=[{"name": "n", "family": "f", "whole": True, "units": [[0, 0]], "ms": 1.0}]),
        changed(networks=[{"name": "n", "family": "f", "whole": True, "units": [[-1, 1]], "ms": 1.0}]),
        changed(networks=[{"name": "n", "family": "f", "whole": True, "units": [], "ms": 1.0}]),
        changed(interval=[1.1, 0.9]), changed(interval=[0, 1]), changed(interval=[None, 1]), changed(interval=[1]),
        changed(estimator={**msgspec.to_builtins(PROFILE.estimator), "mean": NANS, "scale": NANS}),
        changed(estimator={**msgspec.to_builtins(PROFILE.estimator), "streaming": {"ms_per_mb": 1, "cache_mb": 0}}),
        changed(estimator=None), changed(pace={"work_ms": 0, "start_ms": 1}), changed(seconds="long"),
    ],
)  # fmt: skip
def test_corrupt_ones_are_refused_in_one_line(broken: StoredProfile) -> None:
    with pytest.raises(ProfileError) as error:
        Profile.of(broken)
    assert str(error.value).startswith("profile 7: ") and "\n" not in str(error.value) and len(str(error.value)) < 400


def harmless(document: str | bytes) -> None:
    """Refused by a typed error, or good enough to give times that are numbers."""
    try:
        predictor = Predictor.of(Profile.of(with_document(document)))
        found = predictor.predict(small())
    except ProfileError:
        return
    except UnicodeDecodeError:
        return  # bytes that are no text: the database and files refuse them before
    assert 0 < found.ms < float("inf") and found.low <= found.high


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_bytes_that_tipped_over(data: st.DataObject) -> None:
    document = bytearray(STORED.document.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(document) - 1))
        document[place] = data.draw(st.integers(32, 126))
    harmless(bytes(document))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_value_at_any_place(data: st.DataObject) -> None:
    """Walk down the document by chance, and put something else there."""
    document: Any = msgspec.json.decode(STORED.document)
    at = document
    while True:
        keys = sorted(at) if isinstance(at, dict) else range(len(at))
        key = data.draw(st.sampled_from(keys))
        below = at[key]
        if not isinstance(below, dict | list) or not below or data.draw(st.booleans()):
            at[key] = data.draw(JSON)
            break
        at = below
    try:
        text = msgspec.json.encode(document)
    except (msgspec.MsgspecError, OverflowError, UnicodeEncodeError):  # what no document can say
        return
    harmless(text)

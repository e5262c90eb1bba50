"""Profiles that travel: verified when they come in, and taken for a device only where they are of it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.latency.test_database import BF16, FP32, HERE, PHONE, profile
from vertebra.errors import ProfileError
from vertebra.latency import stored
from vertebra.latency.stored import StoredProfile, canonical, chosen, file_text, from_file, identity, read_file

# Numbers that JSON holds in 64 bits, and text that UTF-8 holds.
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | (
    st.text(st.characters(codec="utf-8"), max_size=8)
)  # fmt: skip
DOCUMENTS = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


@given(DOCUMENTS)
def test_out_and_in(document: object) -> None:
    one = profile(document=canonical(msgspec.json.encode(document)))
    assert from_file(file_text(one).encode(), "file") == one


def test_another_layout_is_the_same_profile() -> None:
    text = file_text(profile())
    assert from_file(json.dumps(json.loads(text), indent=7).encode(), "file") == profile()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("document", "units", 0), 2),
        (("document",), {}),
        (("device", "processor"), "another"),
        (("setting", "threads"), 1),
        (("engine",), "onnxruntime 9"),
        (("made",), "2027"),
        (("sha256",), "0" * 64),
    ],
)
def test_a_change_is_noticed(path: tuple, value: object) -> None:
    data = json.loads(file_text(profile()))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ProfileError, match=r"^p\.json: was changed after it was exported: its checksum differs"):
        from_file(json.dumps(data).encode(), "p.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "was written by a newer vertebra, as version 2 (allowed: version 1); update vertebra"),
        ({"format": "vertebra-bundle"}, "is no profile; give a file of `vertebra profile export`"),
        ({"more": 1}, "is no profile: Object contains unknown field `more`"),
        ({"document": None, "device": 3}, "is no profile: Expected `object`, got `int` - at `$.device`"),
        ({"setting": {"engine": "tflite"}}, "is no profile: engine: unknown engine 'tflite'"),
    ],
)
def test_other_files(change: dict, said: str) -> None:
    data = {**json.loads(file_text(profile())), **change}
    with pytest.raises(ProfileError) as found:
        from_file(json.dumps(data).encode(), "p.json")
    assert str(found.value).startswith(f"p.json: {said}")


@given(st.binary(max_size=200) | DOCUMENTS.map(lambda one: json.dumps(one).encode()))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(ProfileError, match=r"^x: "):
        from_file(data, "x")


@given(st.floats(0, 0.9999), st.integers(0, 255))
def test_any_changed_byte(place: float, value: int) -> None:
    """The same profile (white space, mostly), or ProfileError."""
    data = file_text(profile()).encode()
    at = int(place * len(data))
    try:
        assert from_file(data[:at] + bytes([value]) + data[at + 1 :], "x") == profile()
    except ProfileError as error:
        assert str(error).startswith("x: ")


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProfileError, match="cannot be read: No such file"):
        read_file(tmp_path / "absent.json")
    with pytest.raises(ProfileError, match="cannot be read"):
        read_file(tmp_path)
    monkeypatch.setattr(stored, "MOST_BYTES", 100)
    (tmp_path / "large.json").write_text(" " * 500)
    data = read_file(tmp_path / "large.json")
    assert len(data) == 101
    with pytest.raises(ProfileError, match="larger than"):
        from_file(data, "large.json")


# -- the profile for a device ---------------------------------------------------------------------------------------


def numbered(*profiles: StoredProfile) -> tuple[StoredProfile, ...]:
    return tuple(msgspec.structs.replace(one, number=number) for number, one in enumerate(profiles, 1))


def test_the_latest_of_this_device_and_setting() -> None:
    kept = numbered(profile(), profile(BF16), profile(document="{}"), profile(device=PHONE))
    assert chosen(kept, FP32, HERE).number == 3
    assert chosen(kept, BF16, HERE).number == 2
    assert chosen(kept, FP32, PHONE).number == 4
    updated = msgspec.structs.replace(HERE, system="Linux 7", memory_bytes=0)
    assert identity(updated) == identity(HERE) != identity(PHONE)
    assert chosen(kept, FP32, updated).number == 3


def test_of_another_device() -> None:
    kept = numbered(profile(BF16, HERE), profile(FP32, PHONE))
    with pytest.raises(ProfileError) as found:
        chosen(kept, FP32, HERE)
    assert "on this device: number 2 is of another device, Cortex" in str(found.value)
    assert "--anyway" in str(found.value)
    assert chosen(kept, FP32, HERE, anyway=True).number == 2


def test_of_another_setting() -> None:
    kept = numbered(profile(BF16, PHONE), profile(BF16, HERE))
    with pytest.raises(ProfileError, match="number 2 is of another setting, openvino bf16, batch 1, 2 threads"):
        chosen(kept, FP32, HERE)
    assert chosen(kept, FP32, HERE, anyway=True).number == 2


def test_none_at_all() -> None:
    for anyway in (False, True):
        with pytest.raises(ProfileError, match=r"^there is no profile of .*; make one with `vertebra profile build`$"):
            chosen((), FP32, HERE, anyway=anyway)

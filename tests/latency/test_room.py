"""Networks are ready together as far as the engine and the memory allow."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.engines.device import describe
from vertebra.latency import room
from vertebra.latency.room import groups, ready_bytes


@given(st.lists(st.integers(0, 100), max_size=40), st.integers(1, 8), st.integers(1, 200))
def test_groups(sizes: list[int], most: int, limit: int) -> None:
    found = groups(sizes, most, limit)
    assert [place for one in found for place in one] == list(range(len(sizes)))
    for one in found:
        assert 1 <= len(one) <= most
        assert len(one) == 1 or sum(sizes[place] for place in one) <= limit
    for one, after in pairwise(found):  # none is smaller than it need be
        assert len(one) == most or sum(sizes[place] for place in one) + sizes[after[0]] > limit


def test_a_machine_with_little_memory_has_fewer_ready_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, held in ((1 << 30, 1 << 28), (64 << 30, 2 << 30), (0, 2 << 30)):  # 0: it is not known
        here = msgspec.structs.replace(describe(), memory_bytes=has)
        monkeypatch.setattr(room, "describe", lambda here=here: here)
        assert ready_bytes() == held

"""Two sequences side by side: against every possible pairing."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from vertebra.costs import alignment
from vertebra.costs.alignment import aligned

WORDS = st.text("abc", max_size=6)


def longest_common(one: str, other: str) -> int:
    """The length of the longest common subsequence, by trying every subsequence."""
    found = {"".join(part) for size in range(len(one) + 1) for part in combinations(one, size)}
    also = {"".join(part) for size in range(len(other) + 1) for part in combinations(other, size)}
    return max(map(len, found & also))


@given(WORDS, WORDS)
def test_equal_elements_make_a_longest_common_subsequence(one, other):
    pairs = list(aligned(one, other, lambda a, b: a == b))
    assert "".join(a for a, _ in pairs if a is not None) == one
    assert "".join(b for _, b in pairs if b is not None) == other
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    assert all(a == b for a, b in both) and len(both) == longest_common(one, other)


def best_sum(one, other, likeness) -> int:
    """The largest sum over all pairings that keep both orders."""
    sizes = range(min(len(one), len(other)) + 1)
    return max(
        sum(likeness(one[i], other[j]) for i, j in zip(rows, columns, strict=True))
        for size in sizes
        for rows in combinations(range(len(one)), size)
        for columns in combinations(range(len(other)), size)
    )


@given(st.lists(st.integers(0, 5), max_size=5), st.lists(st.integers(0, 5), max_size=5))
def test_the_sum_of_likeness_is_the_largest(one, other):
    def likeness(a: int, b: int) -> int:
        return a * b % 4  # no order, and 0 for some

    pairs = [(a, b) for a, b in aligned(one, other, likeness) if a is not None and b is not None]
    assert all(likeness(a, b) for a, b in pairs)
    assert sum(likeness(a, b) for a, b in pairs) == best_sum(one, other, likeness)


def test_too_many_pairs_are_laid_place_by_place(monkeypatch):
    monkeypatch.setattr(alignment, "MOST", 5)
    assert list(aligned("abc", "bc", lambda a, b: a == b)) == [("a", "b"), ("b", "c"), ("c", None)]

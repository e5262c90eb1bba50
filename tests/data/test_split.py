"""The split: stratified, seeded, and the same everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertebra.data.archive import MemorySource
from vertebra.data.sources import Dataset, Sample
from vertebra.data.split import split, thinned
from vertebra.errors import DataError


def dataset(parts, prefix=""):
    """From {part: {class: count}}."""
    classes = tuple(sorted(parts["train"]))
    return Dataset(name="x", root="x", classes=classes, parts={}, source=MemorySource({})).with_parts(
        {
            part: [
                Sample(f"{prefix}{part}/{name}/{i:04}.png", classes.index(name)) for name in of for i in range(of[name])
            ]
            for part, of in parts.items()
        }
    )


def counts(data):
    return {
        part: [sum(s.label == label for s in samples) for label in range(len(data.classes))]
        for part, samples in data.parts.items()
    }


def test_each_class_is_cut_alike():
    result = split(dataset({"train": {"a": 100, "b": 20, "c": 3}}), seed=0, val=0.1, test=0.2)
    assert counts(result) == {"train": [70, 14, 1], "val": [10, 2, 1], "test": [20, 4, 1]}
    assert list(result.parts) == ["train", "val", "test"]


def test_a_tiny_class_stays_in_train():
    assert counts(split(dataset({"train": {"a": 100, "b": 2, "c": 1}}), seed=0)) == {
        "train": [70, 2, 1],
        "val": [15, 0, 0],
        "test": [15, 0, 0],
    }


def test_too_few_for_any_part():
    with pytest.raises(DataError, match="too few images to cut a test part"):
        split(dataset({"train": {"a": 2, "b": 2}}), seed=0)


@pytest.mark.parametrize("given_part", ["val", "test"])
def test_a_given_part_stays_and_the_missing_one_comes_from_train(given_part):
    data = dataset({"train": {"a": 20, "b": 20}, given_part: {"a": 5, "b": 7}})
    result = split(data, seed=3, val=0.25, test=0.25)
    missing = {"val": "test", "test": "val"}[given_part]
    assert result.parts[given_part] == data.parts[given_part]
    assert counts(result)["train"] == [15, 15]
    assert counts(result)[missing] == [5, 5]
    assert set(result.parts["train"]) | set(result.parts[missing]) == set(data.parts["train"])


def test_nothing_to_do():
    data = dataset({"train": {"a": 2, "b": 2}, "val": {"a": 1}, "test": {"b": 1}})
    assert split(data, seed=0) == data


def test_seeds_differ_and_repeat():
    data = dataset({"train": {"a": 50, "b": 50}})
    assert split(data, seed=1) == split(data, seed=1)
    assert split(data, seed=1).parts["test"] != split(data, seed=2).parts["test"]


def test_the_split_is_the_same_on_every_machine():
    """Golden: what the hash gave when this was written; a change moves every user's held-out part."""
    result = split(dataset({"train": {"a": 6, "b": 6}}), seed=0)
    assert [s.path for s in result.parts["test"]] == ["train/a/0003.png", "train/b/0005.png"]


def test_order_and_surroundings_do_not_matter():
    data = dataset({"train": {"a": 30, "b": 30}})
    backwards = data.with_parts({"train": data.parts["train"][::-1]})
    assert split(backwards, seed=5) == split(data, seed=5)
    wrapped = split(dataset({"train": {"a": 30, "b": 30}}, prefix="some/where/"), seed=5)
    assert [s.path.removeprefix("some/where/") for s in wrapped.parts["test"]] == [
        s.path for s in split(data, seed=5).parts["test"]
    ]


def test_another_class_moves_nobody():
    few, more = dataset({"train": {"a": 30, "b": 30}}), dataset({"train": {"a": 30, "b": 30, "c": 9}})
    paths = [{s.path for s in split(data, seed=5).parts["test"] if "/c/" not in s.path} for data in (few, more)]
    assert paths[0] == paths[1]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(1, 40), min_size=2),
    st.integers(0, 2**40),
    st.floats(0.01, 0.98),
    st.floats(0.01, 0.98),
)
def test_parts_are_a_partition_and_train_keeps_every_class(sizes, seed, val, test):
    data = dataset({"train": sizes})
    if val + test >= 1 or max(sizes.values()) < 3:
        with pytest.raises(DataError):
            split(data, seed=seed, val=val, test=test)
        return
    result = split(data, seed=seed, val=val, test=test)
    assert sorted(s.path for s in result.samples) == [s.path for s in data.samples]
    assert min(counts(result)["train"]) >= 1
    for size, one, other in zip(
        [sizes[name] for name in result.classes], counts(result)["val"], counts(result)["test"], strict=True
    ):
        assert (one >= 1 and other >= 1) == (size >= 3)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"val": 0}, "split.val"),
        ({"val": 1.0}, "split.val"),
        ({"test": -0.1}, "split.test"),
        ({"test": "x"}, "split.test"),
        ({"test": float("nan")}, "split.test"),
        ({"val": 0.5, "test": 0.5}, "split"),
        ({"seed": 1.5}, "split.seed"),
    ],
)
def test_fractions_without_sense(arguments, where):
    with pytest.raises(DataError) as caught:
        split(dataset({"train": {"a": 9, "b": 9}}), **{"seed": 0, **arguments})
    assert str(caught.value).startswith(where + ": ")


def test_thinned_keeps_the_shares_and_the_other_parts():
    data = dataset({"train": {"a": 100, "b": 20, "c": 3}, "test": {"a": 7}})
    few = thinned(data, 41, seed=0)
    # 41 of 123 is a third: 33 1/3, 6 2/3 and 1; what rounding down leaves goes to the largest remainder
    assert counts(few) == {"train": [33, 7, 1], "test": [7, 0, 0]}
    assert set(few.parts["train"]) < set(data.parts["train"])
    assert thinned(data, 41, seed=0) == few != thinned(data, 41, seed=1)
    assert thinned(data, 123, seed=0) == thinned(data, 10_000, seed=0) == data


@settings(max_examples=60)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=8), st.integers(2, 300))
def test_thinned_is_exact_and_loses_no_class(sizes, images):
    data = dataset({"train": {f"c{label}": count for label, count in enumerate(sizes)}})
    if images < len(sizes):
        with pytest.raises(DataError, match=f"allowed: an integer from {len(sizes)}, one of each class"):
            thinned(data, images, seed=0)
        return
    kept = counts(thinned(data, images, seed=0))["train"]
    assert sum(kept) == min(images, sum(sizes))
    assert all(1 <= one <= size for one, size in zip(kept, sizes, strict=True))

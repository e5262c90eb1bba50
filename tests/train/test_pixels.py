from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.train.helpers import GREY8, RGB, noise
from vertebra.data.preprocess import Preprocess, normalised
from vertebra.errors import DataError
from vertebra.train.draws import Draws, draws, order
from vertebra.train.pixels import Pixels
from vertebra.train.recipe import Augmentation


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from((RGB, GREY8, Preprocess(size=5, resize=5, mean=(0.1, 0.2, 0.3), std=(0.9, 1, 2)))),
)
def test_batches_equal_the_one_preprocessing_to_the_last_bit(seed, preprocess):
    images = np.random.default_rng(seed).integers(0, 256, (6, preprocess.size, preprocess.size, 3), dtype=np.uint8)
    pixels = Pixels(images, np.zeros(6, np.int64), preprocess)
    expected = normalised(images, preprocess)
    assert np.array_equal(pixels.batch(torch.arange(6)).numpy(), expected)
    assert np.array_equal(np.concatenate([batch.numpy() for batch, _ in pixels.batches(4)]), expected)
    assert pixels.batch(torch.arange(6)).is_contiguous(memory_format=torch.channels_last)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(0, 12), st.booleans(), st.integers(0, 99))
def test_crop_and_flip_are_numpy_pad_and_slice(size, crop, flip, seed):
    preprocess = Preprocess(size=size, resize=size)
    pixels = noise(4, preprocess=preprocess)
    border = "reflect" if crop < size else "zero"  # numpy reflects more than once alike, but slices get long
    drawn = draws(4, Augmentation(crop=crop, flip=flip, border=border), seed, 0)
    mode = "reflect" if border == "reflect" else "constant"
    changed = np.stack(
        [
            _slice(image, int(row), int(column), bool(mirrored), crop, mode)
            for image, row, column, mirrored in zip(
                pixels.images.numpy(), drawn.rows, drawn.columns, drawn.mirrored, strict=True
            )
        ]
    )
    result = pixels.batch(torch.arange(4), drawn, border).numpy()
    assert np.array_equal(result, normalised(changed, preprocess))


def _slice(image, row, column, mirrored, crop, mode):
    size = len(image)
    padded = np.pad(image, ((crop, crop), (crop, crop), (0, 0)), mode=mode)
    window = padded[crop + row : crop + row + size, crop + column : crop + column + size]
    return window[:, ::-1] if mirrored else window


def test_draws_differ_between_pictures_epochs_and_seeds_and_come_again():
    augmentation = Augmentation(crop=4, flip=True, rotation=10, scale=0.1)
    one = draws(1000, augmentation, 7, 3)
    assert one.rows.unique().tolist() == list(range(-4, 5)) == one.columns.unique().tolist()
    assert 400 < int(one.mirrored.sum()) < 600
    assert len(one.turn.flatten(1).unique(dim=0)) == 1000
    assert not torch.equal(one.rows, one.columns)
    again = draws(1000, augmentation, 7, 3)
    assert torch.equal(one.rows, again.rows) and torch.equal(one.turn, again.turn)
    for other in (draws(1000, augmentation, 7, 4), draws(1000, augmentation, 8, 3)):
        assert not torch.equal(one.rows, other.rows)
    assert sorted(order(50, 0, 0).tolist()) == list(range(50))
    assert order(50, 0, 0).tolist() != order(50, 0, 1).tolist()


def test_draws_leave_the_global_generator_alone():
    before = torch.random.get_rng_state()
    draws(10, Augmentation(crop=2, flip=True, rotation=5), 0, 0)
    order(10, 0, 0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_turn_of_half_a_circle_is_two_flips():
    pixels = noise(3)
    turned = Draws(
        torch.zeros(3, dtype=torch.int64),
        torch.zeros(3, dtype=torch.int64),
        torch.zeros(3, dtype=torch.bool),
        -torch.eye(2).expand(3, 2, 2),
    )
    result = pixels.batch(torch.arange(3), turned, "zero")
    expected = pixels.batch(torch.arange(3)).flip((2, 3))
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), np.zeros(2, np.int64)),
        (np.zeros((2, 8, 9, 3), np.uint8), np.zeros(2, np.int64)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros(3, np.int64)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.float32)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.array([0, -1])),
    ],
)
def test_pictures_and_labels_that_do_not_fit(images, labels):
    with pytest.raises(DataError):
        Pixels(images, labels, RGB)

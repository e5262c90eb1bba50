from __future__ import annotations

import contextlib
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebra.errors import RecipeError
from vertebra.train.recipe import AdamW, Augmentation, Facts, Recipe, Sgd, recipe_for

unit = st.floats(0, 1, exclude_max=True)
augmentations = st.builds(
    Augmentation,
    crop=st.integers(0, 512),
    border=st.sampled_from(("reflect", "zero")),
    flip=st.booleans(),
    rotation=st.floats(0, 180),
    scale=unit,
)
optimisers = st.one_of(
    st.builds(Sgd, learning_rate=st.floats(1e-6, 100), momentum=unit, weight_decay=st.floats(0, 10)),
    st.builds(AdamW, learning_rate=st.floats(1e-6, 100), momentum=unit, variance=unit),
)
recipes = st.builds(
    Recipe,
    batch=st.integers(2, 65536),
    optimiser=optimisers,
    warmup=unit,
    label_smoothing=unit,
    augmentation=augmentations,
    mixup=st.floats(0, 10),
    ema=unit,
    seed=st.integers(0, 2**53),
    precision=st.sampled_from(("auto", "float32", "bfloat16")),
    layout=st.sampled_from(("auto", "channels_last", "contiguous")),
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(Recipe.__struct_fields__ + Sgd.__struct_fields__ + Augmentation.__struct_fields__ + ("kind",))


@given(recipes)
def test_json_round_trip(recipe):
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert hash(Recipe.from_json(recipe.to_json())) == hash(recipe)


@given(st.dictionaries(names, plain | st.dictionaries(names, plain, max_size=3), max_size=4))
def test_any_data_is_a_recipe_or_a_recipe_error(data):
    try:
        recipe = Recipe.from_data(data)
    except RecipeError as error:
        assert "recipe" in str(error)
    else:
        assert Recipe.from_json(recipe.to_json()) == recipe


@given(st.binary(max_size=64))
def test_any_bytes_are_a_recipe_or_a_recipe_error(data):
    with contextlib.suppress(RecipeError):
        Recipe.from_json(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recipe(batch=1), "recipe.batch: 1 is not possible (allowed: an integer from 2 to 65536)"),
        (lambda: Recipe(batch="many"), "recipe.batch: 'many' is not possible (allowed: an integer from 2 to 65536)"),
        (lambda: Recipe(ema=1.0), "recipe.ema: 1.0 is not possible (allowed: a number from 0 below 1)"),
        (lambda: Recipe(warmup=math.nan), "recipe.warmup: nan is not possible (allowed: a number from 0 below 1)"),
        (
            lambda: Recipe(precision="float16"),
            "recipe.precision: 'float16' is not possible (allowed: 'auto', 'float32', 'bfloat16')",
        ),
        (
            lambda: Sgd(learning_rate=0),
            "recipe.optimiser.learning_rate: 0 is not possible (allowed: a number above 0 to 100)",
        ),
        (
            lambda: Augmentation(flip=1),
            "recipe.augmentation.flip: 1 is not possible (allowed: true or false)",
        ),
        (
            lambda: Recipe.from_json('{"optimiser": {"kind": "lion"}}'),
            "recipe.optimiser.kind: unknown kind 'lion' (allowed: sgd, adamw)",
        ),
        (lambda: Recipe.from_json("[]"), "recipe: expected an object, got list"),
    ],
)
def test_a_fault_is_named_with_what_is_allowed(make, message):
    with pytest.raises(RecipeError) as caught:
        make()
    assert str(caught.value) == message


def test_a_misspelt_field_gets_its_neighbour():
    with pytest.raises(RecipeError, match=r"unknown field 'learning_rat'.*did you mean 'learning_rate'"):
        Recipe.from_json('{"optimiser": {"kind": "sgd", "learning_rat": 0.1}}')


def test_defaults_fit_the_data():
    photos = recipe_for(Facts(images=50_000, size=32, classes=10, source_size=32))
    assert photos.batch == 128 and photos.augmentation == Augmentation(crop=4, flip=True)
    glyphs = recipe_for(Facts(images=1257, size=16, classes=10, source_size=8, grey=True))
    assert not glyphs.augmentation.flip and glyphs.augmentation.affine and glyphs.batch < 128
    assert not recipe_for(Facts(images=500, size=32, classes=2, source_size=400, mirrors=False)).augmentation.flip
    assert recipe_for(Facts(images=1, size=1, classes=2, source_size=1)).batch >= 2


def test_recipes_are_frozen():
    with pytest.raises(AttributeError):
        Recipe().batch = 3
    assert msgspec.structs.replace(Recipe(), batch=64).batch == 64

"""The published JSON Schema: takes what the reader takes, refuses what it refuses, knows a user's own blocks."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from tests.arch.test_codec import changed
from tests.strategies import architectures, leaves
from vertebra.arch import Block, Conv, Node, from_json, to_json
from vertebra.arch.node import kinds
from vertebra.arch.schema import json_schema
from vertebra.errors import ArchitectureError
from vertebra.zoo import architecture, names

VALIDATOR = Draft202012Validator(json_schema())
ANY_STAGE = {"block": {"kind": "identity"}}


def test_it_is_a_schema_with_a_definition_for_each_kind():
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert set(kinds()) | {"Architecture", "Stage", "Node"} <= set(schema["$defs"])
    assert schema["$defs"]["conv"]["required"] == ["out"]
    assert schema["$defs"]["mbconv"]["properties"]["squeeze"] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 65536,
        "default": 0.25,
    }


@pytest.mark.parametrize("name", names())
def test_every_registered_architecture_is_valid(name):
    VALIDATOR.validate(json.loads(to_json(architecture(name))))


def test_an_expanded_network_is_valid():
    tree = json.loads(to_json(architecture("densenet121").tree()))
    VALIDATOR.validate({"name": "x", "stem": tree, "stages": [ANY_STAGE]})


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(architectures())
def test_random_architectures_are_valid(arch):
    VALIDATOR.validate(json.loads(to_json(arch)))


@settings(max_examples=60)
@given(leaves())
def test_random_primitives_are_valid(node):
    VALIDATOR.validate({"name": "x", "stem": json.loads(to_json(node)), "stages": [ANY_STAGE]})


@pytest.mark.parametrize(
    "text",
    [
        changed(stages=[]),
        changed(stages__1__depth=-1),
        changed(stages__1__depht=1),
        changed(stages__1__block__out="64"),
        changed(stages__1__block__out=True),
        changed(stages__1__block__kind="unheard_of"),
        changed(stages__1__block={"out": 8}),
        changed(stages__1__block__norm={"kind": "act"}),
        changed(stages__1__block__norm={"method": "bach"}),
        changed(stem__children__conv__kernel=[3, 3, 3]),
        changed(stem__children__conv__padding="valid"),
        changed(stem__children={}),
        changed(stem__children={"a.b": {"kind": "act"}}),
        changed(output_stride=4),
        changed(resolution=0),
        changed(name=""),
        "{}",
        "[]",
    ],
)
def test_broken_documents_fail_here_and_in_the_reader(text):
    assert not VALIDATOR.is_valid(json.loads(text))
    with pytest.raises(ArchitectureError):
        from_json(text)


class OwnInSchema(Block, frozen=True):
    """A user's own block."""

    out: int = 8
    inner: Conv | None = None

    def layers(self, channels: int) -> Node:
        return self.inner or Conv(self.out)


def test_a_users_own_block_is_in_it():
    document = json.loads(changed(stages__1__block={"kind": "own_in_schema", "inner": {"out": 3}}))
    Draft202012Validator(json_schema()).validate(document)
    assert from_json(json.dumps(document)).stages[1].block == OwnInSchema(inner=Conv(3))

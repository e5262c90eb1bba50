"""JSON and YAML: what goes out comes back; what is wrong is one line with its path; nothing else is ever raised."""

from __future__ import annotations

import json
import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import architectures, leaves
from vertebra.arch import Act, codec, seq
from vertebra.arch.codec import from_json, from_yaml, node_from_json, to_json, to_yaml
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, VertebraError
from vertebra.zoo import architecture, names

READERS = (from_json, from_yaml, node_from_json)
slow = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@slow
@given(architectures())
def test_random_architectures_round_trip_with_equal_hash_and_cost(arch):
    for again in (from_json(to_json(arch)), from_yaml(to_yaml(arch))):
        assert again == arch and hash(again) == hash(arch)
        assert again.hash == arch.hash
        assert (cost(again).params, cost(again).macs) == (cost(arch).params, cost(arch).macs)


@slow
@given(leaves())
def test_primitives_round_trip_with_every_field(node):
    assert node_from_json(to_json(node)) == node


@pytest.mark.parametrize("name", names())
def test_the_registry_round_trips(name):
    arch = architecture(name)
    assert from_json(to_json(arch)) == arch
    assert from_yaml(to_yaml(arch)) == arch


def test_the_expanded_tree_is_an_architecture_file_too():
    tree = architecture("mobilenet_v2").tree()
    assert node_from_json(to_json(tree)) == tree


# -- one exact line -----------------------------------------------------------------------------------------------


def changed(**places) -> str:
    """ResNet-18's JSON with values put at paths like ``stages__1__depth``."""
    data = json.loads(to_json(architecture("resnet18")))
    for place, value in places.items():
        *way, last = (int(part) if part.isdigit() else part for part in place.split("__"))
        at = data
        for part in way:
            at = at[part]
        at[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed(stages__1__depth=-1), "$.stages[1].depth: expected int >= 1, got -1"),
        (changed(stages__1__block__out=-64), "$.stages[1].block.out: expected int >= 1, got -64"),
        (changed(stages__1__block__out="64"), "$.stages[1].block.out: expected int, got '64'"),
        (changed(stages__1__block__out=True), "$.stages[1].block.out: expected int, got True"),
        (changed(stages__1__block__out=None), "$.stages[1].block.out: expected int, got None"),
        (changed(stages__1__block__out=10**30), "$.stages[1].block.out: expected int <= 1048576, got " + str(10**30)),
        (changed(stages__1__depht=1), "$.stages[1]: unknown field 'depht' (allowed: depth, entry)"),
        (changed(stages__1__block__kind=3), "$.stages[1].block: expected 'kind' to name a kind of node, got 3"),
        (changed(stages__1__block={}), "$.stages[1].block: expected 'kind' to name a kind of node, got None"),
        (changed(stages__1__block=[]), "$.stages[1].block: expected an object, got []"),
        (changed(stages__1__block__norm={"kind": "act"}), "$.stages[1].block.norm: expected Norm, got 'act'"),
        (
            changed(stages__1__block__norm={"method": "bach"}),
            "$.stages[1].block.norm.method: unknown value 'bach' (allowed: batch, group, layer2d)",
        ),
        (
            changed(stem__children__conv__groups=5),
            "$.stem.children.conv.groups: 5 groups do not divide 64 output channels",
        ),
        (changed(stem__children=[]), "$.stem.children: expected an object of name to node, got []"),
        (changed(stem__children={}), "$.stem.children: expected at least one child"),
        (changed(stages={}), "$.stages: expected an array, got {}"),
        (changed(stages=[]), "$.stages: expected at least one stage"),
        (changed(resolution=0), "$.resolution: expected int >= 1, got 0"),
        (changed(resolution=1.5), "$.resolution: expected int, got 1.5"),
        (changed(output_stride=4), "$.output_stride: unknown value 4 (allowed: 8, 16, 32)"),
        (
            r'{"name":"g","stem":{"kind":"act","function":"\ud800"},"stages":[]}',
            r"$.stem.function: '\ud800' is not Unicode text",
        ),
        (
            r'{"name":"g","stem":{"kind":"seq","children":{"\ud800":{"kind":"act"}}},"stages":[]}',
            r"$.stem.children: the name '\ud800' cannot be printed",
        ),
        ("[]", "$: expected an object, got []"),
        ("{}", "$: missing field 'name'"),
        ('{"name": "x"}', "$: missing field 'stem'"),
        ('{"name": "x", "name": "y"}', "$: the key 'name' stands twice"),
        ("{", "$: not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\xff", "$: not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ("[" * 10_000, "$: nested deeper than 100 levels"),
        ('{"a":' * 10_000, "$: nested deeper than 100 levels"),
    ],
)
def test_bad_json_gets_one_exact_line(text, message):
    with pytest.raises(ArchitectureError) as caught:
        from_json(text)
    assert str(caught.value) == message


def test_an_unknown_kind_gets_the_nearest():
    with pytest.raises(ArchitectureError) as caught:
        from_json(changed(stages__1__block__kind="basic_residul"))
    line = str(caught.value)
    assert line.startswith("$.stages[1].block: unknown kind 'basic_residul' (allowed: basic_residual, ")
    assert line.endswith("); a block of your own must be imported first (--blocks FILE on the command line)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nname: y", "$: the key 'name' stands twice; see line 2"),
        ("a: &a [1]\nb: *a", "$: YAML aliases are not accepted"),
        (
            "name: !!python/object:os.system x",
            "$: YAML tags are not accepted, got 'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("!!timestamp x", "$: YAML tags are not accepted, got 'tag:yaml.org,2002:timestamp'"),
        ("[" * 10_000, "$: nested deeper than 100 levels"),
        ("\n".join("  " * level + "a:" for level in range(10_000)), "$: nested deeper than 100 levels"),
        ("a: {<<: {b: 1}}", "$: YAML merge keys (<<) are not accepted; see line 1"),
        ("? [1]\n: 2", "$: a key is not text; see line 1"),
        ("name: x\nstem: {kind: act, no: 1}", "$.stem: unknown field 'no' (allowed: function)"),
        ("3", "$: expected an object, got 3"),
        ("", "$: expected an object, got None"),
    ],
)
def test_bad_yaml_gets_one_exact_line(text, message):
    with pytest.raises(ArchitectureError) as caught:
        from_yaml(text)
    assert str(caught.value) == message


def nested(levels: int) -> str:
    """A node with so many combinators around it."""
    return '{"kind":"seq","children":{"a":' * levels + '{"kind":"act"}' + "}}" * levels


def test_nesting_is_counted_in_nodes():
    assert node_from_json(nested(99))
    for levels in (100, 104, 10_000):
        with pytest.raises(ArchitectureError, match="nested deeper than 100 levels"):
            node_from_json(nested(levels))


def test_numbers_that_json_writes_but_no_field_takes():
    for text in ("NaN", "Infinity", "-Infinity", "1e999", "1" * 400, "1" * 5000):
        with pytest.raises(ArchitectureError):
            node_from_json(f'{{"kind": "norm", "eps": {text}}}')


def test_scientific_numbers_in_yaml_are_numbers():
    text = to_yaml(architecture("efficientnet_b7"))
    assert "eps: 0.001" in text
    assert from_yaml(text.replace("eps: 0.001", "eps: 1e-3")) == architecture("efficientnet_b7")


def test_read_names_the_file(tmp_path):
    good, bad, folder = tmp_path / "good.yaml", tmp_path / "bad.json", tmp_path / "folder.json"
    good.write_text(to_yaml(architecture("resnet18")))
    bad.write_text(changed(stages__1__depth=0))
    folder.mkdir()
    assert codec.read(good) == codec.read(str(good)) == architecture("resnet18")
    for path, message in (
        (bad, f"{bad}: $.stages[1].depth: expected int >= 1, got 0"),
        (folder, f"{folder}: cannot be read: Is a directory"),
        (tmp_path / "none.json", f"{tmp_path / 'none.json'}: cannot be read: No such file or directory"),
        ("a\0b", "a\0b: cannot be read: embedded null byte"),
    ):
        with pytest.raises(ArchitectureError) as caught:
            codec.read(path)
        assert str(caught.value) == message


# -- anything at all ----------------------------------------------------------------------------------------------


def test_yaml_keys_are_text():
    """YAML 1.1 takes them for false, null and a number."""
    text = to_yaml(seq(no=Act(), null=Act(), **{"1": Act()})).replace("'", "")
    assert "\n  no:" in text and "\n  null:" in text
    arch = from_yaml(f"name: x\nstem:\n{textwrap.indent(text, '  ')}\nstages: [{{block: {{kind: act}}}}]")
    assert [name for name, _ in arch.stem.children] == ["no", "null", "1"]


def one_line(error: VertebraError) -> None:
    """Something that any terminal can show."""
    assert str(error) and "\n" not in str(error) and str(error).encode()


def outcome(reader, text) -> None:
    try:
        reader(text)
    except VertebraError as error:
        one_line(error)


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_random_text_raises_nothing_else(text):
    for reader in READERS:
        outcome(reader, text)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=8),
        st.text(st.characters(categories=("Cs", "Ll")), max_size=3),  # lone surrogates, which JSON can write
        st.sampled_from(("conv", "seq", "mbconv", "norm", "half", "relu", "stage")),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(("kind", "out", "kernel", "children", "block", "depth", "stages", "stem", "name", "a", "")),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=25,
)


@settings(max_examples=300)
@given(VALUES)
def test_random_json_raises_nothing_else(value):
    for reader in READERS:
        outcome(reader, json.dumps(value))


TEXT = to_json(architecture("efficientnet_b0")).encode()


@settings(max_examples=200)
@given(st.integers(0, len(TEXT) - 1), st.binary(max_size=6), st.integers(0, 12))
def test_damaged_files_raise_nothing_else(place, put, cut):
    for reader in READERS:
        outcome(reader, TEXT[:place] + put + TEXT[place + cut :])


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.one_of(st.just(TEXT), architectures().map(to_json)), st.data())
def test_any_change_of_a_valid_file_raises_nothing_else(text, data):
    """One value or one name changed: read, and if it still reads, costed and hashed."""
    document = json.loads(text)
    at = document
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    if isinstance(at, dict) and data.draw(st.booleans()):
        at[data.draw(st.text(st.characters(), max_size=3) | st.sampled_from(("stem", "plan", "\ud800")))] = at.pop(key)
    else:
        at[key] = data.draw(VALUES)
    try:
        arch = from_json(json.dumps(document))
        assert cost(arch).macs >= 0 and arch.hash and str(arch).encode()
    except VertebraError as error:
        one_line(error)

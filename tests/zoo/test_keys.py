"""Key maps: which rule fits a key, and what a template makes of its numbers."""

from __future__ import annotations

import re

import pytest

from tests.selection import PEERS, QUICK_PEERS, marked
from vertebra.arch import Architecture, ConvNormAct, Stage
from vertebra.arch.combinators import seq
from vertebra.arch.expansion import declared
from vertebra.arch.primitives import GlobalPool, Linear
from vertebra.errors import ArchitectureError
from vertebra.zoo.entry import Entry
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.registry import entry, variant

ARCH = Architecture(
    "own",
    ConvNormAct(4, norm=None),
    (Stage(ConvNormAct(4), 2), Stage(ConvNormAct(8), 2, ConvNormAct(8, norm=None))),
    seq(pool=GlobalPool(), fc=Linear(2)),
)
ENDS = (("stem.conv", "first"), ("fc", "last"))


def weights_of(*rules: tuple[str, str]) -> list[str]:
    """Their names of the kernels in the stages: of blocks 0.0 and 0.1, of the entry of stage 1, of 1.0 and 1.1."""
    names = KeyMap((*rules, ("stages.{s}.{b}.norm", "n{s}.{b}"), *ENDS)).theirs(ARCH)
    return [theirs for ours, theirs in names.items() if ours.startswith("stages") and ours.endswith("conv.weight")]


def test_the_first_rule_that_fits_wins():
    """Whether it is longer, shorter, or says a number that the other leaves open."""
    entry = ("stages.{s}.entry", "e{s}")
    assert weights_of(("stages.0.{b}.conv", "x{b}"), ("stages.{s}.{b}", "y{s}{b}"), entry) == [
        "x0.weight", "x1.weight", "e1.conv.weight", "y10.conv.weight", "y11.conv.weight",
    ]  # fmt: skip
    assert weights_of(("stages.{s}.{b}", "y{s}{b}"), ("stages.0.{b}.conv", "x{b}"), entry)[:2] == [
        "y00.conv.weight", "y01.conv.weight",
    ]  # fmt: skip
    assert weights_of(("stages.{s}", "z{s}"), ("stages.{s}.{b}.conv.weight", "w"))[2:4] == [
        "z1.entry.conv.weight", "z1.0.conv.weight",
    ]  # fmt: skip
    assert weights_of(("stages.{s}.{b}.conv.weight", "w{s}{b}"), ("stages.{s}", "z{s}"))[:3] == [
        "w00", "w01", "z1.entry.conv.weight",
    ]  # fmt: skip


def test_numbers_of_a_template():
    """``n`` counts blocks over all stages, and an entry has the number of the block after it."""
    numbered = weights_of(("stages.{s}.{b}", "{2*n+s+1}.{b}.{i}"), ("stages.{s}.entry", "e{n}.{i}"))
    assert numbered == ["1.0.0.conv.weight", "3.1.0.conv.weight", "e2.0.conv.weight", "6.0.0.conv.weight",
                        "8.1.0.conv.weight"]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ((("stages.{s}.{b}.co", "x"), *ENDS), "stages.0.0.conv.weight: no rule of the key map names this tensor"),
        ((("stages.{s}", "{t}"), *ENDS), "cannot read 't' in a key map (allowed: n, i, s)"),
        ((("stages.{s}", "{s-1}"), *ENDS), "cannot read 's-1' in a key map (allowed: n, i, s)"),
    ],
)
def test_rules_that_say_nothing(rules, message):
    with pytest.raises(ArchitectureError) as caught:
        KeyMap(rules).theirs(ARCH)
    assert str(caught.value) == message


def one_by_one(entry: Entry, source: str) -> dict[str, str]:
    """What each of the rules says of each key, by a regular expression a rule, where no template counts."""
    found = {}
    for key, _ in declared(variant(entry.name, source).layers()):
        for ours, theirs in entry.peers[source].keys.rules:
            pattern = re.sub(r"\{(\w)\}", r"(?P<\1>[0-9]+)", ours.replace(".", r"\."))
            fits = re.match(rf"{pattern}(?=\.|$)", key)
            if fits:
                numbers = {name: int(text) for name, text in fits.groupdict().items()}
                if re.search(r"\{[^}]*[ni]", theirs) is None:
                    filled = re.sub(r"\{([^}]*)\}", lambda term, known=numbers: str(eval(term[1], {}, known)), theirs)
                    found[key] = filled + key[fits.end() :]
                break
    return found


@pytest.mark.parametrize("pair", marked(PEERS, QUICK_PEERS))
def test_every_key_map_says_what_its_rules_say_one_by_one(pair):
    name, source = pair
    one = entry(name)[1]
    expected = one_by_one(one, source)
    names = one.peers[source].keys.theirs(variant(name, source))
    assert expected and {key: names[key] for key in expected} == expected

"""A user's own block, defined in his file, works in every fold, in JSON and in print."""

from __future__ import annotations

import msgspec
import pytest

from vertebra.arch import (
    Architecture,
    Block,
    Conv,
    ConvNormAct,
    GlobalPool,
    Identity,
    Linear,
    Stage,
    add,
    expanded,
    replace,
    seq,
)
from vertebra.arch.codec import from_json, from_yaml, to_json, to_yaml
from vertebra.arch.record import Channels, Positive
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, TransformError


class Ghost(Block, frozen=True):
    """Half of the channels by a convolution, half by a cheap one (after Han et al. 2020, figure 1b, added here)."""

    out: Channels
    stride: Positive = 1
    ratio: float = 2

    def layers(self, channels: int):
        inner = max(1, round(self.out / self.ratio))
        body = seq(primary=ConvNormAct(inner, 1, self.stride), cheap=ConvNormAct(self.out, 3))
        return add(body, shortcut=Identity()) if self.stride == 1 and channels == self.out else body


ARCH = Architecture(
    "ghost", Conv(8, 3, 2), (Stage(Ghost(8), 2), Stage(Ghost(16, 2), 2)), seq(pool=GlobalPool(), fc=Linear(10)), 32
)


def test_costs_by_hand():
    costs = cost(ARCH)
    stem, head = 3 * 8 * 9, 16 * 10 + 10
    first = 2 * ((8 * 4 + 2 * 4) + (4 * 8 * 9 + 2 * 8))
    second = (8 * 8 + 16) + (8 * 16 * 9 + 32) + (16 * 8 + 16) + (8 * 16 * 9 + 32)
    assert costs.params == stem + first + second + head
    assert costs.macs == 256 * stem + 256 * 2 * (8 * 4 + 4 * 8 * 9) + 64 * (64 + 2 * 8 * 16 * 9 + 128) + 160
    assert sum(part.macs for part in costs.parts) == sum(layer.macs for layer in costs.layers) == costs.macs


def test_text_forms_and_hash():
    assert from_json(to_json(ARCH)) == from_yaml(to_yaml(ARCH)) == ARCH
    assert from_json(to_json(ARCH)).hash == ARCH.hash
    assert '"kind": "ghost"' in to_json(ARCH) and "ghost(out=16, stride=2)" in str(ARCH)


def test_an_int_for_a_float_field_is_the_same_block():
    assert Ghost(8, ratio=2) == Ghost(8, ratio=2.0) and hash(Ghost(8, ratio=2)) == hash(Ghost(8, ratio=2.0))
    assert from_json(to_json(ARCH).replace('"out": 16', '"ratio": 2, "out": 16')) == ARCH


def test_transforms():
    assert ARCH.scaled(width=2).stages[1].block == Ghost(32, 2)
    assert ARCH.with_reduction(2).stages[0].block == Ghost(8)
    assert [ARCH.reduction, ARCH.with_reduction(2).reduction] == [4, 2]
    with pytest.raises(TransformError, match="ghost has no activation to change"):
        ARCH.with_activation("silu")  # the block's stand in its code, not in its fields


def test_torch():
    import torch

    from vertebra.nn import build

    with torch.device("meta"):
        net = build(ARCH)
    assert sum(parameter.numel() for parameter in net.parameters()) == cost(ARCH).params
    assert "stages.1.0.cheap.conv.weight" in net.state_dict()
    assert build(Ghost(8), channels=8)(torch.zeros(1, 8, 4, 4)).shape == (1, 8, 4, 4)


class Broken(Block, frozen=True):
    """Its code fails."""

    def layers(self, channels: int):
        return {3: Conv(8)}[channels]


class Empty(Block, frozen=True):
    """It says nothing."""


class Listed(Block, frozen=True):
    """It holds what can change."""

    widths: list[int] = msgspec.field(default_factory=list)

    def layers(self, channels: int):
        return seq(*(Conv(width) for width in self.widths))


class Table(Block, frozen=True):
    """It holds what can change."""

    widths: dict[str, int]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cost(Broken(), resolution=8, channels=4).macs, "Broken: layers(4) raised KeyError: 4"),
        (lambda: Broken().output((4, 8, 8)), "Broken: layers(4) raised KeyError: 4"),
        (
            lambda: cost(Empty(), resolution=8, channels=4).macs,
            "Empty: a Block needs layers(); define layers(self, channels) -> Node",
        ),
        (lambda: Listed([8]), "Listed.widths: a list can change, and nodes cannot (allowed: a tuple)"),
        (lambda: Listed(), "Listed.widths: a list can change, and nodes cannot (allowed: a tuple)"),
        (lambda: Table({"a": 1}), "Table.widths: a dict can change, and nodes cannot (allowed: a tuple)"),
    ],
)
def test_what_a_block_of_a_user_gets_wrong(make, message):
    with pytest.raises(ArchitectureError) as caught:
        make()
    assert str(caught.value) == message


def test_the_cause_is_kept_for_the_traceback():
    with pytest.raises(ArchitectureError) as caught:
        Broken().output((4, 8, 8))
    assert isinstance(caught.value.__cause__, KeyError)


class Nameless(Block, frozen=True):
    """Its one child is named ``conv``."""

    def layers(self, channels: int):
        return seq(conv=Conv(channels))


@pytest.mark.parametrize(
    "use", [lambda node: cost(node, resolution=8, channels=3).macs, lambda node: expanded(node, 3)]
)
def test_a_name_that_a_nameless_block_brings_in_again(use):
    with pytest.raises(ArchitectureError, match=r"'conv' stands twice|used twice: conv"):
        use(seq(Nameless(), conv=Conv(4)))
    use(seq(Nameless(), other=Conv(4)))


class Head(Block, frozen=True):
    """A head with a name that is taken."""

    def layers(self, channels: int):
        return seq(pool=GlobalPool(), stem=Linear(3))


def test_a_head_beside_the_stem():
    with pytest.raises(ArchitectureError, match=r"Architecture\.head: a child is named 'stem'"):
        replace(ARCH, head=seq(pool=GlobalPool(), stem=Linear(3)))
    with pytest.raises(ArchitectureError, match=r"Architecture\.head: a child is named 'stages'"):
        replace(ARCH, head=seq(seq(pool=GlobalPool(), stages=Linear(3))))
    with pytest.raises(ArchitectureError, match="'stem' stands twice"):
        _ = cost(replace(ARCH, head=Head())).macs

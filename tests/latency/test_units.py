"""Units: every layer that runs is in exactly one, and what is folded is what engines fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import given, settings

from tests.strategies import architectures
from vertebra.arch.architecture import Architecture
from vertebra.arch.combinators import add, concat, gate, seq, side
from vertebra.arch.node import Node, Primitive
from vertebra.arch.primitives import (
    Act,
    AdaptivePool,
    Conv,
    Dropout,
    Function,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    Linear,
    LocalResponseNorm,
    Norm,
    PadChannels,
    Pool,
    Tap,
)
from vertebra.arch.shapes import elements
from vertebra.arch.spread import SamePad
from vertebra.arch.stage import Stage
from vertebra.costs.count import cost
from vertebra.errors import ArchitectureError, ShapeError
from vertebra.latency.features import ACTS, KINDS
from vertebra.latency.units import PRODUCTS, WORK, Unit, placed, run_of, tally
from vertebra.zoo.registry import architecture, names

MAP = (8, 10, 10)


def macs(unit: Unit) -> int:
    """By the textbook: each output value sums kernel x (input channels of its group) products."""
    if unit.kind not in PRODUCTS:
        return 0
    if unit.kind == "linear":
        return elements(unit.enters) * unit.leaves[0]
    return elements(unit.leaves) * unit.enters[0] // unit.groups * unit.kernel[0] * unit.kernel[1]


def running(arch: Architecture) -> Iterator[str]:
    """The paths of all that runs: layers, and sums, concatenations and gates."""
    for layer in arch.layers():
        nothing = isinstance(layer.node, Dropout | Identity | Tap) or layer.node == Act("identity")
        same = isinstance(layer.node, PadChannels | SamePad) and layer.enters == layer.leaves
        if not (layer.aside or nothing or same):
            yield layer.path
    yield from (join.path for join in cost(arch).joins)


def partitions(arch: Architecture) -> None:
    found = list(placed(arch))
    assert Counter(path for one in found for path in one.paths) == Counter(running(arch)), arch.name
    assert sum(macs(one.unit) for one in found) == cost(arch).macs, arch.name
    assert tally(arch) == Counter(one.unit for one in found), arch.name


def test_every_layer_of_every_registered_network_is_in_one_unit() -> None:
    for name in names():
        partitions(architecture(name))


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_large", "densenet121", "googlenet", "convnext_atto"])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_with_dilations_for_strides(name: str, output_stride: int) -> None:
    partitions(architecture(name).with_resolution(96).with_output_stride(output_stride))


@settings(max_examples=25, deadline=None)
@given(architectures())
def test_any_network(arch: Architecture) -> None:
    partitions(arch)


def test_every_kind_and_activation_has_a_feature() -> None:
    """Each primitive's rule gives a kind that the features know, and each that they know is given by something."""
    examples: list[Primitive] = [
        Conv(4), Conv(8, groups=8), Conv(8, groups=2), Conv(16, groups=8), Linear(4), Pool("max"), Pool("average"),
        Pool("padded_average"), GlobalPool(), AdaptivePool(3), LocalResponseNorm(), GlobalResponseNorm(), LayerScale(),
        PadChannels(12), SamePad(3), *(Norm(method) for method in ("batch", "group", "layer2d")),
        *(Act(function) for function in get_args(Function)), Dropout(), Identity(), Tap("here"),
    ]  # fmt: skip
    assert {type(node) for node in examples} >= set(WORK.rules)
    units = [unit for node in examples if (unit := WORK[type(node)](node, MAP, node.output(MAP))) is not None]
    joins = {"add", "concat", "gate"}
    assert {unit.kind for unit in units} | joins == set(KINDS) and len(set(KINDS)) == len(KINDS)
    assert {unit.act for unit in units if unit.act} == set(ACTS) == set(get_args(Function)) - {"identity"}
    assert all(macs(unit) > 0 for unit in units if unit.kind in PRODUCTS)


def kinds(node: Node, shape: tuple[int, ...] = MAP) -> list[str]:
    """Each unit in a word: its kind, what is folded into it, and its additions."""
    return [
        unit.kind + "+norm" * unit.norm + "+add" * unit.joins + f"+{unit.act}" * bool(unit.act and unit.kind != "act")
        for unit, _ in run_of(node, shape).placed
    ]


BODY = seq(conv=Conv(8, 3), norm=Norm())


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (seq(conv=Conv(8, 3), norm=Norm(), act=Act()), ["conv+norm+relu"]),
        (seq(conv=Conv(8, 3), drop=Dropout(), norm=Norm(), tap=Tap("x"), act=Act("silu")), ["conv+norm+silu"]),
        (seq(conv=Conv(8, 3), act=Act(), norm=Norm()), ["conv+relu", "batch_norm"]),
        (seq(norm=Norm(), act=Act(), conv=Conv(8, 3)), ["batch_norm+relu", "conv"]),
        (seq(conv=Conv(8, 3), one=Norm(), two=Norm()), ["conv+norm", "batch_norm"]),
        (seq(conv=Conv(8, 3), norm=Norm("group"), act=Act()), ["conv", "group_norm+relu"]),
        (seq(conv=Conv(8, 3), one=Act(), two=Act("tanh")), ["conv+relu", "act"]),
        (seq(conv=Conv(8, 3), act=Act("identity"), norm=Norm()), ["conv+norm"]),
        (seq(act=Act(), conv=Conv(8)), ["act", "conv"]),
        (seq(pool=Pool(), norm=Norm()), ["max_pool", "batch_norm"]),
        (seq(fc=Linear(4), norm=Norm(), act=Act()), ["linear+norm+relu"]),
        (seq(sum=add(BODY, shortcut=Identity()), act=Act()), ["conv+norm+add+relu"]),
        (seq(sum=add(shortcut=Identity(), body=BODY), norm=Norm()), ["conv+norm+add", "batch_norm"]),
        (add(BODY, shortcut=Conv(8)), ["conv+norm+add", "conv"]),
        (add(a=Identity(), b=Identity(), c=BODY), ["conv+norm+add+add"]),
        (seq(sum=add(seq(BODY, act=Act()), shortcut=Identity()), act=Act()), ["conv+norm+relu", "add+add+relu"]),
        (add(seq(BODY, pool=Pool("max", 3, 1, 1)), shortcut=Identity()), ["conv+norm", "max_pool", "add+add"]),
        (concat(a=Conv(4), b=seq(conv=Conv(4), act=Act()), c=Identity()), ["conv", "conv+relu", "concat"]),
        (seq(cat=concat(a=Conv(4), b=Conv(4)), norm=Norm(), act=Act()), ["conv", "conv", "concat", "batch_norm+relu"]),
        (seq(conv=Conv(8), fork=concat(a=Norm(), b=Identity())), ["conv", "batch_norm", "concat"]),
        (seq(conv=Conv(8), se=gate(seq(pool=GlobalPool(), fc=Conv(8), act=Act("sigmoid"))), out=Norm()),
         ["conv", "global_pool", "conv+sigmoid", "gate", "batch_norm"]),
        (seq(conv=Conv(8), aux=side(seq(p=GlobalPool(), f=Linear(3))), act=Act()), ["conv+relu"]),
        (seq(pad=PadChannels(8), conv=Conv(8)), ["conv"]),
        (seq(pad=PadChannels(12), conv=Conv(12, groups=12)), ["pad", "depthwise"]),
    ],
)  # fmt: skip
def test_what_is_folded(node: Node, expected: list[str]) -> None:
    """By hand: a normalisation goes into the product right before it, an activation into anything, an addition into a
    branch that ends in a product, and never where the value goes elsewhere too.
    """
    assert kinds(node) == expected


def test_a_convolution_by_its_groups() -> None:
    assert kinds(Conv(8, groups=8)) == ["depthwise"]
    assert kinds(Conv(16, groups=8)) == kinds(Conv(8, groups=2)) == ["grouped"]
    (one,) = run_of(Conv(4, (3, 5), (1, 2), dilation=(2, 1)), MAP).placed
    assert one.unit == Unit("conv", MAP, (4, 10, 5), (3, 5), (1, 2), (2, 1))


class _Doubled(Primitive, frozen=True):
    """A user's own kind of layer, without a rule."""


def test_a_users_own_kind_without_a_rule() -> None:
    arch = Architecture("own", Conv(8), (Stage(_Doubled()),), Identity(), 32)
    with pytest.raises(ArchitectureError, match=r"the fold 'units' has no rule for '_?_doubled'; .*Fold\.rule"):
        tally(arch)


def test_a_network_that_does_not_fit_and_one_that_does_nothing() -> None:
    with pytest.raises(ShapeError):
        tally(architecture("alexnet"), 16)
    assert tally(Architecture("nothing", Identity(), (Stage(Tap("x")),))) == Counter()

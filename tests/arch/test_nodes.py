"""Constructors check and coerce; every fault names the class and the field, on one line."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest

from vertebra.arch import (
    Act,
    AdaptivePool,
    Architecture,
    Block,
    Bottleneck,
    Conv,
    ConvNormAct,
    Dropout,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    Linear,
    LocalResponseNorm,
    Node,
    Norm,
    Pool,
    Seq,
    Stage,
    Sum,
    Tap,
    concat,
    expanded,
    gate,
    layers,
    node_from_json,
    replace,
    seq,
    side,
)
from vertebra.arch.record import MAX_NESTING
from vertebra.arch.spread import SpreadPool
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, ShapeError


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv(-1), "Conv.out: expected int >= 1, got -1"),
        (lambda: Conv("abc"), "Conv.out: expected int, got 'abc'"),
        (lambda: Conv(True), "Conv.out: expected int, got True"),
        (lambda: Conv(3.0), "Conv.out: expected int, got 3.0"),
        (lambda: Conv(None), "Conv.out: expected int, got None"),
        (lambda: Conv(2**21), "Conv.out: expected int <= 1048576, got 2097152"),
        (lambda: Conv(10**5000), "Conv.out: expected int <= 1048576, got a int"),
        (lambda: Conv(8, 0), "Conv.kernel: expected int >= 1, got 0"),
        (lambda: Conv(8, (3, 0)), "Conv.kernel[1]: expected int >= 1, got (3, 0)"),
        (lambda: Conv(8, (3, 3, 3)), "Conv.kernel: expected array of length 2, got (3, 3, 3)"),
        (lambda: Conv(8, padding="valid"), "Conv.padding: unknown value 'valid' (allowed: half, same)"),
        (lambda: Conv(8, groups=3), "Conv.groups: 3 groups do not divide 8 output channels"),
        (lambda: Norm("instance"), "Norm.method: unknown value 'instance' (allowed: batch, group, layer2d)"),
        (lambda: Norm(eps=math.nan), "Norm.eps: expected float > 0.0, got nan"),
        (lambda: Norm(eps=math.inf), "Norm.eps: expected float < 1.0, got inf"),
        (lambda: Dropout(1), "Dropout.rate: expected float < 1.0, got 1"),
        (lambda: Pool("max", 3, 1, 2), "Pool.padding: 2 is more than half the window of 3"),
        (
            lambda: Pool("average", 3, dilation=2, rounding="ceil"),
            "Pool.rounding: 'ceil' for an average over a dilated window (allowed: 'floor')",
        ),
        (
            lambda: SpreadPool("max", 3, rounding="ceil", overhang=1),
            "SpreadPool.rounding: 'ceil' with an overhang (allowed: 'floor')",
        ),
        (lambda: Tap("a b"), "Tap.name: expected str matching regex '^[A-Za-z0-9_]+$', got 'a b'"),
        (lambda: Bottleneck(2), "Bottleneck.out: 2 leaves no inner channels (allowed: a wider out or base_width)"),
        (lambda: ConvNormAct(8, norm=Act()), "ConvNormAct.norm: expected Norm, got Act()"),
        (lambda: Seq(()), "Seq.children: expected at least one child"),
        (lambda: Seq((Act(),)), "Seq.children[0]: expected a pair (name, Node), got Act()"),
        (lambda: Seq(3), "Seq.children: expected a sequence of Node, got 3"),
        (lambda: seq(a=3), "Seq.children[0]: expected Node, got 3"),
        (
            lambda: Seq((("é", Act()),)),
            "Seq.children: 'é' is not a name (allowed: letters, digits, _, or digits alone)",
        ),
        (
            lambda: Seq((("a.b", Act()),)),
            "Seq.children: 'a.b' is not a name (allowed: letters, digits, _, or digits alone)",
        ),
        (lambda: Seq((("a", Act()), ("a", Act()))), "Seq.children: names are used twice: a"),
        (lambda: seq(seq(a=Act()), a=Act()), "Seq.children: names are used twice: a"),
        (lambda: seq(Act(), Act()), "Seq.children: names are used twice: the nameless one"),
        (lambda: gate(a=Act(), b=Act()), "Gate.children: expected one child, got 2"),
        (lambda: side(a=Act(), b=Act()), "Side.children: expected one child, got 2"),
        (
            lambda: LocalResponseNorm(4),
            "LocalResponseNorm.size: a neighbourhood of 4 channels has no middle (allowed: an odd number)",
        ),
        (lambda: AdaptivePool(0), "AdaptivePool.extent: expected int >= 1, got 0"),
        (lambda: Stage(Act(), 0), "Stage.depth: expected int >= 1, got 0"),
        (lambda: Stage(Stage(Act())), "Stage.block: expected Node, got Stage(block=Act())"),
        (lambda: Architecture("x", Act(), ()), "Architecture.stages: expected at least one stage"),
        (lambda: Architecture("", Act(), (Stage(Act()),)), "Architecture.name: expected str of length >= 1, got ''"),
        (
            lambda: Architecture("a\nb", Act(), (Stage(Act()),)),
            "Architecture.name: 'a\\nb' has characters that cannot be printed",
        ),
    ],
)
def test_faults_name_class_and_field(make, message):
    with pytest.raises(ArchitectureError) as caught:
        make()
    assert str(caught.value) == message


def test_values_are_coerced_so_that_equal_ones_hash_alike():
    assert Conv(np.int64(8), (np.int32(3), 5)) == Conv(8, (3, 5))
    assert type(Conv(np.int64(8)).out) is int
    assert type(Norm(eps=np.float64(1e-3)).eps) is float
    assert Dropout(0) == Dropout(0.0) and type(Dropout(0).rate) is float
    assert str(Dropout(-0.0).rate) == "0.0"
    assert Conv(8, [3, 3], (1, 1)) == Conv(8, 3, 1)
    assert hash(Conv(8, [3, 3])) == hash(Conv(8, 3))
    assert Seq([["a", Act()]]) == seq(a=Act())


def test_records_cannot_be_changed():
    with pytest.raises(AttributeError):
        Conv(8).out = 3
    assert replace(Conv(8), out=4) == Conv(4)
    with pytest.raises(ArchitectureError, match=r"Conv\.out: expected int >= 1"):
        replace(Conv(8), out=-4)


def test_deep_trees_are_refused_at_construction():
    node: Node = Act()
    with pytest.raises(ArchitectureError, match="nested deeper than 100 levels"):
        for _ in range(5000):
            node = seq(a=node)
    assert cost(node, resolution=8, channels=3).params == 0  # the deepest that is allowed still works everywhere
    assert expanded(node, 3) == node and node.output((3, 8, 8)) == (3, 8, 8) and repr(node)
    assert MAX_NESTING == 100


class Wrapper(Block, frozen=True):
    """A block around another."""

    inner: Node

    def layers(self, channels: int) -> Node:
        return self.inner


def test_nesting_in_the_fields_of_blocks_counts_too():
    node: Node = Act()
    with pytest.raises(ArchitectureError, match="nested deeper"):
        for _ in range(5000):
            node = Wrapper(node)


class Endless(Block, frozen=True):
    """Stands for itself, one size up."""

    size: int = 1

    def layers(self, channels: int) -> Node:
        return Endless(self.size + 1)


class EndlessWithin(Block, frozen=True):
    """Holds itself."""

    size: int = 1

    def layers(self, channels: int) -> Node:
        return seq(again=EndlessWithin(self.size + 1))


class EndlessCall(Block, frozen=True):
    """Calls itself."""

    def layers(self, channels: int) -> Node:
        return self.layers(channels)


class NoNode(Block, frozen=True):
    """Gives no node."""

    def layers(self, channels: int) -> Node:
        return 3


@pytest.mark.parametrize("block", [Endless(), EndlessWithin(), EndlessCall(), NoNode()])
def test_blocks_that_never_end_are_typed_errors(block):
    arch = Architecture("x", block, (Stage(block, 2),))
    for use in (
        lambda: block.output((3, 8, 8)),
        lambda: expanded(block, 3),
        lambda: list(layers(block, (3, 8, 8))),
        lambda: cost(block, resolution=8, channels=3).macs,
        lambda: cost(arch).macs,
        lambda: cost(arch).layers,
        lambda: str(arch),
        lambda: arch.hash,
        lambda: arch.reduction,
    ):
        with pytest.raises(ArchitectureError, match=r"layers\(\) (never ends|gave int)"):
            use()


def test_shapes_that_disagree_name_the_layer():
    cases = [
        (seq(a=Conv(8), b=Conv(9, groups=3)), "b: Conv: 3 groups do not divide 8 input channels"),
        (
            seq(a=Sum((("x", Conv(4)), ("y", Conv(5))))),
            "a: Sum: branches give x (4, 8, 8), y (5, 8, 8) (allowed: equal shapes)",
        ),
        (
            seq(a=concat(x=Conv(4), y=Conv(4, stride=2))),
            "a: Concat: branches give x (4, 8, 8), y (4, 4, 4) (allowed: equal extents)",
        ),
        (seq(a=gate(Conv(4))), "a: Gate: the input is (3, 8, 8), its factor (4, 8, 8) (allowed: the input's channels)"),
        (seq(a=Linear(4), b=AdaptivePool(2)), "b: AdaptivePool: expected a map (C, H, W), got (4,)"),
        (seq(a=Linear(4), b=GlobalResponseNorm()), "b: GlobalResponseNorm: expected a map (C, H, W), got (4,)"),
        (
            seq(a=GlobalPool(), b=Linear(4), c=Conv(4)),
            "c: expected a map (C, H, W), got (4,); put this layer before the pooling",
        ),
    ]
    for node, message in cases:
        with pytest.raises(ShapeError) as caught:
            _ = cost(node, resolution=8, channels=3).macs
        assert str(caught.value) == message
        with pytest.raises(ShapeError) as caught:
            list(layers(node, (3, 8, 8)))
        assert str(caught.value) == message


def test_a_kind_named_twice_is_refused_where_it_is_read():
    first = type("DoublyNamed", (Block,), {"__module__": "one"}, frozen=True)
    second = type("DoublyNamed", (Block,), {"__module__": "two"}, frozen=True)
    with pytest.raises(ArchitectureError) as caught:
        node_from_json('{"kind": "doubly_named"}')
    assert str(caught.value) == "$: 'doubly_named' may be one.DoublyNamed and two.DoublyNamed; rename one"
    assert node_from_json('{"kind": "act"}') == Act()
    del first, second
    gc.collect()  # or later tests would see them


def test_a_file_loaded_again_counts_once():
    old = type("Again", (Block,), {"__module__": "one"}, frozen=True)
    new = type("Again", (Block,), {"__module__": "one"}, frozen=True)
    assert type(node_from_json('{"kind": "again"}')) is new
    del old, new
    gc.collect()


def test_identity_of_repr():
    assert repr(seq(a=Conv(8, 3), b=Identity())) == "Seq(children=(('a', Conv(out=8, kernel=3)), ('b', Identity())))"

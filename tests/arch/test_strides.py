"""What strides come to: gates, copies in a stage, and strides that cannot become dilations."""

from __future__ import annotations

import pytest

from vertebra.arch import (
    Act,
    Architecture,
    Conv,
    ConvNormAct,
    GlobalPool,
    Identity,
    Linear,
    Node,
    Pool,
    Stage,
    add,
    gate,
    layers,
    seq,
)
from vertebra.costs import cost
from vertebra.errors import TransformError
from vertebra.zoo import architecture

STRIDED_GATE = gate(seq(pool=Pool("average", 2, 2), conv=Conv(8, 3, 2), all=GlobalPool(), act=Act("sigmoid")))


def net(*nodes: Node) -> Architecture:
    """These after a stem of stride 8, each a stage."""
    return Architecture("net", seq(a=Conv(8, 3, 2), b=Conv(8, 3, 4)), tuple(Stage(node) for node in nodes))


def test_strides_within_a_gate_are_its_own():
    arch = net(STRIDED_GATE, Conv(8, 3, 2), Conv(8, 3))
    assert arch.reduction == 16
    spread = arch.with_output_stride(8)
    assert spread.reduction == 8
    gated, taken, after = (node for path, node in spread.nodes() if path.startswith("stages"))
    assert gated == STRIDED_GATE
    assert (taken.stride, taken.dilation, after.dilation) == (1, 1, 2)
    assert arch.with_reduction(8).stages[0].block == STRIDED_GATE
    assert Stage(STRIDED_GATE, 2).rest == STRIDED_GATE


def test_copies_of_a_combinator_are_strided_once():
    block = seq(conv=ConvNormAct(8, 3, 2), sum=add(a=Conv(8, 3, 2), b=Pool("max", 1, 2)), fc=Act())
    arch = Architecture("x", Conv(8), (Stage(block, 3),), resolution=64)
    assert arch.reduction == 4 and cost(arch).leaves == (8, 16, 16)
    assert cost(arch).parts[1].stride == 4


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (seq(pool=Pool("max", 2, 2, 1, rounding="ceil")), "stages.0.0.pool: this pool rounds up and cannot be dilated"),
        (seq(conv=Conv(8, 3, (2, 1))), "stages.0.0.conv: a stride of 2x1 cannot become a dilation"),
    ],
)
def test_what_cannot_be_dilated_says_which_layer(node, message):
    with pytest.raises(TransformError) as caught:
        net(node).with_output_stride(8)
    assert str(caught.value).startswith(message)
    assert net(node).with_output_stride(16).hash == net(node).hash  # nothing is taken away there


def test_scaling_again_and_again_keeps_the_name_short():
    arch = architecture("cifar_resnet20")
    for _ in range(40):
        arch = arch.scaled(width=1.1)
    assert arch.name == "cifar_resnet20-w45.5"  # 1.1 to the 40th is 45.26, and the name rounds each time
    assert architecture("resnet50").scaled(width=0.5, depth=2).scaled(width=2).name == "resnet50-w1-d2"
    assert architecture("resnet50").scaled(width=1.001, depth=1.00002).name == "resnet50-w1.001-d1.00002"
    long = Architecture("x" * 200, Conv(8), (Stage(Act()),)).scaled(width=2)
    assert long.name == "x" * 197 + "-w2"


def test_gates_are_known_by_their_place():
    arch = architecture("efficientnet_b0").with_activation("sigmoid").with_activation("relu")
    found = {
        layer.path.rpartition(".")[2]: layer.node.function
        for layer in layers(arch.tree(), arch.input_shape)
        if isinstance(layer.node, Act)
    }
    assert found == {"act": "relu", "gate": "sigmoid"}
    own = net(gate(seq(pool=GlobalPool(), fc=Linear(4), one=Act(), out=Linear(8), two=Act("tanh"))), Act("sigmoid"))
    changed = own.with_activation("gelu")
    kinds = [la.node.function for la in layers(changed.tree(), own.input_shape) if isinstance(la.node, Act)]
    assert kinds == ["gelu", "tanh", "gelu"]
    with pytest.raises(TransformError, match="has no activation to change"):
        net(gate(Act("sigmoid")), Identity()).with_activation("relu")

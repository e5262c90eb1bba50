"""Swaps as data, over one member of each family: JSON-able, costed, built, emitted, or a typed error."""

from __future__ import annotations

import pytest
import torch

from vertebra.arch import Act, Architecture, Norm, SqueezeExcite, from_json, to_json
from vertebra.arch.record import fields_of, records_in
from vertebra.costs import cost
from vertebra.errors import TransformError
from vertebra.nn import build
from vertebra.onnx import emit_body
from vertebra.zoo import architecture, families

SMALLEST = [min(family.entries, key=lambda one: cost(one.make()).params).name for family in families()]

SWAPS = {
    "group norm": lambda arch: arch.with_norm("group", groups=32),
    "layer2d norm": lambda arch: arch.with_norm("layer2d"),
    "batch norm": lambda arch: arch.with_norm("batch"),
    "activation": lambda arch: arch.with_activation("hard_swish"),
    "squeeze and excitation": lambda arch: arch.with_se(4),
    "grey": lambda arch: arch.with_channels(1),
    "classes": lambda arch: arch.with_classes(7),
    "output stride 8": lambda arch: arch.with_output_stride(8),
    "output stride 16": lambda arch: arch.with_output_stride(16),
}


def holds(arch: Architecture, kind: type) -> bool:
    """Whether a primitive of this kind runs in the network."""
    return any(isinstance(layer.node, kind) for layer in arch.layers())


def carries_attention(record) -> bool:
    """Whether a block with a place for attention stands in a record."""
    own = any(field.name == "attention" and field.record is SqueezeExcite for field in fields_of(type(record)))
    values = [value for _, value in records_in(record)]
    inner = [item[1] if isinstance(item, tuple) else item for v in values for item in (v if type(v) is tuple else (v,))]
    return own or any(carries_attention(one) for one in inner)


def refusal(arch: Architecture, swap: str) -> str | None:
    """Why a swap has no meaning for a network, read off its layers."""
    if swap.endswith("norm") and not holds(arch, Norm):
        return "has no normalisation to change"
    if swap == "activation" and not holds(arch, Act):
        return "has no activation to change"
    if swap == "squeeze and excitation" and not carries_attention(arch):
        return "has no block that can carry attention"
    return None


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("name", SMALLEST)
def test_swap(name, swap):
    arch = architecture(name)
    why = refusal(arch, swap)
    if why is not None:
        with pytest.raises(TransformError, match=why):
            SWAPS[swap](arch)
        return
    changed = SWAPS[swap](arch)
    again = from_json(to_json(changed))
    assert again == changed and again.hash == changed.hash
    with torch.device("meta"):
        net = build(again).eval()
        y = net(torch.empty(2, *again.input_shape))
    assert tuple(y.shape[1:]) == cost(again).leaves
    assert cost(again).params == sum(parameter.numel() for parameter in net.parameters())
    model = emit_body(again, None)
    found = [each.dim_value for each in model.graph.output[0].type.tensor_type.shape.dim[1:]]
    assert tuple(found) == cost(again).leaves


def test_attention_that_is_there_keeps_its_make():
    arch = architecture("seresnet50").with_se(4)
    old, new = architecture("seresnet50").stages[0].block.attention, arch.stages[0].block.attention
    assert (new.reduction, new.layer, new.divisor) == (4, old.layer, old.divisor)
    # Blocks that have attention without naming it: its layers and their names stay, only their width changes.
    for name in ("efficientnet_b0", "semnasnet_100", "efficientnet_v2_s"):
        before, after = architecture(name), architecture(name).with_se(4)
        kinds = [{layer.path: type(layer.node) for layer in one.layers()} for one in (before, after)]
        assert kinds[0].items() <= kinds[1].items() and before.hash != after.hash
    assert cost(architecture("resnet50").with_se(16)).params > cost(architecture("resnet50")).params


@pytest.mark.parametrize(
    ("reduction", "message"),
    [
        (0.25, "a reduction by 0.25 (allowed: a number from 1 to 65536); for a ratio of 0.25 give 4"),
        (0, "a reduction by 0 (allowed: a number from 1 to 65536)"),
        ("4", "a reduction by '4' (allowed: a number from 1 to 65536)"),
        (True, "a reduction by True (allowed: a number from 1 to 65536)"),
    ],
)
def test_ratios_that_are_none(reduction, message):
    with pytest.raises(TransformError) as caught:
        architecture("resnet18").with_se(reduction)
    assert str(caught.value) == message

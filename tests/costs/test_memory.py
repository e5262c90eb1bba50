"""Peak memory: by hand, against what torch allocates, and bad input.  Larger networks: ``bench/memory.py``."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.allocations import checkpointed, inference_peak, training_peak
from tests.strategies import LEAST_RESOLUTION, architectures
from vertebra.arch import (
    Act,
    Architecture,
    BasicResidual,
    Conv,
    ConvNormAct,
    DepthwiseSeparable,
    Dropout,
    Identity,
    LayerScale,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    SqueezeExcite,
    Stage,
    add,
    concat,
    seq,
)
from vertebra.costs import cost
from vertebra.costs.memory import memory, timeline
from vertebra.errors import ArchitectureError, ShapeError, UsageError
from vertebra.nn import build
from vertebra.zoo import architecture

slow = settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

# -- by hand ----------------------------------------------------------------------------------------------------------


def kb(*channels: int) -> int:
    """Bytes of maps of 16 x 16 with so many channels, float32."""
    return 1024 * sum(channels)


def inference(node, channels):
    found = memory(node, resolution=16, channels=channels)
    return found.inference_bytes, found.inference_at


def test_a_value_is_freed_after_its_last_reader():
    """A sigmoid reads one map and makes another; the images are their caller's."""
    node = seq(a=Act("sigmoid"), b=Act("sigmoid"), c=Act("sigmoid"))
    assert inference(node, 8) == (kb(8, 8, 8), "b")


def test_a_relu_writes_over_what_a_layer_made_and_over_nothing_else():
    assert inference(seq(conv=Conv(8), act=Act()), 3) == (kb(3, 8), "conv")
    assert inference(seq(conv=Act("sigmoid"), act=Act()), 3) == (kb(3, 3, 3), "act")


def test_branches_are_held_until_they_meet():
    node = add(a=Act("tanh"), b=Act("tanh"), c=Identity())
    assert inference(node, 4) == (kb(4, 4, 4, 4), "")  # the images, two branches, one sum to which the third is added
    node = concat(a=Act("tanh"), b=Act("tanh"), c=Identity())
    assert inference(node, 4) == (kb(4, 4, 4, 12), "")


def test_a_sum_writes_over_its_first_branch_where_no_gradient_needs_that():
    assert inference(add(conv=Conv(4), shortcut=Identity()), 4) == (kb(4, 4), "conv")
    assert inference(add(shortcut=Identity(), conv=Conv(4)), 4) == (kb(4, 4, 4), "")
    assert inference(add(act=Act("sigmoid"), shortcut=Identity()), 4) == (kb(4, 4, 4), "")


def test_a_module_holds_its_input():
    """The inner chain is a module, whose call refers to its input while its second layer runs."""
    flat = seq(a=Act("tanh"), b=Act("tanh"), c=Act("tanh"))
    nested = seq(a=Act("tanh"), inner=seq(b=Act("tanh"), c=Act("tanh")))
    assert inference(flat, 4)[0] == kb(4, 4, 4)
    assert inference(nested, 4) == (kb(4, 4, 4, 4), "inner.c")


def test_what_training_keeps():
    """A sigmoid's gradient needs its output; going back, two gradients stand beside them."""
    node = seq(conv=Conv(4), a=Act("sigmoid"), b=Act("sigmoid"))
    found = memory(node, resolution=16, channels=4)
    # the images, two outputs and the gradient of the last, which is the caller's; a gradient made from a gradient
    assert found.training_bytes == kb(4, 4, 4, 4, 4, 4)
    assert (found.training_at, found.training_phase) == ("a", "backward")


def test_places_of_maxima_count():
    found = memory(Pool("max", 2, 2), resolution=16, channels=4)
    assert found.inference_bytes == kb(4, 1) + 2 * kb(1)


def test_weights_apart():
    node = seq(conv=Conv(8, 3, bias=True), norm=Norm(), fc=Linear(5))
    learned = 8 * 3 * 9 + 8 + 16 + 5 * 8 * 256 + 5
    found = memory(node, resolution=16, channels=3)
    assert (found.weights_bytes, found.gradients_bytes) == (4 * learned, 4 * learned)
    assert found.buffers_bytes == 4 * 16 + 8
    assert found.inference_total_bytes == 4 * learned + 72 + found.inference_bytes
    assert found.training_total_bytes(1) == 3 * 4 * learned + 72 + found.training_bytes
    half = memory(node, resolution=16, channels=3, precision="bf16")
    assert (half.weights_bytes, half.buffers_bytes) == (2 * learned, 2 * 16 + 8)
    eighth = memory(node, resolution=16, channels=3, precision="int8")
    assert eighth.weights_bytes == learned
    assert eighth.training_bytes is eighth.gradients_bytes is eighth.training_total_bytes() is None


# -- against torch -----------------------------------------------------------------------------------------------------

SMALL = (
    ("resnet18", 64, 4),
    ("resnext50_32x4d", 32, 16),
    ("seresnet18", 64, 4),
    ("densenet121", 64, 4),
    ("mobilenetv2_035", 96, 4),
    ("mobilenet_v3_small", 96, 4),
    ("efficientnet_b0", 64, 4),
    ("convnext_atto", 64, 4),
    ("convnextv2_atto", 64, 4),
    ("cifar_resnet20", 32, 1),
    ("googlenet", 64, 4),
    ("tf_efficientnet_lite0", 64, 4),
    ("alexnet_2012", 96, 2),
)
"""Name, resolution and batch."""


def pictures(arch, batch):
    return torch.randn(batch, *arch.input_shape).contiguous(memory_format=torch.channels_last)


def made(arch):
    return build(arch).to(memory_format=torch.channels_last)


@pytest.mark.parametrize(("name", "resolution", "batch"), SMALL)
def test_torch_allocates_as_much(name, resolution, batch):
    arch = architecture(name).with_resolution(resolution)
    found, net, images = memory(arch, batch=batch), made(arch), pictures(arch, batch)
    assert found.inference_bytes == pytest.approx(inference_peak(net, images), rel=0.1)
    assert found.training_bytes == pytest.approx(training_peak(net, images), rel=0.1)


@pytest.mark.parametrize(
    "block",
    [
        seq(a=ConvNormAct(32, 1, norm=None), b=Act("silu")),  # its ReLU writes over a view
        ConvNormAct(32, 3, groups=16, act=Act("relu6")),
        BasicResidual(32, shortcut="padding"),
        DepthwiseSeparable(32, kernel=5, act=Act("hard_swish"), attention=SqueezeExcite(4)),
        concat(a=Identity(), b=Pool("average", 3, 1, 1), c=seq(pool=Pool("max", 3, 1, 1), scale=LayerScale())),
        seq(drop=Dropout(0.5), norm=Norm("group", groups=4), act=Act("mish"), local=LocalResponseNorm(3)),
    ],
    ids=("view", "grouped", "padding", "depthwise", "pools", "norms"),
)
def test_torch_allocates_as_much_for_blocks(block):
    arch = Architecture("one", ConvNormAct(16, 3), (Stage(block),), resolution=32)
    found, net, images = memory(arch, batch=4), made(arch), pictures(arch, 4)
    assert found.inference_bytes == pytest.approx(inference_peak(net, images), rel=0.02)
    assert found.training_bytes == pytest.approx(training_peak(net, images), rel=0.02)


@pytest.mark.parametrize("name", ["mobilenetv2_035", "convnext_atto"])
def test_torch_allocates_as_much_in_bfloat16(name):
    """Gradients of kernels are gathered in float32 there."""
    arch = architecture(name).with_resolution(96)
    found, net, images = memory(arch, batch=4, precision="bf16"), made(arch).bfloat16(), pictures(arch, 4).bfloat16()
    assert found.inference_bytes == pytest.approx(inference_peak(net, images), rel=0.1)
    assert found.training_bytes == pytest.approx(training_peak(net, images), rel=0.1)


@pytest.mark.parametrize("what", ["block", "stage"])
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_035", "convnext_atto"])
def test_torch_allocates_as_much_with_checkpoints(name, what):
    arch = architecture(name).with_resolution(96)
    found = memory(arch, batch=4, checkpointing=what)
    measured = training_peak(checkpointed(made(arch), what), pictures(arch, 4))
    assert found.training_bytes == pytest.approx(measured, rel=0.1)


# -- what must hold of any network -----------------------------------------------------------------------------------


@slow
@given(architectures(), st.integers(LEAST_RESOLUTION, 64), st.sampled_from(("none", "block", "stage")))
def test_of_any_network(arch, resolution, checkpointing):
    # Not one image: torch has a way of its own for convolutions of a single small one.
    one = memory(arch, resolution=resolution, batch=2, checkpointing=checkpointing)
    more = memory(arch, resolution=resolution, batch=6, checkpointing=checkpointing)
    assert one.inference_bytes < more.inference_bytes <= 3 * one.inference_bytes
    assert one.training_bytes < more.training_bytes <= 3 * one.training_bytes
    assert one.inference_bytes >= 2 * 4 * arch.channels * resolution**2
    half = memory(arch, resolution=resolution, batch=2, precision="fp16")
    assert half.inference_bytes < one.inference_bytes
    assert one.weights_bytes == cost(arch, resolution=resolution).parameter_bytes
    moments = timeline(arch, resolution=resolution, batch=2, purpose="training", checkpointing=checkpointing)
    assert max(moment.bytes for moment in moments) == one.training_bytes
    paths = {layer.path for layer in arch.layers(arch.shape_at(resolution))}
    joins = {join.path for join in cost(arch, resolution=resolution).joins}
    assert {moment.path for moment in moments} <= paths | joins


def test_checkpoints_save_memory():
    arch = architecture("resnet50")
    none, block, stage = (memory(arch, batch=8, checkpointing=what) for what in ("none", "block", "stage"))
    assert block.training_bytes < stage.training_bytes < none.training_bytes
    assert none.inference_bytes == block.inference_bytes


def test_a_cost_knows_its_peaks():
    costs = cost(architecture("cifar_resnet20"))
    assert costs.peak_inference_bytes == memory(costs.of).inference_bytes
    assert costs.peak_training_bytes == memory(costs.of).training_bytes


def test_an_output_stride_takes_more():
    arch = architecture("resnet18")
    assert memory(arch.with_output_stride(8)).training_bytes > memory(arch).training_bytes


def test_nothing_but_the_images():
    found = memory(Identity(), resolution=4, channels=3)
    assert (found.inference_bytes, found.training_bytes, found.weights_bytes) == (192, 192, 0)
    assert timeline(Identity(), resolution=4, channels=3) == ()


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch: a batch of 0 (allowed: an integer from 1 to 1,048,576)"),
        ({"batch": 1.5}, "batch: a batch of 1.5 (allowed: an integer from 1 to 1,048,576)"),
        ({"batch": True}, "batch: a batch of True (allowed: an integer from 1 to 1,048,576)"),
        ({"precision": "fp8"}, "precision: a precision of 'fp8' (allowed: fp32, bf16, fp16, int8)"),
        ({"checkpointing": "all"}, "checkpointing: a checkpointing of 'all' (allowed: none, block, stage)"),
    ],
)
def test_options_that_are_none(options, message):
    for call in (memory, timeline):
        with pytest.raises(UsageError) as caught:
            call(architecture("resnet18"), **options)
        assert str(caught.value) == message


def test_other_bad_input():
    with pytest.raises(UsageError, match=r"^precision: nothing trains in int8 \(allowed: bf16, fp16, fp32\)$"):
        timeline(architecture("resnet18"), precision="int8", purpose="training")
    with pytest.raises(UsageError, match="a conv has no blocks to run again"):
        memory(Conv(3), resolution=4, channels=3, checkpointing="block")
    with pytest.raises(ArchitectureError, match="the memory of a Conv needs resolution= and channels="):
        memory(Conv(3))
    with pytest.raises(ArchitectureError, match="expected an architecture or a node, got 'resnet18'"):
        memory("resnet18")
    with pytest.raises(ShapeError, match=r"^stages\.3\.entry\.pool: a window of 2 does not fit"):
        memory(architecture("densenet121"), resolution=16)

"""MobileNet, MnasNet and EfficientNet against torchvision and timm through the key maps, and their free parameters."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import nn

from tests.peers import timm, torchvision
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, TransformError
from vertebra.nn import build
from vertebra.zoo import (
    architecture,
    efficientnet,
    efficientnet_lite,
    efficientnet_v2,
    entry,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v2_deep,
    mobilenet_v3,
)
from vertebra.zoo.registry import variant


def theirs(name: str, source: str) -> nn.Module:
    """The peer's network, its tensors without values."""
    peer = entry(name)[1].peers[source]
    with torch.device("meta"):
        if source == "timm":
            return timm().create_model(peer.name)
        return getattr(torchvision().models, peer.name)()


VARIANCE = {"efficientnet_b5": 1.5}
"""Of a kernel's values, over its inputs, where it is not 2.  At 2 timm's and torchvision's EfficientNet-B5 are chaos:
they themselves move their logits by up to 15% when the images move by 1e-15 of their values.
"""


def at_random(net: nn.Module, seed: int = 0, variance: float = 2.0) -> dict[str, torch.Tensor]:
    """Values for every tensor: gains and variances in 0.5 to 1.5, so that no layer is without effect."""
    generator = torch.Generator().manual_seed(seed)
    values = net.state_dict()  # with the version that torchvision's MNASNet asks for
    for name, tensor in values.items():
        value = torch.zeros(tensor.shape, dtype=torch.float64)
        if tensor.ndim > 1:
            value.normal_(0, (variance / tensor[0].numel()) ** 0.5, generator=generator)
        elif name.endswith(("bias", "running_mean")):
            value.normal_(0, 0.3, generator=generator)
        elif tensor.is_floating_point():
            value.uniform_(0.5, 1.5, generator=generator)
        values[name] = value if tensor.is_floating_point() else value.to(tensor.dtype)
    return values


def pair(name: str, source: str) -> tuple[nn.Module, nn.Module]:
    """Ours and theirs with the same random tensors, in float64, in evaluation mode."""
    peer = theirs(name, source)
    values = at_random(peer, variance=VARIANCE.get(name, 2.0))
    peer.load_state_dict(values, assign=True)
    arch = variant(name, source)
    with torch.device("meta"):
        net = build(arch)
    shapes = {key: tensor.shape for key, tensor in net.state_dict().items()}
    keys = entry(name)[1].peers[source].keys.theirs(arch)
    ours = {key: values[other].clone().reshape(shapes[key]) for key, other in keys.items()}
    net.load_state_dict(ours, assign=True)
    return net.eval(), peer.eval()


def images(resolution: int, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 3, resolution, resolution, generator=generator, dtype=torch.float64)


def test_every_name_that_is_promised():
    timms = [
        *(f"mobilenetv1_{width}" for width in ("100", "100h", "125")),
        *(f"mobilenetv2_{width}" for width in ("035", "050", "075", "100", "110d", "120d", "140")),
        *(f"mobilenetv3_{kind}" for kind in ("large_075", "large_100", "small_050", "small_075", "small_100")),
        *(f"mnasnet_{width}" for width in ("050", "075", "100", "140", "small")),
        *(f"tf_mobilenetv3_{size}_minimal_100" for size in ("large", "small")),
        *(f"{prefix}efficientnet_b{member}" for prefix in ("", "tf_") for member in range(9)),
        *(f"{prefix}efficientnet_lite{member}" for prefix in ("", "tf_") for member in range(5)),
    ]
    torchvisions = [
        *(f"mobilenet_{kind}" for kind in ("v2", "v3_large", "v3_small")),
        *(f"mnasnet{width}" for width in ("0_5", "0_75", "1_0", "1_3")),
        *(f"efficientnet_b{member}" for member in range(8)),
        *(f"efficientnet_v2_{size}" for size in "sml"),
    ]
    assert all(entry(name)[1].timm.name == name for name in timms)
    assert all(entry(name)[1].torchvision.name == name == entry(name)[1].name for name in torchvisions)


SMALL = [
    ("mobilenetv1_100", "timm"),
    ("mobilenetv1_100h", "timm"),
    ("mobilenet_v2", "torchvision"),
    ("mobilenet_v2", "timm"),
    ("mobilenetv2_035", "timm"),
    ("mobilenetv2_110d", "timm"),
    ("mobilenet_v3_large", "torchvision"),
    ("mobilenet_v3_large", "timm"),
    ("mobilenet_v3_small", "torchvision"),
    ("mobilenet_v3_small", "timm"),
    ("mobilenetv3_large_075", "timm"),
    ("mobilenetv3_small_050", "timm"),
    ("tf_mobilenetv3_small_075", "timm"),
    ("tf_mobilenetv3_large_minimal_100", "timm"),
    ("tf_mobilenetv3_small_minimal_100", "timm"),
    ("mnasnet0_5", "torchvision"),
    ("mnasnet0_5", "timm"),
    ("mnasnet_small", "timm"),
    ("semnasnet_075", "timm"),
    ("efficientnet_b0", "torchvision"),
    ("efficientnet_b0", "timm"),
    ("tf_efficientnet_b0", "timm"),
    ("efficientnet_lite1", "timm"),
    ("tf_efficientnet_lite2", "timm"),
    pytest.param("efficientnet_v2_s", "torchvision", marks=pytest.mark.slow),
    pytest.param("efficientnet_v2_s", "timm", marks=pytest.mark.slow),
    pytest.param("efficientnet_b5", "torchvision", marks=pytest.mark.slow),
    pytest.param("efficientnet_b5", "timm", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "source"), SMALL)
def test_same_logits(name, source):
    """To 1e-9 of the largest, at an even and an odd resolution, where TensorFlow's padding differs."""
    net, peer = pair(name, source)
    for resolution in (64, 75):
        x = images(resolution)
        with torch.inference_mode():
            ours, expected = net(x), peer(x)
        assert expected.isfinite().all() and (expected[0] - expected[1]).abs().max() > 1e-3 * expected.abs().max()
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9 * expected.abs().max().item())


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("mobilenetv3_small_050", "timm"),
        pytest.param("mnasnet_small", "timm", marks=pytest.mark.slow),
        pytest.param("mobilenetv1_100h", "timm", marks=pytest.mark.slow),
    ],
)
def test_no_tensor_is_without_effect(name, source):
    """Else parity would say nothing of it."""
    net, _ = pair(name, source)
    x = images(32, 1)
    with torch.inference_mode():
        before = net(x)
        for key, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                kept = tensor.clone()
                tensor.mul_(1.5).add_(0.1)
                assert (net(x) - before).abs().max() > 1e-7 * before.abs().max(), key
                tensor.copy_(kept)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("mobilenetv1_100", "timm"),
        ("mobilenet_v2", "torchvision"),
        ("mobilenet_v3_small", "torchvision"),
        ("mnasnet0_5", "torchvision"),
        ("tf_efficientnet_b0", "timm"),
        ("efficientnet_lite0", "timm"),
    ],
)
def test_same_loss_and_gradients(name, source):
    """In training mode, nothing dropped."""
    net, peer = pair(name, source)
    for one in (net, peer):
        one.train()
        for module in one.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            if type(module).__name__ == "StochasticDepth":
                module.p = 0.0
    x, y = images(64, 4), torch.tensor([1, 2, 3, 4])
    losses = [nn.functional.cross_entropy(one(x), y) for one in (net, peer)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-9, atol=0)
    for loss in losses:
        loss.backward()
    keys = entry(name)[1].peers[source].keys.theirs(variant(name, source))
    expected = dict(peer.named_parameters())
    largest = max(parameter.grad.abs().max() for parameter in expected.values()).item()
    for key, parameter in net.named_parameters():
        grad = expected[keys[key]].grad.reshape(parameter.shape)
        torch.testing.assert_close(parameter.grad, grad, rtol=1e-6, atol=1e-9 * largest)


# -- free parameters -----------------------------------------------------------------------------------------------


@cache
def size(arch) -> tuple[int, int]:
    costs = cost(arch, resolution=224)
    return costs.params, costs.macs


@pytest.mark.parametrize(
    ("arch", "builder", "multipliers"),
    [
        (mobilenet_v1(0.6), "_gen_mobilenet_v1", (0.6,)),
        (mobilenet_v2(1.3), "_gen_mobilenet_v2", (1.3,)),
        (mnasnet("a1", 1.2), "_gen_mnasnet_a1", (1.2,)),
        (mnasnet("small", 1.6), "_gen_mnasnet_small", (1.6,)),
        (efficientnet(0.7, 0.8), "_gen_efficientnet", (0.7, 0.8)),
        (efficientnet_lite(1.5, 2.0), "_gen_efficientnet_lite", (1.5, 2.0)),
        (efficientnet_v2("s", 0.5), "_gen_efficientnetv2_s", (0.5,)),
    ],
)
def test_other_multipliers_are_timms(arch, builder, multipliers):
    """Widths and depths that nobody published, from the peer's own builder."""
    make = getattr(timm().models.efficientnet, builder)
    with torch.device("meta"):
        net = make(entry_of(builder), *multipliers)
    assert size(arch)[0] == sum(parameter.numel() for parameter in net.parameters())


def entry_of(builder: str) -> str:
    """A name that timm knows for what its builder makes; it sets nothing but the preprocessing."""
    return {
        "_gen_mobilenet_v1": "mobilenetv1_100",
        "_gen_mobilenet_v2": "mobilenetv2_100",
        "_gen_mnasnet_a1": "semnasnet_100",
        "_gen_mnasnet_small": "mnasnet_small",
        "_gen_efficientnet": "efficientnet_b0",
        "_gen_efficientnet_lite": "efficientnet_lite0",
        "_gen_efficientnetv2_s": "efficientnetv2_s",
    }[builder]


@pytest.mark.parametrize("width", [0.35, 0.6, 0.75])
def test_any_width_of_mobilenet_v3_is_timms(width):
    for kind in ("large", "small"):
        with torch.device("meta"):
            net = timm().models.mobilenetv3._gen_mobilenet_v3(f"mobilenetv3_{kind}_100", width)
        assert size(mobilenet_v3(kind, width))[0] == sum(parameter.numel() for parameter in net.parameters())


def test_resolution_changes_no_tensor():
    """rho of Howard et al. 2017, section 3.4: fewer multiply-accumulates, the same parameters."""
    small, whole = cost(architecture("mobilenetv1_100_128")), cost(architecture("mobilenetv1_100"))
    assert small.params == whole.params and math.isclose(small.macs / whole.macs, (128 / 224) ** 2, rel_tol=0.01)


def test_the_deeper_v2_keeps_its_ends():
    arch = mobilenet_v2_deep(2.0, 2.0)
    assert [stage.depth for stage in arch.stages] == [1, 4, 6, 8, 6, 6, 1]
    assert arch.stem == mobilenet_v2().stem and arch.head == mobilenet_v2().head


@pytest.mark.parametrize(
    "arch",
    [mobilenet_v1(), mobilenet_v2(), mobilenet_v3("large_minimal"), efficientnet(), efficientnet_v2()],
    ids=lambda arch: arch.name,
)
def test_attention_of_every_block(arch):
    """C / r values between the two layers of a gate on the C channels of the wide part (Hu et al. 2018, figure 2)."""
    changed = arch.with_se(8)
    gates = [layer for layer in cost(changed).layers if layer.path.endswith("attention.reduce")]
    assert len(gates) == sum(stage.depth for stage in arch.stages if hasattr(stage.block, "attention"))
    assert all(layer.leaves[0] == max(1, layer.enters[0] // 8) for layer in gates)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: mobilenet_v3("medium"),
            "mobilenet_v3: unknown kind 'medium' (allowed: large, small, large_minimal, small_minimal)",
        ),
        (lambda: mnasnet("c1"), "mnasnet: unknown kind 'c1' (allowed: b1, a1, small)"),
        (lambda: efficientnet_v2("xl"), "efficientnet_v2: unknown size 'xl' (allowed: s, m, l)"),
        (lambda: mnasnet(["b1"]), "mnasnet: unknown kind ['b1'] (allowed: b1, a1, small)"),
    ],
)
def test_free_parameters_that_mean_nothing(call, message):
    with pytest.raises(ArchitectureError) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize("family", [mobilenet_v1, mobilenet_v2, mnasnet, efficientnet, efficientnet_lite])
def test_multipliers_out_of_range(family):
    with pytest.raises(TransformError, match="a width multiplier of 17 "):
        family(width=17) if family is not mnasnet else family("b1", 17)

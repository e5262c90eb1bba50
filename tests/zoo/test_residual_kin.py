"""ResNet's kin and DenseNet against torchvision and timm through the key maps, and the networks that neither has."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from tests.parity import Pairing, assert_close, images
from vertebra.arch.blocks import SqueezeExcite
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, VertebraError
from vertebra.zoo import (
    architecture,
    cifar_densenet,
    cifar_resnet_v2,
    cifar_wide_resnet,
    densenet,
    entry,
    families,
    resnet_d,
    resnet_v2,
    resnext,
    seresnet,
    wide_resnet,
)

FAMILIES = ("resnet", "resnet_d", "resnet_v2", "resnext", "senet", "wide_resnet", "densenet")
PEERS = [
    (entry.name, source)
    for family in families()
    if family.name in FAMILIES
    for entry in family.entries
    for source in entry.peers
]


# One of each kind here; the tests of parity take every entry.
LIGHT = [
    ("resnet18", "torchvision"),
    ("resnet18d", "timm"),
    ("resnet26d", "timm"),
    ("seresnet18", "timm"),
    ("resnetv2_50", "timm"),
    pytest.param("resnext50_32x4d", "torchvision", marks=pytest.mark.slow),
    pytest.param("wide_resnet50_2", "torchvision", marks=pytest.mark.slow),
    pytest.param("densenet121", "timm", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "source"), LIGHT)
def test_same_logits(name, source):
    """At an even and an odd resolution."""
    pairing = Pairing(name, source).to(torch.float64)
    for resolution in (64, 75):
        assert_close(*pairing.logits(resolution, torch.float64), torch.float64)


@pytest.mark.parametrize("name", ["resnet18d", "seresnet18", pytest.param("resnetv2_50", marks=pytest.mark.slow)])
def test_same_gradients_and_none_is_empty(name):
    """In training mode; every parameter matters, so that equality of the logits says something of each."""
    pairing = Pairing(name, "timm").to(torch.float64)
    target = torch.tensor([3, 141, 592])
    grads = {}
    for key, one in (("ours", pairing.net), ("theirs", pairing.peer)):
        loss = nn.functional.cross_entropy(one.train()(images(64, torch.float64, batch=3)), target)
        named = dict(one.named_parameters())
        grads[key] = dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))
    for key, grad in grads["ours"].items():
        expected = grads["theirs"][pairing.names[key]].reshape(grad.shape)
        assert expected.abs().max() > 0, key
        torch.testing.assert_close(grad, expected, rtol=1e-6, atol=1e-9 * float(expected.abs().max()))


def test_no_name_needs_an_alias():
    """These networks have one name everywhere."""
    assert all(peer.name == name for name, source in PEERS for peer in [entry(name)[1].peers[source]])
    assert set(entry("resnet50")[1].peers) == set(entry("densenet201")[1].peers) == {"torchvision", "timm"}
    assert set(entry("resnet200")[1].peers) == set(entry("seresnet50")[1].peers) == {"timm"}


# -- what no peer has ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cardinality", "width", "conv2"), [(1, 64, 64), (2, 40, 80), (4, 24, 96), (8, 14, 112), (32, 4, 128)]
)
def test_cardinalities_keep_the_complexity(cardinality, width, conv2):
    """Xie et al. 2017, section 3.3 and table 2: C (256 d + 9 d d + 256 d) is about 70 thousand for each of them."""
    arch = resnext((1, 1, 1, 1), cardinality, width)
    block = [layer for layer in cost(arch.with_classes(10)).layers if layer.path.startswith("stages.0.0.")]
    convs = {layer.path.split(".")[3]: layer for layer in block if layer.kind == "conv"}
    assert convs["conv"].leaves[0] == conv2
    paper = cardinality * (256 * width + 9 * width * width + 256 * width)
    # The first block sees the 64 channels of the stem; its 1x1 convolution would have four times as many weights.
    assert 4 * convs["reduce"].params + convs["conv"].params + convs["expand"].params == paper
    assert round(paper / 1e4) == 7


@pytest.mark.parametrize(
    "name", [one.name for family in families() if family.name == "resnext" for one in family.entries]
)
def test_parameters_of_a_resnext_follow_from_its_template(name):
    """Xie et al. 2017, table 1: written out anew, since nobody has the networks of the other cardinalities."""
    layers, cardinality, width = map(int, re.fullmatch(r"resnext(\d+)_(\d+)x(\d+)d", name).groups())
    params, channels = 3 * 64 * 7 * 7 + 2 * 64, 64
    for stage, depth in enumerate({50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}[layers]):
        inner, out = cardinality * width * 2**stage, 256 * 2**stage
        for block in range(depth):
            params += channels * inner + 9 * inner * inner // cardinality + inner * out + 2 * (inner + inner + out)
            params += 0 if block else channels * out + 2 * out
            channels = out
    assert cost(architecture(name)).params == params + 2048 * 1000 + 1000


@pytest.mark.parametrize(
    "name", [one.name for family in families() if family.name == "cifar_wide_resnet" for one in family.entries]
)
def test_parameters_of_a_wide_resnet_follow_from_its_table(name):
    """Zagoruyko and Komodakis 2016, table 1, with norms before the convolutions: d = 6n + 4."""
    layers, factor = map(int, re.fullmatch(r"cifar_wrn(\d+)_(\d+)", name).groups())
    params, channels = 3 * 16 * 9, 16
    for out in (16 * factor, 32 * factor, 64 * factor):
        for _ in range((layers - 4) // 6):
            params += 2 * channels + 9 * channels * out + 2 * out + 9 * out * out
            params += channels * out if channels != out else 0
            channels = out
    assert cost(architecture(name)).params == params + 2 * channels + 10 * channels + 10


def layers_of(arch) -> int:
    """Convolutions and fully connected layers, those of shortcuts left out."""
    counted = [layer for layer in cost(arch).layers if layer.kind in ("conv", "linear")]
    return sum("shortcut" not in layer.path for layer in counted)


@pytest.mark.parametrize("layers", [16, 28, 40])
def test_layers_of_a_wide_resnet(layers):
    """Zagoruyko and Komodakis 2016, section 3: d counts the convolutions, with those of the three shortcuts."""
    assert layers_of(cifar_wide_resnet(layers, 2)) - 1 + 3 == layers


@pytest.mark.parametrize("n", [1, 18, 111])
def test_layers_of_a_cifar_resnet_v2(n):
    arch = cifar_resnet_v2(n)
    assert layers_of(arch) == 9 * n + 2 and arch.name == f"cifar_resnetv2_{9 * n + 2}"


def test_parameters_of_the_1001_layers_without_norms():
    """He et al. 2016, Identity Mappings, table 4: 10.2 million."""
    costs = cost(architecture("cifar_resnetv2_1001"))
    assert round(sum(layer.params for layer in costs.layers if layer.kind != "norm") / 1e6, 1) == 10.2


@pytest.mark.parametrize("layers", [100, 190, 250])
def test_layers_of_a_cifar_densenet(layers):
    assert layers_of(cifar_densenet(layers)) == layers


def test_densenet_264():
    """Huang et al. 2017, table 1: 6, 12, 64, 48 dense layers, and the parameters that the table's rules give.

    That makes 265 layers, counted as those of DenseNet-121 (twice 58 and 5); the paper says 264.
    """
    arch = architecture("densenet264")
    assert layers_of(architecture("densenet121")) == 121 == 2 * (6 + 12 + 24 + 16) + 5
    assert layers_of(arch) == 2 * (6 + 12 + 64 + 48) + 5
    params = 3 * 64 * 49 + 2 * 64
    channels = 64
    for index, depth in enumerate((6, 12, 64, 48)):
        if index:
            params += 2 * channels + channels * (channels // 2)
            channels //= 2
        for _ in range(depth):
            params += 2 * channels + channels * 128 + 2 * 128 + 128 * 32 * 9
            channels += 32
    assert cost(arch).params == params + 2 * channels + 1001 * channels - channels + 1000


def test_other_parameters():
    assert cost(seresnet((3, 4, 6, 3), attention=SqueezeExcite())).params == 28_088_024 - sum(
        depth * (width + width // 16) for depth, width in zip((3, 4, 6, 3), (256, 512, 1024, 2048), strict=True)
    )
    assert cost(wide_resnet((3, 4, 6, 3))).params == 68_883_240  # torchvision 0.28.0: wide_resnet50_2
    assert resnet_v2((1, 1), widths=(8, 16), classes=3).classes == 3
    assert resnet_d((1, 1), "basic", widths=(8, 16)).reduction == 8
    assert cifar_wide_resnet(10, 1, dropout=0.3) != cifar_wide_resnet(10, 1)
    assert cifar_densenet(22, 12, compression=1.0).classes == 10 and densenet((2,)).stages[0].entry is None


@pytest.mark.parametrize("name", ["resnet18d", "resnetv2_50", "seresnet18", "cifar_wrn16_8", "cifar_densenet100_12"])
def test_transforms(name):
    arch = architecture(name)
    for changed in (
        arch.scaled(width=0.5),
        arch.with_norm("group"),
        arch.with_activation("silu"),
        arch.with_channels(1),
    ):
        assert cost(changed).leaves == (arch.classes,)
    assert arch.with_reduction(2).reduction == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cifar_wide_resnet(20, 2), "cifar_wide_resnet: 20 layers (allowed: 6n + 4: 10, 16, 22, ...)"),
        (lambda: cifar_wide_resnet("28", 2), "cifar_wide_resnet: '28' layers (allowed: 6n + 4: 10, 16, 22, ...)"),
        (lambda: cifar_densenet(4), "cifar_densenet: 4 layers (allowed: 6n + 4: 10, 16, 22, ...)"),
        (lambda: resnet_v2((1, 2)), "resnet_v2: 2 depths and 4 widths (allowed: as many)"),
        (lambda: resnext((1, 2)), "resnext: 2 depths and 4 widths (allowed: as many)"),
        (lambda: wide_resnet((1, 2)), "wide_resnet: 2 depths and 4 widths (allowed: as many)"),
        (lambda: seresnet((1, 2)), "seresnet: 2 depths and 4 widths (allowed: as many)"),
        (lambda: resnet_d((1, 2)), "resnet_d: 2 depths and 4 widths (allowed: as many)"),
    ],
)
def test_parameters_that_mean_nothing(call, message):
    with pytest.raises(ArchitectureError) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize("call", [lambda: resnext((1, 1, 1, 1), 0), lambda: cifar_wide_resnet(10, 1, dropout=1.0)])
def test_numbers_out_of_range(call):
    with pytest.raises(VertebraError):
        call()

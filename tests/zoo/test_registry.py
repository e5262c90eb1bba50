"""The registry: each entry has its facts, builds, and has the published size."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vertebra.arch import Conv, from_json, to_json
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, UnknownNameError
from vertebra.weights.catalogue import everything
from vertebra.zoo import (
    alexnet,
    architecture,
    cifar_resnet,
    cifar_resnet_v2,
    convnext,
    densenet,
    efficientnet,
    entry,
    families,
    googlenet,
    inception_v3,
    mobilenet_v2,
    names,
    resnet,
    resnet_v2,
    vgg,
)

MOBILE = (
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3",
    "mnasnet",
    "efficientnet",
    "efficientnet_lite",
    "efficientnet_v2",
)

# Parameters and MACs at 224 px, as torchvision 0.28.0 and timm 1.0.31 count them by torch's own flop counter.
GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


def test_the_registry_holds_what_is_promised():
    resnets = [f"resnet{layers}" for layers in (18, 34, 50, 101, 152)]
    cifar = [f"cifar_resnet{6 * n + 2}" for n in (3, 5, 7, 9, 18, 200)]
    plain = [f"cifar_plain{6 * n + 2}" for n in (3, 5, 7, 9)]
    others = [f"densenet{layers}" for layers in (121, 161, 169, 201)] + [
        f"efficientnet_b{member}" for member in range(8)
    ]
    assert {*resnets, *cifar, *plain, *others, "mobilenet_v2"} <= set(names())
    assert len(set(names())) == len(names())
    assert len({family.name for family in families()}) == len(families())


@pytest.mark.parametrize("name", names())
def test_facts_are_complete(name):
    family, one = entry(name)
    assert 1990 < family.year < 2100 and "arXiv:" in family.paper
    assert family.idea.endswith(".") and family.idea.count(".") == 1 and len(family.idea) < 130
    if one.accuracy is None:
        assert one.note
    else:
        assert 50 < one.accuracy.top1 < 100 and one.accuracy.resolution >= 32 and one.accuracy.source
    assert family in families() and one in family.entries


@pytest.mark.parametrize("name", names())
def test_accuracies_of_published_weights_are_those_of_the_catalogue(name):
    """The catalogue is made from torchvision and timm themselves."""
    one = entry(name)[1]
    said = re.match(r"(torchvision|timm),? (\S+) weights", one.accuracy.source) if one.accuracy else None
    if said is None:
        return
    source, tag = said.groups()
    model = one.peers[source].name
    (weight,) = [one for one in everything() if (one.source, one.model, one.tag) == (source, model, tag)]
    assert (weight.top1, weight.resolution) == (one.accuracy.top1, one.accuracy.resolution)


@pytest.mark.parametrize("name", names())
def test_entries_are_named_and_shaped_as_they_say(name):
    arch = architecture(name)
    assert arch.name == name and arch == entry(name)[1].make()
    assert arch.classes == (10 if "cifar" in name else 1000)
    accuracy = entry(name)[1].accuracy
    assert accuracy is None or accuracy.resolution >= arch.resolution  # some are tested at more pixels than trained
    assert from_json(to_json(arch)).hash == arch.hash
    assert cost(arch).leaves == (arch.classes,)


@pytest.mark.parametrize("name", [one.name for family in families() if family.name in MOBILE for one in family.entries])
def test_accuracies_of_networks_that_pad_as_tensorflow_does_say_so(name):
    """The authors' code of these families pads as TensorFlow does; their accuracies are of that, torchvision's and
    timm's are of their own networks.
    """
    one = entry(name)[1]
    theirs = one.accuracy is not None and not one.accuracy.source.startswith(("torchvision", "timm"))
    paddings = {layer.node.padding for layer in architecture(name).layers() if isinstance(layer.node, Conv)}
    assert ("padded evenly" in one.note) >= (theirs and "same" not in paddings)
    assert ("padded as TensorFlow pads" in one.note) == ("same" in paddings)


@pytest.mark.parametrize(
    "name", ["seresnet50", "seresnet101", "seresnet152", "seresnext50_32x4d", "seresnext101_32x4d"]
)
def test_where_the_strides_of_senets_are(name):
    """github.com/hujie-frank/SENet, models/*.prototxt: on the first 1x1 of SE-ResNets, on the 3x3 of SE-ResNeXts."""
    strided = [layer for layer in architecture(name).layers() if layer.path.endswith("0.conv.conv")][1]
    assert strided.node.stride == 2 and strided.path.startswith("stages.1")
    assert ("stride on the 3x3 convolution" in entry(name)[1].note) == ("resnext" not in name)


def test_unknown_names_get_the_nearest():
    for name, start in (
        ("resnet51", "unknown architecture 'resnet51' (allowed: resnet50, "),
        ("xyzzy", "unknown architecture 'xyzzy' (allowed: "),
        ([], "unknown architecture [] (allowed: "),
    ):
        with pytest.raises(UnknownNameError) as caught:
            architecture(name)
        assert str(caught.value).startswith(start) and str(caught.value).endswith(", ...); see `vertebra list`")


# -- families with free parameters ---------------------------------------------------------------------------------


def test_resnet_200():
    """He et al. 2016 (Identity Mappings), table 5: 200 layers are depths 3, 24, 36, 3."""
    arch = resnet(depths=(3, 24, 36, 3))
    assert sum(3 * stage.depth for stage in arch.stages) + 2 == 200
    assert round(cost(arch).params / 1e6, 1) == 64.7  # timm 1.0.31: resnet200, 64,673,832
    assert cost(arch).params == 64_673_832


def test_resnext_and_senet_from_the_same_family():
    """torchvision 0.28.0: resnext50_32x4d and wide_resnet50_2; timm 1.0.31: seresnet50."""
    from vertebra.arch import SqueezeExcite

    assert cost(resnet((3, 4, 6, 3), groups=32, base_width=4)).params == 25_028_904
    assert cost(resnet((3, 4, 6, 3), base_width=128)).params == 68_883_240
    # timm's gates have biases (two for each block: channels / 16 and channels), the paper's equation 3 has none.
    biases = sum(
        depth * (width + width // 16) for depth, width in zip((3, 4, 6, 3), (256, 512, 1024, 2048), strict=True)
    )
    assert cost(resnet((3, 4, 6, 3), attention=SqueezeExcite(16))).params == 28_088_024 - biases


@pytest.mark.parametrize("n", [1, 2, 4, 33])
def test_any_depth_of_the_cifar_networks(n):
    arch = cifar_resnet(n)
    assert arch.name == f"cifar_resnet{6 * n + 2}"
    convs = [layer for layer in cost(arch).layers if layer.kind == "conv"]
    assert len(convs) + 1 == 6 * n + 2


def test_plain_twins_have_the_same_size():
    for layers in (20, 32, 44, 56):
        residual, plain = (cost(architecture(f"cifar_{kind}{layers}")) for kind in ("resnet", "plain"))
        assert (residual.params, residual.macs, residual.activations) == (plain.params, plain.macs, plain.activations)


def test_other_parameters():
    assert densenet((2, 2), growth=12, classes=5).classes == 5
    assert mobilenet_v2(0.1, classes=3).classes == 3
    assert efficientnet(1.5, 1.5, resolution=200).resolution == 200
    # Sandler et al. 2018, section 6.1: the last convolution is not narrowed below a multiplier of 1.
    assert mobilenet_v2(0.35).head.children[0][1].out == 1280 and mobilenet_v2(1.4).head.children[0][1].out == 1792


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resnet((3, 24, 36)), "resnet: 3 depths and 4 widths (allowed: as many)"),
        (lambda: resnet((1, 1, 1, 1), "foo"), "resnet: unknown block 'foo' (allowed: basic, bottleneck)"),
        (lambda: resnet((1, 1, 1, 1), ["basic"]), "resnet: unknown block ['basic'] (allowed: basic, bottleneck)"),
        (lambda: resnet(50), "resnet: the depths are 50 (allowed: a list)"),
        (lambda: resnet((1, 1), widths=5), "resnet: the widths are 5 (allowed: a list)"),
        (lambda: densenet(121), "densenet: the depths are 121 (allowed: a list)"),
        (lambda: densenet("ab"), "densenet: the depths are 'ab' (allowed: a list)"),
        (lambda: convnext(3, 4), "convnext: the depths are 3 (allowed: a list)"),
        (lambda: resnet_v2(50), "resnet_v2: the depths are 50 (allowed: a list)"),
        (lambda: alexnet(5), "alexnet: the widths are 5 (allowed: a list)"),
        (lambda: alexnet(groups=2), "alexnet: the groups are 2 (allowed: a list)"),
        (lambda: alexnet(hidden=5), "alexnet: the hidden widths are 5 (allowed: a list)"),
        (lambda: vgg((1,), widths=(8,), hidden=5), "vgg: the hidden widths are 5 (allowed: a list)"),
        (
            lambda: googlenet([(8, 8, 8, 8, 8, 8)]),
            "googlenet: a module (8, 8, 8, 8, 8, 8) (allowed: Module(widths, pool, auxiliary))",
        ),
        (lambda: convnext((1,), (8,), None), "convnext: a block None (allowed: a ConvNeXtBlock)"),
        (lambda: googlenet(9), "googlenet: the modules are 9 (allowed: a list)"),
        (lambda: inception_v3(pooled=3), "inception_v3: the pooled widths are 3 (allowed: a list)"),
        (lambda: cifar_resnet_v2("164"), "Stage.depth: expected int, got '164'"),
    ],
)
def test_free_parameters_that_mean_nothing(call, message):
    with pytest.raises(ArchitectureError) as caught:
        call()
    assert str(caught.value) == message

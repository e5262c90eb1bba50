"""AlexNet, VGG, GoogLeNet and Inception v3 against what their papers print, and their free parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.nn.helpers import randomised
from tests.onnx.support import ENGINES, close, in_torch, lively
from tests.peers import torchvision
from tests.zoo.test_classics import at_random, images
from vertebra.arch.blocks import (
    AuxiliaryConv,
    AuxiliaryDense,
    Inception,
    InceptionA,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)
from vertebra.arch.codec import from_json, to_json
from vertebra.arch.primitives import LocalResponseNorm, Norm
from vertebra.arch.record import replace
from vertebra.costs import cost
from vertebra.errors import ArchitectureError, ShapeError, TransformError
from vertebra.nn import build
from vertebra.onnx import emit_body
from vertebra.zoo import alexnet, architecture, entry, googlenet, inception_v3, vgg
from vertebra.zoo.inceptions import MODULES

# -- AlexNet -------------------------------------------------------------------------------------------------------


def test_neurons_of_the_first_alexnet():
    """Krizhevsky et al. 2012, figure 2: 186,624, 64,896, 64,896, 43,264, 4096, 4096 and 1000 of them.

    The 253,440 of its first layer are no multiple of 96 maps of 55x55 (290,400), which section 3.5's strides give.
    """
    layers = cost(architecture("alexnet_2012")).layers
    outputs = [torch.Size(layer.leaves).numel() for layer in layers if layer.kind in ("conv", "linear")]
    assert outputs == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]


def test_kernels_of_the_first_alexnet():
    """Section 3.5: 96 of 11x11x3, 256 of 5x5x48, 384 of 3x3x256, 384 of 3x3x192, 256 of 3x3x192; biases everywhere."""
    with torch.device("meta"):
        net = build(architecture("alexnet_2012"))
    shapes = [tuple(one.weight.shape) for one in net.modules() if isinstance(one, nn.Conv2d)]
    assert shapes == [(96, 3, 11, 11), (256, 48, 5, 5), (384, 256, 3, 3), (384, 192, 3, 3), (256, 192, 3, 3)]
    kernels = sum(torch.Size(shape).numel() + shape[0] for shape in shapes)
    dense = [(9216, 4096), (4096, 4096), (4096, 1000)]
    assert cost(architecture("alexnet_2012")).params == kernels + sum(ins * outs + outs for ins, outs in dense)


def test_the_first_alexnet_is_the_papers():
    """The layers of section 3.5 one after the other, and the normalisation of section 3.3 written out."""

    class Response(nn.Module):
        def forward(self, x):
            padded = nn.functional.pad(x.square(), (0, 0, 0, 0, 2, 2))
            energy = sum(padded[:, start : start + x.shape[1]] for start in range(5))
            return x / (2 + 1e-4 * energy) ** 0.75

    relu, pool = nn.ReLU(), nn.MaxPool2d(3, 2)
    plain = nn.Sequential(
        nn.Conv2d(3, 96, 11, 4, 2), relu, Response(), pool,
        nn.Conv2d(96, 256, 5, 1, 2, groups=2), relu, Response(), pool,
        nn.Conv2d(256, 384, 3, 1, 1), relu,
        nn.Conv2d(384, 384, 3, 1, 1, groups=2), relu,
        nn.Conv2d(384, 256, 3, 1, 1, groups=2), relu, pool,
        nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Linear(9216, 16), relu, nn.Linear(16, 16), relu, nn.Linear(16, 10),
    )  # fmt: skip
    first = architecture("alexnet_2012")
    head = dict(first.head.children)
    narrow = {"fc1": replace(head["fc1"], out=16), "fc2": replace(head["fc2"], out=16)}
    children = tuple((name, narrow.get(name, node)) for name, node in first.head.children)
    net = randomised(build(replace(first, head=replace(first.head, children=children)), classes=10)).double().eval()
    values = [value * 4 if value.ndim == 4 else value for value in net.state_dict().values()]  # LRN must have work
    net.load_state_dict(dict(zip(net.state_dict(), values, strict=True)))
    plain.double().load_state_dict(dict(zip(plain.state_dict(), values, strict=True)))
    for rows, columns in ((63, 96), (224, 224)):
        x = images(rows, columns, batch=1)
        with torch.inference_mode():
            ours, expected = net(x), plain(x)
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9 * float(expected.abs().max()))


def test_the_smallest_image_of_alexnet():
    assert cost(alexnet(), resolution=63).leaves == (1000,)
    with pytest.raises(ShapeError, match=r"^pool: a window of 3 does not fit"):
        assert cost(alexnet(), resolution=62).macs


def test_free_parameters_of_alexnet():
    arch = alexnet((8, 16, 24, 24, 16), groups=(1, 2, 1, 2, 2), hidden=(32,), response_norm=LocalResponseNorm(3))
    assert arch.with_classes(7).classes == 7
    assert [layer.kind for layer in cost(arch).layers].count("local_response_norm") == 2
    with pytest.raises(ArchitectureError, match=r"^alexnet: 4 widths and 5 groups \(allowed: 5 of each\)$"):
        alexnet((8, 16, 24, 24))
    with pytest.raises(TransformError, match="no normalisation to change"):
        alexnet().with_norm("group")


# -- VGG -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [11, 13, 16, 19])
@pytest.mark.parametrize("suffix", ["", "_bn"])
def test_weight_layers_of_a_vgg(layers, suffix):
    """Simonyan and Zisserman 2015, table 1: the number counts convolutions and fully connected layers."""
    kinds = [layer.kind for layer in cost(architecture(f"vgg{layers}{suffix}")).layers]
    assert kinds.count("conv") + kinds.count("linear") == layers
    assert kinds.count("norm") == (layers - 3 if suffix else 0)


def test_the_last_map_of_a_vggs_stage_is_before_its_pool():
    parts = cost(architecture("vgg16")).parts
    sides = {part.part: part.leaves[1:] for part in parts if part.part.startswith("stages.")}
    assert list(sides.values()) == [(side, side) for side in (224, 112, 56, 28, 14)]


def test_both_classifiers_of_a_vgg_cost_the_same_at_224_px():
    flattened, sliding = (cost(vgg((1, 1, 1, 1, 1), classifier=one)) for one in ("flattened", "sliding"))
    assert (flattened.params, flattened.macs) == (sliding.params, sliding.macs)


@pytest.mark.parametrize("resolution", [64, 224, 288])
def test_the_sliding_classifier_in_onnx(resolution):
    """Its map is enlarged, kept, or slid over, and the graph's values are torch's."""
    arch = vgg(
        (1,) * 5, widths=(4, 4, 8, 8, 8), hidden=(16, 12), classifier="sliding", classes=5, resolution=resolution
    )
    arrays = lively(arch)
    x = np.random.default_rng(0).standard_normal((1, *arch.input_shape)).astype(np.float32)
    expected = in_torch(arch, arrays, x)
    graph = emit_body(arch, arrays).SerializeToString()
    for engine in ENGINES.values():
        close(engine(graph)(x), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vgg((1, 1)), "vgg: 2 depths and 5 widths (allowed: as many)"),
        (
            lambda: vgg((1,) * 5, classifier="conv"),
            "vgg: unknown classifier 'conv' (allowed: flattened, sliding)",
        ),
        (lambda: vgg((1,) * 5, hidden=()), "vgg: no hidden widths (allowed: at least one)"),
        (
            lambda: inception_v3(pooled=()),
            "inception_v3: no modules at a stride (allowed: at least one width in each)",
        ),
    ],
)
def test_free_parameters_that_mean_nothing(call, message):
    with pytest.raises(ArchitectureError) as caught:
        call()
    assert str(caught.value) == message


# -- GoogLeNet -----------------------------------------------------------------------------------------------------

# Szegedy et al. 2015, table 1: side and channels that leave, and millions of operations, of each module.  The printed
# 54 of (5a) is not what its widths give (51); the others are, (4a) rounded down.
TABLE = {
    "3a": (28, 256, 128),
    "3b": (28, 480, 304),
    "4a": (14, 512, 73),
    "4b": (14, 512, 88),
    "4c": (14, 512, 100),
    "4d": (14, 528, 119),
    "4e": (14, 832, 170),
    "5a": (7, 832, 51),
    "5b": (7, 1024, 71),
}


@pytest.mark.parametrize("index", range(9))
def test_modules_are_the_papers(index):
    """With the paper's 5x5 convolutions and no norm."""
    (side, channels, millions) = list(TABLE.values())[index]
    enters = 192 if index == 0 else list(TABLE.values())[index - 1][1]
    costs = cost(Inception(*MODULES[index].widths), resolution=side, channels=enters)
    assert costs.leaves == (channels, side, side)
    assert abs(costs.macs / 1e6 - millions) < 0.75


def test_maps_of_googlenet():
    parts = [part for part in cost(architecture("googlenet")).parts if part.part.startswith("stages.")]
    assert [(part.leaves[1], part.width) for part in parts] == [(side, out) for side, out, _ in TABLE.values()]


def test_a_module_is_torchvisions():
    """In its third branch torchvision has 3x3; with the paper's 5x5 it is that module with another kernel there."""
    torchvision()
    from torchvision.models.googlenet import BasicConv2d
    from torchvision.models.googlenet import Inception as Theirs

    peer = Theirs(20, 8, 6, 10, 4, 12, 5).double()
    peer.branch3[1] = BasicConv2d(4, 12, kernel_size=5, padding=2).double()
    equal(Inception(8, 6, 10, 4, 12, 5, norm=Norm(eps=1e-3)), peer, 20)


# -- Inception v3 --------------------------------------------------------------------------------------------------


def equal(block, peer: nn.Module, channels: int) -> None:
    """The block's values are the peer's; the tensors of both stand in one order."""
    values = at_random(peer)
    peer.double().load_state_dict(values)
    net = build(block, channels=channels).double()
    net.load_state_dict(dict(zip(net.state_dict(), values.values(), strict=True)))
    x = torch.randn(2, channels, 9, 11, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(net.eval()(x), peer.eval()(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("block", "name", "options"),
    [
        (InceptionA(12), "InceptionA", {"pool_features": 12}),
        (InceptionB(), "InceptionB", {}),
        (InceptionC(20), "InceptionC", {"channels_7x7": 20}),
        (InceptionD(), "InceptionD", {}),
        (InceptionE(), "InceptionE", {}),
    ],
)
def test_blocks_are_torchvisions(block, name, options):
    torchvision()
    from torchvision.models import inception

    equal(block, getattr(inception, name)(24, **options), 24)


def test_maps_of_inception_v3():
    """Szegedy et al. 2016, table 1: 35x35, 17x17x768 and 8x8x2048 (its 1280 and 288 stand one row off)."""
    parts = cost(architecture("inception_v3")).parts
    maps = [part.leaves for part in parts if part.part.startswith("stages.")]
    assert maps == [(256, 35, 35), (288, 35, 35), *[(768, 17, 17)] * 3, (2048, 8, 8)]
    depths = [stage.depth for stage in architecture("inception_v3").stages]
    assert (sum(depths[:2]), sum(depths[2:5]), depths[5]) == (3, 4, 2)


def test_with_and_without_auxiliary_heads():
    """torchvision 0.28.0: 13,004,888 and 27,161,264 parameters with them; at inference they cost nothing."""
    for plain, whole, params in (
        (googlenet(), googlenet(auxiliary=AuxiliaryDense()), 13_004_888),
        (inception_v3(), inception_v3(auxiliary=AuxiliaryConv()), 27_161_264),
    ):
        assert cost(whole).params == params and cost(whole).macs == cost(plain).macs
        names, more = ({layer.path for layer in arch.layers()} for arch in (plain, whole))
        assert names < more and all(".aux" in path for path in more - names)
        assert from_json(to_json(whole)).hash == whole.hash != plain.hash
        assert cost(whole, resolution=96).macs == cost(plain, resolution=96).macs
        few = whole.with_classes(3)
        assert {layer.leaves for layer in few.layers() if layer.path.endswith("fc")} == {(3,)}


@pytest.mark.parametrize("name", ["alexnet", "alexnet_2012", "vgg11", "vgg16_bn", "googlenet", "inception_v3"])
def test_transforms(name):
    arch = architecture(name)
    half = arch.scaled(width=0.5)
    assert half.classes == 1000 and cost(half).params < cost(arch).params
    assert cost(arch.scaled(depth=2), resolution=arch.resolution).leaves == (1000,)
    assert cost(arch.with_channels(1)).leaves == (1000,)
    for factor in (4, 8, 16):
        assert cost(arch.with_reduction(factor), resolution=64).leaves == (1000,)
    assert entry(name)[1].note or name.startswith("vgg")


@pytest.mark.parametrize(
    ("arch", "resolution", "output_stride"),
    [
        (alexnet((8, 16, 24, 24, 16), hidden=(8,)), 127, 8),
        (vgg((1, 1, 2, 1, 1), widths=(4, 4, 8, 8, 8), hidden=(8,)), 64, 8),
        (inception_v3().scaled(width=0.25), 107, 16),
        (googlenet().scaled(width=0.25), 128, 16),  # its pools round up
    ],
)
def test_dilation_keeps_the_values(arch, resolution, output_stride):
    """At the positions that both maps have."""
    net, spread = (build(one).double().eval() for one in (arch, arch.with_output_stride(output_stride)))
    spread.load_state_dict(randomised(net).state_dict())
    x = images(resolution, resolution, batch=1)
    with torch.inference_mode():
        coarse, fine = (one.stages(one.stem(x)) for one in (net, spread))
    assert fine.shape[2] > coarse.shape[2]
    kept = fine[:, :, ::2, ::2][:, :, : coarse.shape[2], : coarse.shape[3]]
    torch.testing.assert_close(kept, coarse, rtol=0, atol=1e-9 * float(coarse.abs().max()))

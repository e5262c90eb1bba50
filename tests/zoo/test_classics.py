"""AlexNet, VGG, GoogLeNet and Inception v3 against torchvision and timm through the key maps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.peers import timm, torchvision
from vertebra.arch.architecture import Architecture
from vertebra.arch.blocks import AuxiliaryConv, AuxiliaryDense
from vertebra.arch.primitives import Norm
from vertebra.nn import build, features
from vertebra.zoo import alexnet, architecture, entry, googlenet, inception_v3, vgg
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.registry import variant

DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def theirs(name: str, source: str, **options) -> nn.Module:
    """The peer's network on the meta device; torchvision's Inceptions without auxiliary heads unless asked for."""
    with torch.device("meta"):
        if source == "timm":
            return timm().create_model(name, **options)
        if name in ("googlenet", "inception_v3"):
            options = {"init_weights": False, "aux_logits": False, **options}
        return getattr(torchvision().models, name)(**options)


def at_random(net: nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """Float64 tensors for each of the network's: gains and variances in 0.5 to 1.5, activations neither vanish nor
    grow.
    """
    generator = torch.Generator().manual_seed(seed)
    values = {}
    for name, tensor in net.state_dict().items():
        value = torch.zeros(tensor.shape, dtype=torch.float64 if tensor.is_floating_point() else tensor.dtype)
        if tensor.ndim > 1:
            value.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
        elif name.endswith(("bias", "running_mean")):
            value.normal_(0, 0.3, generator=generator)
        elif tensor.is_floating_point():
            value.uniform_(0.5, 1.5, generator=generator)
        values[name] = value
    return values


def filled(arch: Architecture, keys: KeyMap, values: dict[str, torch.Tensor]) -> nn.Module:
    """Ours with the peer's tensors, each of which must find its place."""
    with torch.device("meta"):
        net = build(arch)
    shapes = {key: tensor.shape for key, tensor in net.state_dict().items()}
    names = keys.theirs(arch)
    assert sorted(names.values()) == sorted(values)
    net.load_state_dict({ours: values[name].reshape(shapes[ours]) for ours, name in names.items()}, assign=True)
    return net.eval()


def same(net: nn.Module, peer: nn.Module, *sizes: tuple[int, int]) -> None:
    """Equal logits, to 1e-9 of the largest."""
    for rows, columns in sizes:
        x = images(rows, columns)
        with torch.inference_mode():
            ours, expected = net(x), peer(x)
        assert expected.isfinite().all() and expected.std() > 0
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9 * float(expected.abs().max()))


def images(rows: int, columns: int, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 3, rows, columns, generator=generator, dtype=torch.float64)


def test_the_registered_networks_of_one_name_have_the_same_keys():
    """The variant of a source is loaded from the same file as the entry's own."""
    for layers in (11, 16):
        own, sliding = (variant(f"vgg{layers}", source) for source in ("torchvision", "timm"))
        assert own != sliding and own == architecture(f"vgg{layers}")
        with torch.device("meta"):
            nets = [build(arch).state_dict() for arch in (own, sliding)]
        assert list(nets[0]) == list(nets[1])


def narrow_torchvision(name: str, **options) -> nn.Module:
    """torchvision's network with two hidden layers of 24: the wide ones are nine tenths of its weights."""
    peer = theirs(name, "torchvision", **options)
    places, values = ((1, 4, 6), 256 * 36) if name == "alexnet" else ((0, 3, 6), 512 * 49)
    with torch.device("meta"):
        for place, shape in zip(places, ((values, 24), (24, 24), (24, 10)), strict=True):
            peer.classifier[place] = nn.Linear(*shape)
    return peer


def test_alexnet_has_torchvisions_logits():
    peer = narrow_torchvision("alexnet")
    values = at_random(peer)
    peer.load_state_dict(values, assign=True)
    net = filled(alexnet(hidden=(24, 24), classes=10), entry("alexnet")[1].torchvision.keys, values)
    same(net, peer.eval(), (63, 96), (224, 224))


@pytest.mark.slow
def test_the_whole_alexnet_has_torchvisions_logits():
    peer = theirs("alexnet", "torchvision")
    values = at_random(peer)
    peer.load_state_dict(values, assign=True)
    net = filled(architecture("alexnet"), entry("alexnet")[1].torchvision.keys, values)
    same(net, peer.eval(), (63, 96), (224, 224))


def narrow_timm(name: str) -> nn.Module:
    """timm's network with its first hidden layer 24 wide."""
    return theirs(name, "timm", mlp_ratio=24 / 4096, num_classes=10)


VGGS: dict[str, tuple[Callable[[str], nn.Module], str, tuple[int, int]]] = {
    "torchvision": (narrow_torchvision, "flattened", (24, 24)),
    "timm": (narrow_timm, "sliding", (24, 4096)),
}


@pytest.mark.parametrize("source", VGGS)
@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19"])
def test_vgg_has_the_peers_logits(name, source):
    """At sizes below the one that its classifier covers."""
    make, classifier, hidden = VGGS[source]
    one = entry(name)[1]
    norm = architecture(name).stages[0].block.norm
    depths = DEPTHS[int(name.removesuffix("_bn")[3:])]
    peer = make(name)
    values = at_random(peer)
    peer.load_state_dict(values, assign=True)
    arch = vgg(depths, norm=norm, hidden=hidden, classifier=classifier, classes=10)
    same(filled(arch, one.peers[source].keys, values), peer.eval(), (32, 32), (70, 96))


@pytest.mark.slow
@pytest.mark.parametrize("source", VGGS)
def test_vgg_beyond_224_px(source):
    """torchvision averages the larger map to 7x7, timm slides over it: not the same network there."""
    make, classifier, hidden = VGGS[source]
    peer = make("vgg11_bn")
    values = at_random(peer)
    peer.load_state_dict(values, assign=True)
    norm = architecture("vgg11_bn").stages[0].block.norm
    arch = vgg(DEPTHS[11], norm=norm, hidden=hidden, classifier=classifier, classes=10)
    net = filled(arch, entry("vgg11_bn")[1].peers[source].keys, values)
    same(net, peer.eval(), (224, 224), (288, 160), (320, 256))


@pytest.mark.parametrize("source", ["torchvision", "timm"])
def test_inception_v3_has_the_peers_logits(source):
    peer = theirs("inception_v3", source)
    values = at_random(peer)
    peer.load_state_dict(values, assign=True)
    net = filled(variant("inception_v3", source), entry("inception_v3")[1].peers[source].keys, values)
    same(net, peer.eval(), (75, 96), (139, 107))


def test_googlenet_has_torchvisions_logits():
    peer = theirs("googlenet", "torchvision")
    values = at_random(peer)
    peer.load_state_dict(values, assign=True)
    net = filled(architecture("googlenet"), entry("googlenet")[1].torchvision.keys, values)
    same(net, peer.eval(), (64, 64), (91, 118))


# -- auxiliary heads -----------------------------------------------------------------------------------------------


def with_auxiliary(name: str, source: str, arch: Architecture) -> tuple[nn.Module, nn.Module]:
    """Ours and theirs with their auxiliary heads, in evaluation mode."""
    peer = theirs(name, source, aux_logits=True)
    values = at_random(peer)
    peer.load_state_dict(values, assign=True)
    return filled(arch, entry(name)[1].peers[source].keys, values), peer.eval()


def taps_of(net: nn.Module, names: tuple[str, ...], x: torch.Tensor) -> list[torch.Tensor]:
    with torch.inference_mode():
        return features(net, (), taps=names)(x)


def test_googlenets_auxiliary_heads():
    """torchvision runs them in training mode alone, so its root, and nothing in it, is set so."""
    arch = googlenet(auxiliary=AuxiliaryDense())
    net, peer = with_auxiliary("googlenet", "torchvision", arch)
    same(net, peer, (64, 80))
    x = images(64, 80)
    peer.training = True
    with torch.inference_mode():
        expected = peer(x)
    for ours, wanted in zip(
        taps_of(net, ("aux1", "aux2"), x), (expected.aux_logits1, expected.aux_logits2), strict=True
    ):
        torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-9 * float(wanted.abs().max()))


@pytest.mark.parametrize("source", ["torchvision", pytest.param("timm", marks=pytest.mark.slow)])
def test_inception_v3s_auxiliary_head(source):
    """It needs 17x17 maps, those of 299 px; timm runs it in evaluation mode too."""
    net, peer = with_auxiliary("inception_v3", source, inception_v3(auxiliary=AuxiliaryConv()))
    x = images(299, 299, batch=1)
    peer.training = True
    with torch.inference_mode():
        logits, wanted = peer(x)
        ours = net(x)
    torch.testing.assert_close(ours, logits, rtol=0, atol=1e-9 * float(logits.abs().max()))
    (tapped,) = taps_of(net, ("aux",), x)
    torch.testing.assert_close(tapped, wanted, rtol=0, atol=1e-9 * float(wanted.abs().max()))


# -- parity is not empty -------------------------------------------------------------------------------------------


NARROW = {
    "alexnet": alexnet(hidden=(24, 24), dropout=0.0, classes=10),
    "vgg11_bn": vgg(DEPTHS[11], norm=Norm(), hidden=(24, 24), dropout=0.0, classes=10),
    "googlenet": googlenet(dropout=0.0, classes=10),
    "inception_v3": inception_v3(dropout=0.0, classes=10),
}


@pytest.mark.parametrize(
    ("name", "size"),
    [("alexnet", 96), ("vgg11_bn", 64), ("googlenet", 64), pytest.param("inception_v3", 107, marks=pytest.mark.slow)],
)
def test_gradients_are_the_peers_and_none_is_empty(name, size):
    """In training mode without dropout; every parameter matters, so equal logits say something of each."""
    dense = name in ("alexnet", "vgg11_bn")
    peer = narrow_torchvision(name, dropout=0.0) if dense else theirs(name, "torchvision", dropout=0.0, num_classes=10)
    values = at_random(peer)
    peer.load_state_dict(values, assign=True)
    keys = entry(name)[1].torchvision.keys
    net = filled(NARROW[name], keys, {key: value.clone() for key, value in values.items()})
    x, target = images(size, size, batch=3), torch.tensor([3, 1, 5])
    grads, losses = [], []
    for one in (net, peer):
        losses.append(nn.functional.cross_entropy(one.train()(x), target))
        named = dict(one.named_parameters())
        grads.append(dict(zip(named, torch.autograd.grad(losses[-1], list(named.values())), strict=True)))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-9, atol=0)
    names = keys.theirs(NARROW[name])
    for key, grad in grads[0].items():
        expected = grads[1][names[key]]
        if not (name == "vgg11_bn" and key.endswith("conv.bias")):  # of no effect before a norm: rounding alone
            assert expected.abs().max() > 0, key
            torch.testing.assert_close(grad, expected, rtol=1e-6, atol=1e-8 * float(expected.abs().max()))

"""ConvNeXt, both versions: the same function of the same tensors as torchvision's and timm's."""

from __future__ import annotations

import pytest
import torch

from tests.peers import timm, torchvision
from vertebra.arch import replace
from vertebra.costs import cost
from vertebra.errors import ArchitectureError
from vertebra.nn import build
from vertebra.zoo import convnext
from vertebra.zoo.convnexts import FAMILY, FIRST, SECOND, SECOND_FAMILY, TIMM, TORCHVISION
from vertebra.zoo.registry import aliases, entry, variant

FLOAT64 = 1e-9  # relative to the largest logit: sums of some thousand products in another order


def randomised(net: torch.nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """Every tensor drawn anew: gains and LayerScale in 0.5 to 1.5, or whole branches would not matter."""
    draw = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in net.state_dict().items():
        gain = name.endswith(("gamma", "layer_scale", "grn.weight")) or (tensor.ndim == 1 and name.endswith("weight"))
        noise = torch.rand(tensor.shape, generator=draw, dtype=torch.float64)
        fan = tensor[0].numel() if tensor.ndim > 1 else 1
        state[name] = 0.5 + noise if gain else (2 * noise - 1) * (3 / fan) ** 0.5 if tensor.ndim > 1 else noise - 0.5
    return state


def ours_and_theirs(arch, peer, keys):
    """Both networks in float64 with the same random tensors."""
    theirs = peer.double().eval()
    theirs.load_state_dict(randomised(theirs))
    state = theirs.state_dict()
    names = keys.theirs(arch)
    assert sorted(names.values()) == sorted(state)
    net = build(arch).double().eval()
    own = net.state_dict()
    net.load_state_dict({key: state[name].reshape(own[key].shape) for key, name in names.items()})
    return net, theirs


def assert_equal(net, theirs, resolutions):
    for resolution in resolutions:
        images = torch.randn(2, 3, resolution, resolution, generator=torch.Generator().manual_seed(1)).double()
        with torch.no_grad():
            expected, got = theirs(images), net(images)
        assert expected.isfinite().all() and expected.std() > 0.05
        assert (got - expected).abs().max() <= FLOAT64 * expected.abs().max()


def timm_networks():
    return [one.name for family in (FAMILY, SECOND_FAMILY) for one in family.entries]


@pytest.mark.parametrize(
    "name",
    [
        "convnext_atto",
        "convnext_atto_ols",
        "convnext_femto_ols",
        "convnext_pico_ols",
        "convnext_nano_ols",
        "convnextv2_atto",
    ],
)
def test_small_members_are_timms(name):
    arch = variant(name, "timm")
    assert_equal(*ours_and_theirs(arch, timm().create_model(name), entry(name)[1].timm.keys), (64, 76))


@pytest.mark.parametrize("name", [name for name in timm_networks() if "atto" not in name and "ols" not in name])
def test_every_member_is_timms_shallow_and_narrow(name):
    """The large ones with one block or two in each stage, an eighth of the width and ten classes."""
    arch, depths = variant(name, "timm"), (1, 2, 1, 1)
    widths = _narrow(arch)
    small = replace(convnext(depths, widths, arch.stages[0].block), head=arch.head).with_classes(10)
    hidden = {"head_hidden_size": 1536} if "mlp" in name else {}
    model = timm().create_model(name, depths=depths, dims=widths, num_classes=10, **hidden)
    assert_equal(*ours_and_theirs(small, model, entry(name)[1].timm.keys), (64, 76))


def _narrow(arch):
    """The widths of an architecture's stages, divided by eight."""
    stem = dict(arch.stem.children)["conv"]
    return [one.out // 8 for one in (stem, *(dict(stage.entry.children)["conv"] for stage in arch.stages[1:]))]


@pytest.mark.parametrize("name", [one.name for one in FAMILY.entries if one.torchvision])
def test_members_of_torchvision(name):
    """Shallow and narrow, from torchvision's own class; the full networks are held by their counts."""
    peers, arch, depths = torchvision().models.convnext, variant(name, "torchvision"), (1, 2, 1, 1)
    widths = _narrow(arch)
    settings = [peers.CNBlockConfig(*three) for three in zip(widths, (*widths[1:], None), depths, strict=True)]
    small = convnext(depths, widths, arch.stages[0].block, classes=10)
    model = peers.ConvNeXt(settings, num_classes=10)
    assert_equal(*ours_and_theirs(small, model, entry(name)[1].torchvision.keys), (64, 76))


def test_the_whole_tiny_network_is_both_peers():
    arch = variant("convnext_tiny", "torchvision")
    one = ours_and_theirs(arch, torchvision().models.convnext_tiny(), TORCHVISION)
    assert_equal(*one, (64,))
    assert sorted(TIMM.theirs(arch).values()) == sorted(timm().create_model("convnext_tiny").state_dict())


def test_every_tensor_matters():
    arch = convnext((1, 1), (8, 16), SECOND, classes=4)
    model = timm().create_model("convnextv2_atto", depths=(1, 1, 0, 0), dims=(8, 16, 16, 16), num_classes=4)
    state = randomised(model)
    net = build(arch).double().eval()
    own = net.state_dict()
    names = TIMM.theirs(arch)
    net.load_state_dict({key: state[name].reshape(own[key].shape) for key, name in names.items()})
    images = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        before = net(images)
        for key, tensor in net.state_dict().items():
            kept = tensor.clone()
            tensor += 0.1 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(2)).double()
            assert (net(images) - before).abs().max() > 1e-5 * before.abs().max(), key
            tensor.copy_(kept)


def test_gradients_are_timms():
    name = "convnextv2_atto"
    net, theirs = ours_and_theirs(variant(name, "timm"), timm().create_model(name), TIMM)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)).double()
    target = torch.tensor([3, 7])
    for one in (net.train(), theirs.train()):
        torch.nn.functional.cross_entropy(one(images), target).backward()
    expected = {key: value.grad for key, value in theirs.named_parameters()}
    names = TIMM.theirs(variant(name, "timm"))
    for key, value in net.named_parameters():
        wanted = expected[names[key]].reshape(value.shape)
        assert (value.grad - wanted).abs().max() <= 1e-9 * max(1e-3, wanted.abs().max()), key


def test_the_papers_counts():
    """Liu et al. 2022, table 1, and the second paper's repository: parameters in millions, MACs in billions at 224."""
    papers = {
        "convnext_tiny": (29, 4.5), "convnext_small": (50, 8.7), "convnext_base": (89, 15.4),
        "convnext_large": (198, 34.4), "convnext_xlarge": (350, 60.9),
        "convnextv2_atto": (3.7, 0.55), "convnextv2_femto": (5.2, 0.78), "convnextv2_pico": (9.1, 1.37),
        "convnextv2_nano": (15.6, 2.45), "convnextv2_huge": (660, 115),
    }  # fmt: skip
    for name, (params, macs) in papers.items():
        costs = cost(entry(name)[1].make(), resolution=224)
        digits = len(str(params).partition(".")[2])
        assert round(costs.params / 1e6, digits) == params
        assert round(costs.macs / 1e9, len(str(macs).partition(".")[2])) == pytest.approx(macs)


def test_the_first_version_scales_its_branch_and_the_second_does_not():
    first, second = (build(convnext((1,), (8,), block, classes=2)).state_dict() for block in (FIRST, SECOND))
    assert set(first) - set(second) == {"stages.0.0.scale.gamma"}
    assert set(second) - set(first) == {"stages.0.0.response.gamma", "stages.0.0.response.beta"}
    assert not any("convnext" in name for name in aliases())


def test_widths_and_depths_must_agree():
    with pytest.raises(ArchitectureError, match=r"convnext: 2 depths and 1 widths \(allowed: as many\)"):
        convnext((1, 1), (8,))

"""Every network against every project that has it: logits, what each tensor does to them, and one step of training.

The peer's tensors stand under their own names, ours under ours, joined by the key map of the registry.  All of them are
random: fresh networks zero the gains that end a residual body, and scale whole blocks by 1e-6, so that most tensors
would not matter and parity would be empty.
"""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn

from tests.parity import Pairing, assert_close, counted, effects, images, peer_of, placed, reduced, resolutions
from tests.selection import PEERS, QUICK_PEERS, macs, marked, params
from vertebra.zoo import families

WHOLE = 150_000_000
"""Parameters up to which a network is compared whole; above, with two blocks in each stage: the others are the same."""

LIVELY = 1e-4
"""The least answer of the logits to a tensor: a thousandth of it would still be above float64's tolerance."""


@pytest.fixture(scope="module", params=marked(PEERS, QUICK_PEERS))
def pairing(request):
    name, source = request.param
    return reduced(name, source) if params(name) > WHOLE else Pairing(name, source)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_logits_agree(pairing, dtype):
    pairing.to(dtype)
    for resolution in resolutions(pairing.name):
        assert_close(*pairing.logits(resolution, dtype), dtype)


def test_every_tensor_matters(pairing):
    """By the gradient for all of them, and really changed for a few."""
    pairing.to(torch.float64)
    resolution = resolutions(pairing.name)[0]
    found = effects(pairing.net, resolution)
    assert found.keys() == set(counted(pairing.net.state_dict()))
    assert not {name: effect for name, effect in found.items() if not effect > LIVELY}
    state, whole = pairing.net.state_dict(), pairing.logits(resolution, torch.float64)[1]
    for name in random.Random(0).sample(sorted(found), 4):
        kept = state[name].clone()
        state[name].mul_(1.01)
        changed = pairing.net(images(resolution, torch.float64)).detach()
        state[name].copy_(kept)
        with pytest.raises(AssertionError, match="relative error"):
            assert_close(changed, whole, torch.float64)


def one_of_each_family() -> list[tuple[str, str]]:
    """The first quick peer of each family; of the families without one, the cheapest."""
    found = []
    for family in families():
        members = {one.name for one in family.entries}
        mine = [pair for pair in QUICK_PEERS if pair[0] in members] or [pair for pair in PEERS if pair[0] in members]
        if mine:
            found.append(min(mine, key=lambda pair: params(pair[0])))
    return found


LIGHT = [pair for pair in QUICK_PEERS if macs(pair[0]) < 1_500_000_000 and params(pair[0]) < 30_000_000]


@pytest.mark.parametrize("pair", marked(one_of_each_family(), LIGHT))
def test_training_agrees(pair):
    """Loss, every gradient, and the running statistics after one step, all drop rates 0."""
    name, source = pair
    pairing = Pairing(name, source).to(torch.float64)
    x = images(resolutions(name)[0], torch.float64, batch=4)
    labels = torch.arange(4) * 7
    losses = [nn.functional.cross_entropy(dropless(net).train()(x), labels) for net in (pairing.net, pairing.peer)]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-9)
    for loss in losses:
        loss.backward()
    mine, theirs = dict(pairing.net.named_parameters()), dict(pairing.peer.named_parameters())
    scale = max(parameter.grad.abs().max() for parameter in mine.values()).item()
    for ours, parameter in mine.items():
        expected = theirs[pairing.names[ours]].grad.reshape(parameter.shape)
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-6, atol=1e-9 * scale)
    buffers = dict(pairing.peer.named_buffers())
    for ours, buffer in pairing.net.named_buffers():
        torch.testing.assert_close(buffer, buffers[pairing.names[ours]], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("pair", [("convnext_atto", "timm"), ("convnextv2_atto", "timm")])
def test_channels_last_agrees(pair):
    """Norms over channels and depthwise convolutions, in the layout in which 1x1 convolutions are matrix products."""
    pairing = Pairing(*pair).to(torch.float64)
    pairing.net.to(memory_format=torch.channels_last)
    seen = []
    for stage in pairing.net.stages.children():
        stage.register_forward_hook(lambda module, inputs, output: seen.append(output))
    for resolution in resolutions(pairing.name):
        x = images(resolution, torch.float64)
        with torch.inference_mode():
            found, expected = pairing.net(x.contiguous(memory_format=torch.channels_last)), pairing.peer(x)
        assert_close(found, expected, torch.float64)
    assert len(seen) == 8 and all(one.is_contiguous(memory_format=torch.channels_last) for one in seen)


def dropless(net: nn.Module) -> nn.Module:
    """The network with nothing dropped at random: dropout's and stochastic depth's rates at 0."""
    for module in net.modules():
        for rate in ("p", "drop_prob", "drop_rate"):
            if isinstance(getattr(module, rate, None), float):
                setattr(module, rate, 0.0)
    return net


@pytest.mark.parametrize(
    ("make", "one", "other"),
    [
        (lambda: Pairing("resnet18", "torchvision"), "stages.0.0.conv1.conv.weight", "stages.0.0.conv2.conv.weight"),
        (lambda: reduced("convnext_atto", "timm"), "stages.2.0.depthwise.weight", "stages.2.1.depthwise.weight"),
    ],
)
def test_parity_would_see_another_name(make, one, other):
    """Two tensors of one shape exchanged, in one block or between two: what a wrong key map would do."""
    pairing = make().to(torch.float64)
    values = dict(pairing.net.state_dict())
    values[one], values[other] = values[other], values[one]
    placed(pairing.net, values)
    with pytest.raises(AssertionError, match="relative error"):
        assert_close(*pairing.logits(64, torch.float64), torch.float64)


def test_peers_are_fresh_and_their_own():
    assert peer_of("resnet50", "timm") is not peer_of("resnet50", "timm")
    assert type(peer_of("resnet50", "timm")).__module__ != type(peer_of("resnet50", "torchvision")).__module__

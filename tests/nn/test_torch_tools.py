"""What torch offers works on the built modules: compile, export, layouts, autocast, fx, gradient training."""

from __future__ import annotations

import pytest
import torch

from tests.nn.helpers import images, randomised, tiny
from vertebra.arch.architecture import Architecture, Stage
from vertebra.arch.blocks import ConvNormAct, DenseLayer, MBConv, SqueezeExcite
from vertebra.arch.combinators import add, gate, seq, side
from vertebra.arch.primitives import (
    Act,
    AdaptivePool,
    Conv,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    Linear,
    LocalResponseNorm,
    Norm,
    PadChannels,
    Pool,
    Tap,
)
from vertebra.arch.spread import SamePad
from vertebra.nn import build, embeddings, features

AUXILIARY = seq(pool=AdaptivePool(2), fc=Linear(3), tap=Tap("aux"))


def everything() -> Architecture:
    """One of each: chains, sums, concatenations, gates, nameless primitives, TensorFlow's padding, taps."""
    return Architecture(
        "everything",
        ConvNormAct(8, 3, 2, padding="same"),
        (
            Stage(MBConv(8, 1, expansion=2), 2),
            Stage(DenseLayer(4), 2, entry=Conv(8, 3, 2, "same")),
            Stage(add(Conv(16, 3), shortcut=Identity())),
            Stage(
                seq(side(aux=seq(pool=AdaptivePool(2), fc=Linear(3), tap=Tap("aux"))), energies=GlobalResponseNorm())
            ),
        ),
        seq(norm=Norm("layer2d"), act=Act("gelu"), tap=Tap("last"), pool=GlobalPool(), fc=Linear(3)),
        resolution=15,
    )


@pytest.fixture
def net():
    return randomised(build(everything(), drop_path=0.1)).eval()


@pytest.fixture
def x():
    return images(2, 3, 15, 17)


MAKERS = (
    lambda net: net,
    lambda net: features(net, (2, 4), nodes=("stages.1",), taps=("last", "aux"), frozen=1),
    embeddings,
)


@pytest.mark.parametrize("make", MAKERS)
class TestTracing:
    def test_compile_in_one_graph(self, net, x, make):
        module = make(net)
        torch._dynamo.reset()
        compiled = torch.compile(module, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(x), module(x))

    @pytest.mark.parametrize("strict", [True, False])
    def test_export(self, net, x, make, strict):
        module = make(net)
        torch._dynamo.reset()
        program = torch.export.export(module, (x,), strict=strict)
        torch.testing.assert_close(program.module()(x), module(x))
        assert program.state_dict.keys() == module.state_dict().keys()


def test_export_for_any_size(net):
    """TensorFlow's padding follows the size at run time, in an exported graph too."""
    dims = {0: torch.export.Dim("n"), 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    for module in (build(tiny()).eval(), net):
        program = torch.export.export(module, (images(2, 3, 32, 32),), dynamic_shapes=(dims,), strict=False)
        for shape in ((3, 3, 48, 64), (2, 3, 35, 37), (2, 3, 31, 38)):
            x = images(*shape)
            torch.testing.assert_close(program.module()(x), module(x))


def test_compile_while_training(net, x):
    torch._dynamo.reset()
    net.train()
    torch.compile(net, backend="aot_eager", fullgraph=True)(x).sum().backward()
    idle = {name for name, parameter in net.named_parameters() if parameter.grad is None}
    assert idle == {f"stages.3.0.aux.fc.{name}" for name in ("weight", "bias")}  # an auxiliary head runs when tapped


def test_channels_last(net, x):
    expected = net(x)
    twin = build(everything()).eval().to(memory_format=torch.channels_last)
    twin.load_state_dict(net.state_dict())
    torch.testing.assert_close(twin(x.contiguous(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5)
    stem = twin.stem(x.contiguous(memory_format=torch.channels_last))
    assert stem.is_contiguous(memory_format=torch.channels_last)


def test_autocast(net, x):
    with torch.autocast("cpu", torch.bfloat16):
        y = net(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), net(x), rtol=0.1, atol=0.1)


def test_double_and_half_precision(x):
    assert build(tiny()).double().eval()(images(1, 3, 32, 32).double()).dtype == torch.float64
    assert build(tiny()).bfloat16().eval()(images(1, 3, 32, 32).bfloat16()).dtype == torch.bfloat16


def test_symbolic_trace(net):
    """torchvision's feature extraction and FX quantisation start from it."""
    scaled = seq(scale=LayerScale(0.5), pad=PadChannels(9), pool=GlobalPool(), fc=Linear(9), vector=LayerScale())
    extents = build(seq(scaled, more=PadChannels(12), gate=gate(Linear(12))), channels=3).eval()
    attention = build(Architecture("se", Conv(16), (Stage(SqueezeExcite()), Stage(SqueezeExcite(layer="conv")))))
    spread = seq(
        a=Pool("average", 2, 1, dilation=2), b=SamePad(3, 2, 2), c=LocalResponseNorm(3), d=GlobalResponseNorm()
    )
    spread = build(spread, channels=3).eval()
    for module in (build(tiny()).eval(), net, attention, extents, spread):
        x = images(1, 3, 32, 31)
        torch.testing.assert_close(torch.fx.symbolic_trace(module)(x), module(x))


def test_a_few_steps_of_training_lower_the_loss():
    net = build(tiny())
    x, labels = images(8, 3, 32, 32), torch.arange(8) % 5
    optimiser = torch.optim.SGD(net.parameters(), 0.05)
    losses = []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(net(x), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2

"""A network of ours beside a peer's, holding the same random tensors under the names of the key map."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tests.peers import timm, torchvision
from vertebra.arch.architecture import Architecture
from vertebra.arch.expansion import declared
from vertebra.arch.record import replace
from vertebra.costs import cost
from vertebra.nn import build
from vertebra.zoo import entry
from vertebra.zoo.registry import variant

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Largest difference of the logits, relative to the largest logit."""
RESOLUTIONS = (64, 77)
"""Small, and one odd: TensorFlow's padding and rounding show there."""
SMALLEST = {"inception_v3": (80, 99), "alexnet": (64, 77)}
"""Where a network needs more (Szegedy et al. 2016: no padding in the stem)."""
POOL = 1 << 20

Tensors = dict[str, Tensor]


def resolutions(name: str) -> tuple[int, int]:
    """Two sides in pixels above the network's smallest."""
    return SMALLEST.get(name, RESOLUTIONS)


def peer_of(name: str, source: str, **options) -> nn.Module:
    """The peer's network on the meta device, in evaluation mode; ``options`` of its constructor replace defaults."""
    theirs = entry(name)[1].peers[source].name
    with torch.device("meta"):
        if source == "timm":
            return timm().create_model(theirs, pretrained=False, **options).eval()
        make = torchvision().models.get_model_builder(theirs)
        if theirs in ("googlenet", "inception_v3"):  # their starting values are slow and thrown away
            options = {"init_weights": False, "aux_logits": False, **options}
        return make(weights=None, **options).eval()


def ours(name: str, source: str) -> Architecture:
    """The variant of ours that is the peer's."""
    return variant(name, source)


def names_of(arch: Architecture, name: str, source: str) -> dict[str, str]:
    """Their name of each tensor of ours."""
    return entry(name)[1].peers[source].keys.theirs(arch)


def counted(names) -> list[str]:
    """The names without the counters of batches, which no logit depends on."""
    return [name for name in names if not name.endswith("num_batches_tracked")]


def randomised(arch: Architecture, seed: int = 0) -> Tensors:
    """Every tensor of ours at random, float32: gains, LayerScale and variances from 0.5 to 1.5, means and biases normal
    with 0.2, kernels by He's rule with spread per output (0.5 to 1.5).

    From a pool, each tensor from another place: a hundred million fresh numbers would take seconds.
    """
    generator = torch.Generator().manual_seed(seed)
    normal, uniform = torch.randn(POOL, generator=generator), torch.rand(POOL, generator=generator) + 0.5
    values: Tensors = {}
    for index, (name, weight) in enumerate(declared(arch.layers())):
        if weight.role == "counter":
            continue
        if weight.role == "kernel":
            fan = math.prod(weight.shape[1:])
            spread = _drawn(uniform, index, (weight.shape[0], *(1,) * (len(weight.shape) - 1)))
            values[name] = _drawn(normal, index, weight.shape) * spread / math.sqrt(fan)
        elif weight.role == "gain" or name.endswith("running_var"):
            values[name] = _drawn(uniform, index, weight.shape)
        else:
            values[name] = 0.2 * _drawn(normal, index, weight.shape)
    return values


def _drawn(pool: Tensor, index: int, shape: tuple[int, ...]) -> Tensor:
    size = math.prod(shape)
    start = index * 65_537 % max(1, POOL - min(size, POOL) + 1)
    part = pool[start : start + min(size, POOL)]
    return part.repeat(-(-size // POOL))[:size].reshape(shape)


@torch.no_grad()
def calm(net: nn.Module, arch: Architecture, resolution: int) -> None:
    """Scale every kernel of ``net`` so that its outputs have a standard deviation of 1: activations stay finite and
    gates open, whatever the depth.
    """
    paths = {layer.path for layer in arch.layers() if any(w.role == "kernel" for w in layer.node.weights(layer.enters))}

    def scaled(module: nn.Module, inputs, output: Tensor) -> Tensor:
        shift = 0.0 if module.bias is None else module.bias.reshape(-1, *(1,) * (output.ndim - 2))
        plain = output - shift
        factor = 1 / plain.std().clamp_min(1e-6)
        module.weight.mul_(factor)
        return plain * factor + shift

    handles = [net.get_submodule(path).register_forward_hook(scaled) for path in paths]
    net(images(resolution, torch.float32, batch=4))
    for handle in handles:
        handle.remove()


def images(resolution: int, dtype: torch.dtype, *, batch: int = 2, seed: int = 1) -> Tensor:
    return torch.randn(batch, 3, resolution, resolution, generator=torch.Generator().manual_seed(seed)).to(dtype)


def placed(net: nn.Module, values: Mapping[str, Tensor]) -> nn.Module:
    """``net``, made on the meta device, with these tensors themselves, reshaped where its own shapes say so."""
    state = net.state_dict()  # with the versions that some peers ask for
    for name, own in state.items():
        tensor = values[name] if name in values else torch.zeros(own.shape, dtype=own.dtype)
        state[name] = tensor if tensor.shape == own.shape else tensor.reshape(own.shape)
    net.load_state_dict(state, assign=True)
    return net


class Pairing:
    """A network of ours and a peer's with the same random tensors, in one memory."""

    def __init__(self, name: str, source: str, peer: nn.Module | None = None, arch: Architecture | None = None) -> None:
        self.name, self.source = name, source
        self.arch = arch or ours(name, source)
        self.peer = peer or peer_of(name, source)
        self.names = names_of(self.arch, name, source)
        with torch.device("meta"):
            self.net = build(self.arch).eval()
        self.values = randomised(self.arch)
        placed(self.net, self.values)
        calm(self.net, self.arch, resolutions(name)[1])  # the larger: there the rims of large kernels count too
        state = self.net.state_dict()
        self.values = {key: state[key] for key in self.values}
        self.to(torch.float32)

    def to(self, dtype: torch.dtype) -> Pairing:
        """Both networks in this type."""
        values = {key: tensor.to(dtype) for key, tensor in self.values.items()}
        placed(self.net, values)
        placed(self.peer, {self.names[key]: tensor for key, tensor in values.items()})
        return self

    def logits(self, resolution: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Ours and theirs."""
        x = images(resolution, dtype)
        with torch.inference_mode():
            return self.net(x), self.peer(x)


def assert_close(found: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    """Equal within the type's tolerance of the largest value, and neither dead nor endless."""
    assert found.shape == expected.shape and expected.isfinite().all() and expected.std() > 1e-3
    error = ((found - expected).abs().max() / expected.abs().max()).item()
    assert error <= TOLERANCES[dtype], f"relative error {error:.1e}"


def effects(net: nn.Module, resolution: int) -> dict[str, float]:
    """How much the logits answer to each tensor: the norm of gradient times value of a random projection of the logits,
    relative to the projection's own size.  A change of a tensor by one part in a hundred moves the logits by about a
    hundredth of it.
    """
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in net.named_parameters()}
    logits = torch.func.functional_call(net, leaves, (images(resolution, torch.float64),))
    projection = torch.randn(logits.shape, dtype=logits.dtype, generator=torch.Generator().manual_seed(2))
    (logits * projection).sum().backward()
    answers = {name: leaf.grad * leaf.detach() for name, leaf in leaves.items()} | _statistics(net, leaves)
    return {name: answer.norm().item() / logits.detach().norm().item() for name, answer in answers.items()}


def _statistics(net: nn.Module, leaves: Mapping[str, Tensor]) -> Tensors:
    """Gradient times value of the running statistics, for which torch has no gradient.

    Of ``gain * (x - mean) / sqrt(var + eps) + bias``: the derivative by the mean is that by the bias times
    ``-gain / sqrt(var + eps)``, the one by the variance that by the gain times ``-gain / (2 (var + eps))``.
    """
    answers: Tensors = {}
    for path, module in net.named_modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            gain, bias = leaves[f"{path}.weight"], leaves[f"{path}.bias"]
            spread = module.running_var + module.eps
            answers[f"{path}.running_mean"] = -bias.grad * gain.detach() / spread.sqrt() * module.running_mean
            answers[f"{path}.running_var"] = -gain.grad * gain.detach() / (2 * spread) * module.running_var
    return answers


def reduced(name: str, source: str) -> Pairing:
    """Both networks with at most two blocks in each stage: for those too large to be held twice.

    Two, so that the numbers of blocks, and what a first block has and the others have not, are compared too.
    """
    arch = ours(name, source)
    arch = replace(arch, stages=tuple(replace(stage, depth=min(stage.depth, 2)) for stage in arch.stages))
    layers = tuple(stage.depth for stage in arch.stages)
    if source == "timm":
        depths = "depths" if name.startswith("convnext") else "layers"
        return Pairing(name, source, peer_of(name, source, **{depths: layers}), arch)
    widths = [part.width for part in cost(arch).parts if part.part.startswith("stages")]
    setting = torchvision().models.convnext.CNBlockConfig
    blocks = [setting(*three) for three in zip(widths, [*widths[1:], None], layers, strict=True)]
    with torch.device("meta"):
        peer = torchvision().models.convnext.ConvNeXt(blocks).eval()
    return Pairing(name, source, peer, arch)

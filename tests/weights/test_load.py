"""load(): the right network from a file, and one exact line for weights that do not belong to it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.nn.helpers import images, randomised, tiny
from vertebra.arch.primitives import Conv, Linear
from vertebra.errors import ArchitectureError, TransformError, UnknownNameError, WeightsError
from vertebra.nn import build
from vertebra.weights.load import load
from vertebra.weights.save import save
from vertebra.zoo import architecture


@pytest.fixture
def net():
    return randomised(build(tiny())).eval()


@pytest.fixture
def path(tmp_path, net):
    save(net, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def changed(path, **tensors):
    """The file with some tensors replaced (None takes one away); ``__`` stands for a dot."""
    found = load_file(path)
    for name, tensor in tensors.items():
        found.pop(name.replace("__", "."), None)
        if tensor is not None:
            found[name.replace("__", ".")] = tensor
    save_file(found, path)
    return path


def fault(path, arch=None, **options) -> str:
    with pytest.raises(WeightsError) as caught:
        load(arch or tiny(), path, **options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text.removeprefix(f"{path}: ")


def test_same_network(net, path):
    x = images(1, 3, 32, 32)
    for source in (path, f"file:{path}"):
        loaded = load(tiny(), source)
        assert not loaded.training and loaded.arch == tiny()
        # Values in a file are not aligned as torch's own, so its kernels may sum in another order.
        torch.testing.assert_close(loaded(x), net(x))
        assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), net.parameters(), strict=True))


def test_ready_for_training_without_touching_the_file(path):
    before = path.read_bytes()
    net = load(tiny(), path).train()
    assert all(parameter.requires_grad for parameter in net.parameters())
    optimiser = torch.optim.SGD(net.parameters(), 1.0)
    net(images(4, 3, 32, 32)).sum().backward()
    optimiser.step()
    assert path.read_bytes() == before
    save(net, path)
    assert torch.equal(load(tiny(), path).fc.weight, net.fc.weight)


def test_types_are_those_of_the_network(net, path):
    save({name: t.to(torch.bfloat16) if t.ndim == 4 else t for name, t in net.state_dict().items()}, path)
    loaded = load(tiny(), path)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.stem.conv.weight, net.stem.conv.weight, rtol=0.01, atol=0.01)


class TestClasses:
    @pytest.mark.parametrize("head", [{}, {"head": Linear(5)}])
    def test_new_classifier(self, tmp_path, head):
        arch, path = tiny(**head), tmp_path / "w.safetensors"
        net = build(arch)
        save(net, path)
        torch.manual_seed(0)
        loaded, again, other = (load(arch, path, classes=3, seed=seed) for seed in (1, 1, 2))
        assert loaded(images(1, 3, 32, 32)).shape == (1, 3)
        assert loaded.arch == arch.with_classes(3)
        mine, first = loaded.state_dict(), net.state_dict()
        prefix = "" if head else "fc."
        for name in mine:
            if name not in (f"{prefix}weight", f"{prefix}bias"):
                assert torch.equal(mine[name], first[name])
        assert torch.equal(mine[f"{prefix}weight"], again.state_dict()[f"{prefix}weight"])
        assert not torch.equal(mine[f"{prefix}weight"], other.state_dict()[f"{prefix}weight"])

    def test_classes_of_the_file_are_kept(self, tmp_path):
        path = tmp_path / "w.safetensors"
        net = build(tiny(), classes=9)
        save(net, path)
        assert torch.equal(load(tiny(), path, classes=9).fc.weight, net.fc.weight)
        assert "fc.weight is (9, 24) for (5, 24)" in fault(path)

    def test_without_a_classifier(self, path):
        with pytest.raises(TransformError, match="has no classifier"):
            load(tiny().without_head(), path, classes=3)


class TestRefused:
    def test_missing_and_unexpected_names(self, path):
        changed(path, stem__conv__weight=None, fc__bias=None, other=torch.zeros(1))
        assert fault(path) == (
            "2 of the 80 tensors of the network are missing: stem.conv.weight, fc.bias, and 1 of the 79 tensors in it "
            "are not the network's: other; check that they are of this architecture"
        )

    def test_only_a_few_are_named(self, path):
        assert " and 2 more" in fault(path, tiny(stem=tiny().stages[0].block))

    def test_shapes(self, path):
        changed(path, fc__bias=torch.zeros(6), stem__conv__weight=torch.zeros(8, 1, 3, 3))
        assert fault(path) == "wrong shapes: fc.bias is (6,) for (5,); check that they are of this architecture"

    def test_channels_of_another_network(self, path):
        changed(path, stem__conv__weight=torch.zeros(8, 1, 3, 3))
        assert fault(path) == (
            "wrong shapes: stem.conv.weight is (8, 1, 3, 3) for (8, 3, 3, 3); "
            "check width, classes and channels of the architecture"
        )

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_values_that_are_not_finite(self, net, path, value):
        bias = net.fc.bias.detach().clone()
        bias[2] = value
        assert fault(changed(path, fc__bias=bias)) == "NaN or infinity in fc.bias"

    def test_a_variance_below_zero(self, net, path):
        """As where mean and variance have changed places."""
        assert fault(changed(path, stem__norm__running_var=-net.stem.norm.running_var)) == (
            "a negative variance in stem.norm.running_var; check that they are of this architecture"
        )

    def test_whole_numbers(self, net, path):
        """Such as of a network that was quantised."""
        assert fault(changed(path, fc__bias=torch.ones(5, dtype=torch.int8))) == (
            "no floating-point numbers: fc.bias is torch.int8; check that they are of this architecture"
        )

    def test_large_values_are_not_taken_for_infinite(self, path):
        load(tiny(), changed(path, fc__bias=torch.full((5,), 3e38)))

    def test_missing_and_truncated_file(self, path):
        assert fault(path.with_name("none")) == "cannot be read: No such file or directory"
        path.write_bytes(path.read_bytes()[:-1])
        assert fault(path).startswith("not a whole safetensors file")

    def test_missing_file_of_any_network(self, path):
        """It is the file that is missing, not the name of a network."""
        for name in ("none.pth", "model.safetensors"):
            with pytest.raises(WeightsError) as caught:
                load(None, f"file:{path.with_name(name)}")
            assert str(caught.value) == f"{path.with_name(name)}: cannot be read: No such file or directory"

    def test_description_that_cannot_be_read(self, path, monkeypatch):
        path = path.rename(path.with_name("pytorch_model.bin"))
        path.with_name("config.json").write_text("{}")
        real = Path.read_bytes

        def denied(file: Path) -> bytes:
            if file.name == "config.json":
                raise PermissionError(13, "Permission denied")
            return real(file)

        monkeypatch.setattr(Path, "read_bytes", denied)
        with pytest.raises(WeightsError, match=r"config.json: cannot be read: Permission denied"):
            load(None, path.parent)

    def test_unknown_source(self, path):
        with pytest.raises(UnknownNameError, match="unknown architecture 'tiny'"):
            load(tiny(), "torchvision:IMAGENET1K_V2")
        allowed = "torchvision:TAG, timm:TAG, hub:OWNER/NAME[@REVISION], file:PATH, ordered:PATH, best, or a Path"
        for source in ("http:x", "file:", "resnet50", ""):
            with pytest.raises(WeightsError) as caught:
                load(tiny(), source)
            assert str(caught.value) == (
                f"unknown source of weights {source!r} (allowed: {allowed}); see `vertebra weights`"
            )
        with pytest.raises(WeightsError, match=f"write file:{path}"):
            load(tiny(), str(path))


@pytest.mark.parametrize(
    ("arch", "weights", "error", "message"),
    [
        (7, "file:x", ArchitectureError, "expected an architecture or a node, got 7"),
        (Conv(3), "file:x", ArchitectureError, "weights need a whole architecture"),
        (architecture("cifar_resnet20"), None, WeightsError, "expected a source of weights, got None"),
    ],
)
def test_arguments_of_another_kind(arch, weights, error, message):
    with pytest.raises(error) as caught:
        load(arch, weights)
    assert message in str(caught.value)


def test_tied_tensors_are_not_saved_as_two(tmp_path):
    net = build(Conv(3), channels=3)
    with pytest.raises(WeightsError) as caught:
        save({"a": net.weight, "b": net.weight, "c": net.weight.detach().clone()}, tmp_path / "w.safetensors")
    assert str(caught.value) == "a and b share their memory; save a copy of one: tensor.clone()"
    assert not list(tmp_path.iterdir())

"""match(): whose names they are, which variant goes with them, and one exact line for what does not fit."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from tests.nn.helpers import tiny
from tests.parity import names_of, ours, peer_of
from tests.weights.foreign import state_of
from vertebra.arch.record import replace
from vertebra.errors import AmbiguousWeightsError, WeightsError
from vertebra.nn import build
from vertebra.weights import naming
from vertebra.weights.checkpoint import Checkpoint
from vertebra.weights.matching import match
from vertebra.weights.recognition import reshaped
from vertebra.zoo import architecture
from vertebra.zoo.entry import Entry, Peer
from vertebra.zoo.keys import KeyMap
from vertebra.zoo.registry import variant


def fault(of, tensors) -> str:
    with pytest.raises(WeightsError) as caught:
        match(of, tensors)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def theirs():
    """torchvision's ResNet-18, shapes alone."""
    return state_of("resnet18", "torchvision")


class TestNames:
    def test_our_own(self):
        state = build(tiny()).state_dict()
        found = match(tiny(), state)
        assert found.report.naming == "ours" and found.variant == tiny()
        assert all(found.tensors[name] is state[name] for name in state)

    @pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny", "mobilenet_v2"])
    @pytest.mark.parametrize("source", ["torchvision", "timm"])
    def test_the_source_is_recognised(self, name, source):
        state = state_of(name, source)
        found = match(architecture(name), state)
        assert found.report.naming == source
        expected = names_of(ours(name, source), name, source)
        assert {pair.ours: pair.theirs for pair in found.report.pairs} == expected
        assert found.variant.hash == variant(name, source).hash

    def test_the_source_picks_the_variant(self):
        """torchvision's EfficientNet-B5 has the authors' epsilon of 1e-3, timm's 1e-5: no tensor shows it."""
        epsilons = {}
        for source in ("torchvision", "timm"):
            found = match(architecture("efficientnet_b5"), state_of("efficientnet_b5", source))
            with torch.device("meta"):
                net, peer = build(found.variant), peer_of("efficientnet_b5", source)
            epsilons[source] = {m.eps for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)}
            assert epsilons[source] == {m.eps for m in peer.modules() if isinstance(m, torch.nn.BatchNorm2d)}
        assert epsilons == {"torchvision": {1e-3}, "timm": {1e-5}}

    def test_linear_as_a_convolution(self):
        """A classifier that runs on maps, and fully connected layers over a flattened map (VGG's) as a 7x7 kernel."""
        for name, key, shape in (
            ("resnet18", "fc.weight", (1000, 512, 1, 1)),
            ("vgg11", "classifier.0.weight", (4096, 512, 7, 7)),
        ):
            state = state_of(name, "torchvision")
            whole = tuple(state[key].shape)
            state[key] = torch.empty(shape, device="meta")
            found = match(architecture(name), state)
            assert {pair.shape: pair.reshaped for pair in found.report.pairs if pair.reshaped} == {shape: whole}
            assert f"reshaped: {key} {shape} as " in str(found.report)

    def test_values_are_not_moved_by_reshaping(self):
        tensor = torch.arange(24.0).reshape(2, 3, 2, 2)
        assert torch.equal(reshaped(tensor, (2, 12)), tensor.flatten(1))
        assert torch.equal(reshaped(tensor.flatten(1), (2, 3, 2, 2)), tensor)
        assert reshaped(torch.ones(4, 1, 1), (4,)).shape == (4,)
        assert reshaped(tensor, (3, 2, 2, 2)) is None and reshaped(tensor, (2, 4, 3)) is None

    def test_classes_and_channels_are_the_checkpoints(self):
        for source in ("torchvision", "timm"):
            state = dict(peer_of("resnet18", source, num_classes=7).state_dict())
            state["conv1.weight"] = torch.empty(64, 1, 7, 7, device="meta")
            found = match(architecture("resnet18"), state)
            assert (found.variant.classes, found.variant.channels) == (7, 1)
            assert found.tensors["stem.conv.weight"].shape == (64, 1, 7, 7)

    def test_names_of_an_old_release(self):
        """torchvision's published DenseNet files have ``denselayer1.norm.1.weight``."""
        state = state_of("densenet121", "torchvision")
        old = {name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): state[name] for name in state}
        assert old.keys() != state.keys()
        assert match(architecture("densenet121"), old).report.naming == "torchvision"

    def test_an_adapted_architecture(self, theirs):
        arch = architecture("resnet18").with_output_stride(8).with_resolution(96)
        assert match(arch, theirs).variant == arch
        small = match(architecture("resnet18").with_reduction(8), theirs)
        assert small.variant == architecture("resnet18").with_reduction(8)

    def test_the_variant_of_an_adapted_architecture(self):
        arch = architecture("efficientnet_b5").with_output_stride(16).with_classes(5)
        found = match(arch, state_of("efficientnet_b5", "timm")).variant
        assert found.output_stride == 16 and found.classes == 1000
        assert replace(found, output_stride=None).hash == variant("efficientnet_b5", "timm").hash


class TestWrappers:
    def test_a_backbone_among_others(self, theirs):
        """Lightning and mmsegmentation: the network below a prefix, other things beside it."""
        state = {f"backbone.{name}": tensor for name, tensor in theirs.items()}
        state["criterion.weight"] = torch.ones(3)
        found = match(architecture("resnet18"), state)
        assert found.report.unwrapped == ("backbone.",)
        assert "left (outside backbone): criterion.weight" in str(found.report)

    @pytest.mark.parametrize("prefix", ["cnn.", "1."])
    def test_a_prefix_that_nobody_knows(self, prefix):
        """``self.cnn = resnet50()``: known names, so nothing is ambiguous, whatever stands before them."""
        theirs = state_of("resnet50", "torchvision")
        state = {f"{prefix}{name}": tensor for name, tensor in theirs.items()}
        found = match(architecture("resnet50"), {**state, "decoder.weight": torch.ones(3)})
        assert found.report.naming == "torchvision" and found.report.unwrapped == (prefix,)
        assert [left.name for left in found.report.left] == ["decoder.weight"]
        assert {pair.theirs for pair in found.report.pairs} == theirs.keys()

    def test_two_networks_side_by_side(self, theirs):
        """Neither is taken, be their names known or not, nor where one has no classifier, or no counters."""
        without = [lambda name: False, lambda name: name.startswith("fc."), lambda name: "num_batches" in name]
        for sides, left_out in product((("model", "encoder"), ("student", "teacher")), without):
            first, second = sides
            state = {f"{first}.{name}": tensor for name, tensor in theirs.items()}
            state |= {f"{second}.{name}": tensor for name, tensor in theirs.items() if not left_out(name)}
            with pytest.raises(AmbiguousWeightsError) as caught:
                match(architecture("resnet18"), state)
            assert str(caught.value) == (
                f"checkpoint: holds the network twice: {first}.* and {second}.*; save the one that you mean"
            )

    def test_what_was_taken_off_before_is_told(self, theirs):
        found = match(architecture("resnet18"), Checkpoint(theirs, unwrapped=("state_dict", "module.")))
        assert "unwrapped: state_dict, module." in str(found.report)


class TestWhatMayDiffer:
    def test_counters_of_batches(self, theirs):
        state = {name: tensor for name, tensor in theirs.items() if not name.endswith("num_batches_tracked")}
        found = match(architecture("resnet18"), state)
        assert len(found.report.made) == 20 and len(found.tensors) == len(theirs)
        assert found.tensors["stem.norm.num_batches_tracked"].dtype == torch.int64

    def test_no_head_wanted(self, theirs):
        found = match(architecture("resnet18").without_head(), theirs)
        assert [left.name for left in found.report.left] == ["fc.weight", "fc.bias"]
        assert "fc.weight" not in found.tensors

    def test_no_head_there(self, theirs):
        found = match(architecture("resnet18"), {name: theirs[name] for name in theirs if not name.startswith("fc.")})
        assert found.report.absent == ("fc.weight", "fc.bias") and "fc.weight" not in found.tensors
        assert "needs a new head" in str(found.report)

    def test_auxiliary_heads(self):
        state = state_of("googlenet", "torchvision")
        aux = dict(peer_of("googlenet", "torchvision", aux_logits=True).state_dict())
        left = match(architecture("googlenet"), {**aux, **state}).report.left
        assert left and {one.why for one in left} == {"auxiliary head"}


class TestRefused:
    def test_missing_and_extra(self, theirs):
        del theirs["layer1.0.conv1.weight"]
        theirs["layer9.weight"] = torch.ones(2)
        assert fault(architecture("resnet18"), theirs) == (
            "checkpoint: 1 of the 122 tensors of the network are missing: layer1.0.conv1.weight (our "
            "stages.0.0.conv1.conv.weight), and 1 of the 122 tensors in it are not the network's: layer9.weight; check "
            "that they are of this architecture"
        )

    def test_half_a_head(self, theirs):
        del theirs["fc.bias"]
        assert "fc.bias" in fault(architecture("resnet18"), theirs)

    def test_shapes_and_types(self, theirs):
        theirs["bn1.weight"] = torch.ones(65)
        theirs["bn1.bias"] = torch.ones(64, dtype=torch.int8)
        assert fault(architecture("resnet18"), theirs) == (
            "checkpoint: wrong shapes: bn1.weight (our stem.norm.weight) is (65,) for (64,), and no floating-point "
            "numbers: bn1.bias (our stem.norm.bias) is torch.int8; check that they are of this architecture"
        )

    def test_another_architecture(self, theirs):
        assert "of the network are missing" in fault(architecture("resnet34"), theirs)
        assert "are not the network's" in fault(architecture("resnet18"), state_of("resnet34", "torchvision"))
        assert "too many" in fault(architecture("mobilenet_v2"), theirs)

    def test_two_sources_that_differ_in_what_no_tensor_shows(self, monkeypatch):
        """Where neither is the network that was asked for; asking for one of them would be evidence."""
        plain, first, second = (
            replace(tiny(), stem=replace(tiny().stem, norm=replace(tiny().stem.norm, eps=eps)))
            for eps in (1e-5, 1e-3, 1e-4)
        )
        map_ = KeyMap((("stem", "theirs.stem"), ("stages.{s}.{b}", "theirs.{s}.{b}"), ("fc", "theirs.fc")))
        timm = Peer("b", map_, make=lambda: second)
        state = {map_.theirs(plain)[name]: tensor for name, tensor in build(plain).state_dict().items()}
        known = Entry("tiny", lambda: plain, torchvision=Peer("a", map_), timm=timm)
        monkeypatch.setattr(naming, "entry", lambda name: (None, known))
        assert match(plain, state).variant == plain
        known = Entry("tiny", lambda: plain, torchvision=Peer("a", map_, make=lambda: first), timm=timm)
        with pytest.raises(AmbiguousWeightsError) as caught:
            match(plain, state)
        assert str(caught.value).startswith(
            "checkpoint: the names are torchvision's and timm's, whose tiny differ in what no tensor shows; give the "
        )

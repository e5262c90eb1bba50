"""Checkpoints under names that nobody knows: right, ambiguous or refused, and never wrong."""

from __future__ import annotations

import random
from collections import Counter
from itertools import takewhile

import pytest
import torch

from tests.nn.helpers import tiny
from tests.parity import names_of, ours
from tests.selection import PEERS, QUICK_PEERS, marked
from tests.weights.foreign import (
    SCRAMBLED,
    anonymous,
    enumerated,
    enumerated_by_kind,
    foreign_words,
    reordered,
    state_of,
    without_one,
)
from vertebra.errors import AmbiguousWeightsError, WeightsError
from vertebra.nn import build
from vertebra.weights.checkpoint import Checkpoint
from vertebra.weights.matching import match
from vertebra.zoo import architecture


def outcome(name, tensors, original, expected, **options) -> str:
    """``right``, ``ambiguous`` or ``refused``; a pair that is not the expected one fails."""
    try:
        found = match(architecture(name), tensors, **options)
    except AmbiguousWeightsError as error:
        assert "fit in two ways" in str(error)
        return "ambiguous"
    except WeightsError:
        return "refused"
    pairs = {pair.ours: original[pair.theirs] for pair in found.report.pairs}
    assert pairs == {ours_: theirs for ours_, theirs in expected.items() if ours_ in pairs}
    assert {name for name in expected if not name.endswith("num_batches_tracked")} <= pairs.keys()
    return "right"


@pytest.mark.parametrize("pair", marked(PEERS, QUICK_PEERS))
def test_never_wrong(pair):
    name, source = pair
    state, expected = state_of(name, source), names_of(ours(name, source), name, source)
    known = {key: key for key in state}
    assert outcome(name, state, known, expected) == "right"
    assert outcome(name, reordered(state), known, expected) == "right"
    assert outcome(name, without_one(state)[0], known, expected) == "refused"
    for scrambled in SCRAMBLED.values():
        strange = scrambled(state)
        original = dict(zip(strange, state, strict=True))
        outcome(name, strange, original, expected)
        outcome(name, reordered(strange), original, expected)
        assert outcome(name, without_one(strange)[0], original, expected) != "right"
        outcome(name, strange, original, expected, ordered=True)
        moved = reordered(state)
        outcome(name, scrambled(moved), dict(zip(scrambled(moved), moved, strict=True)), expected)


@pytest.mark.parametrize(
    "name", ["alexnet", "resnet18", "mobilenet_v2", "efficientnet_b0", "densenet121", "convnext_tiny", "googlenet"]
)
def test_structure_is_enough_for_most(name):
    """Words that nobody knows, their numbers kept: groups and numbers tell everything where there is no order.

    Names that were sorted have ``layer3.10`` before ``layer3.2``, which is no disagreement.
    """
    state = state_of(name, "torchvision")
    expected = names_of(ours(name, "torchvision"), name, "torchvision")
    strange = foreign_words(state)
    original = dict(zip(strange, state, strict=True))
    assert outcome(name, strange, original, expected) == "right"
    sorted_by_name = {key: strange[key] for key in sorted(strange)}
    assert outcome(name, sorted_by_name, original, expected) == "right"
    assert outcome(name, Checkpoint(reordered(strange), in_order=False), original, expected) == "right"


@pytest.mark.parametrize("pair", marked(PEERS, QUICK_PEERS))
def test_never_wrong_by_numbers(pair):
    """Numbered through in the order of definition, which is not always that of execution."""
    name, source = pair
    state, expected = state_of(name, source), names_of(ours(name, source), name, source)
    for numbered in (enumerated, enumerated_by_kind):
        strange = numbered(state)
        original = dict(zip(strange, state, strict=True))
        outcome(name, strange, original, expected)
        outcome(name, reordered(strange), original, expected)
        assert outcome(name, without_one(strange)[0], original, expected) != "right"
        moved = reordered(state)
        outcome(name, numbered(moved), dict(zip(numbered(moved), moved, strict=True)), expected)


@pytest.mark.parametrize("numbered", [enumerated, enumerated_by_kind])
@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_a_shuffled_file(numbered, seed):
    """Hardly a tensor of this network is certain, but together the numbers contradict what is executed after what."""
    name = "resnext101_64x4d"
    moved = reordered(state_of(name, "torchvision"), seed)
    with pytest.raises(AmbiguousWeightsError, match="fit in two ways"):
        match(architecture(name), numbered(moved))


class TestBlocksThatAreAlike:
    """The 23 blocks of a third stage: but for the first, each could be any other."""

    NAME = "resnext101_32x16d"
    DISAGREE = "fit in two ways, since their numbers and the order in the file disagree: "

    @pytest.fixture
    def strange(self):
        return foreign_words(state_of(self.NAME, "timm"))

    @pytest.fixture
    def stage(self, strange):
        """What the names of the third stage begin with."""
        ((stage, _),) = Counter(name.partition(".")[0] for name in strange).most_common(1)
        return stage

    def test_honest(self, strange):
        state, expected = state_of(self.NAME, "timm"), names_of(ours(self.NAME, "timm"), self.NAME, "timm")
        original = dict(zip(strange, state, strict=True))
        for order in (strange, sorted(strange)):
            assert outcome(self.NAME, {name: strange[name] for name in order}, original, expected) == "right"

    def test_moved_in_the_file(self, strange, stage):
        blocks = list(dict.fromkeys(name.split(".")[1] for name in strange if name.startswith(stage)))
        random.Random(0).shuffle(blocks)
        inside = [name for one in blocks for name in strange if name.startswith(f"{stage}.{one}.")]
        before = takewhile(lambda name: not name.startswith(f"{stage}."), strange)
        order = dict.fromkeys((*before, *inside, *strange))
        self.disagree({name: strange[name] for name in order}, f"{stage}.")

    def test_numbered_anew(self, strange, stage):
        """In the file as before, so that one of both must be a lie."""
        swapped = {f"{stage}.7": f"{stage}.12", f"{stage}.12": f"{stage}.7"}
        renamed = {}
        for name, tensor in strange.items():
            block = ".".join(name.split(".")[:2])
            renamed[swapped.get(block, block) + name.removeprefix(block)] = tensor
        self.disagree(renamed, f"{stage}.")

    def disagree(self, tensors, where):
        with pytest.raises(AmbiguousWeightsError, match=self.DISAGREE) as caught:
            match(architecture(self.NAME), tensors)
        text = str(caught.value)
        assert "\n" not in text and where in text and " -> stages.2." in text
        assert "save it as safetensors" in text and text.endswith("say so: weights='ordered:PATH'")
        named = Checkpoint(tensors, in_order=False)
        assert match(architecture(self.NAME), named).report.naming == "unknown"


def test_numbers_in_the_order_of_the_file_are_seen_through():
    """timm's ResNet v2 defines its shortcuts first; whoever numbers its modules through has them in that order."""
    name = "resnetv2_50"
    with pytest.raises(AmbiguousWeightsError, match="fit in two ways"):
        match(architecture(name), enumerated(state_of(name, "timm")))


@pytest.mark.parametrize("numbered", [enumerated, enumerated_by_kind])
@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "mobilenet_v2"])
def test_numbers_in_the_order_of_execution_are_believed(name, numbered):
    state = state_of(name, "torchvision")
    strange = numbered(state)
    expected = names_of(ours(name, "torchvision"), name, "torchvision")
    assert outcome(name, strange, dict(zip(strange, state, strict=True)), expected) == "right"


def test_two_candidates_are_shown():
    """ResNet-50's first block: a shortcut and a last convolution of one shape, and no name that tells them apart."""
    strange = foreign_words(state_of("resnet50", "torchvision"))
    with pytest.raises(AmbiguousWeightsError) as caught:
        match(architecture("resnet50"), strange)
    text = str(caught.value)
    assert "its names are unknown and fit in two ways: " in text and " -> stages.0.0." in text
    assert text.endswith("say so: weights='ordered:PATH'")


def test_order_counts_where_it_is_vouched_for():
    state = state_of("resnet50", "torchvision")
    found = match(architecture("resnet50"), anonymous(state), ordered=True)
    assert {pair.evidence for pair in found.report.pairs} == {"order"}
    assert "aligned by structure" in str(found.report) and "by the order in the file: " in str(found.report)


def test_order_that_is_not_that_of_execution():
    """torchvision's ConvNeXt blocks define their layer scale first."""
    with pytest.raises(WeightsError, match=r"not in the order of execution: tensor \d+ is tensor\d+, "):
        match(architecture("convnext_tiny"), anonymous(state_of("convnext_tiny", "torchvision")), ordered=True)


def test_safetensors_keep_no_order():
    given = Checkpoint(anonymous(build(tiny()).state_dict()), in_order=False)
    with pytest.raises(WeightsError, match="safetensors keep no order"):
        match(tiny(), given, ordered=True)


def test_values_and_classes_of_an_unknown_file():
    """The tensors themselves arrive, and the classifier's size is the file's."""
    state = build(tiny(), classes=3).state_dict()
    strange = foreign_words(dict(state))
    found = match(tiny(), strange)
    assert found.variant.classes == 3 and found.report.naming == "unknown"
    for (name, tensor), other in zip(state.items(), strange.values(), strict=True):
        assert torch.equal(found.tensors[name], tensor)
        assert name.endswith("num_batches_tracked") or found.tensors[name] is other


def test_whole_numbers_are_no_weights():
    """A network that was quantised has tensors of the same shapes."""
    state = {name: tensor.to(torch.int8) for name, tensor in build(tiny()).state_dict().items()}
    with pytest.raises(WeightsError, match=r"no floating-point numbers: .* is torch.int8"):
        match(tiny(), foreign_words(state))


def test_the_report_reads():
    text = str(match(tiny(), foreign_words(dict(build(tiny()).state_dict()))).report)
    lines = text.splitlines()
    assert lines[0].startswith("tiny: ") and "aligned by structure" in lines[0]
    assert any(line.startswith("  by role and shape alone: ") for line in lines)
    assert any(line.startswith("  by the group that it stands in: ") for line in lines)

"""The whole registry against the outside: nobody is missing, every name and shape is the peer's, every figure too."""

from __future__ import annotations

import re

import pytest
from torch import nn

from tests.parity import names_of, ours, peer_of
from tests.peers import timm
from tests.selection import EVERY, GOLDEN, PEERS
from vertebra.arch.expansion import declared
from vertebra.arch.primitives import Norm
from vertebra.costs import cost
from vertebra.weights.recognition import reshaped
from vertebra.zoo import architecture, entry

# The convolutional classifiers of torchvision 0.28.0.
_TORCHVISION = """
alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161 densenet169 densenet201
efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
efficientnet_b7 efficientnet_v2_l efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 mobilenet_v2
mobilenet_v3_large mobilenet_v3_small resnet101 resnet152 resnet18 resnet34 resnet50 resnext101_32x8d resnext101_64x4d
resnext50_32x4d vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn wide_resnet101_2 wide_resnet50_2
"""

# Of timm 1.0.31: the families that are promised.
_TIMM = """
convnext_atto convnext_femto convnext_pico convnext_nano convnext_tiny convnext_small convnext_base convnext_large
convnext_xlarge convnext_xxlarge
efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
efficientnet_b7 efficientnet_b8 efficientnet_lite0 efficientnet_lite1 efficientnet_lite2 efficientnet_lite3
efficientnet_lite4 tf_efficientnet_b0 tf_efficientnet_b1 tf_efficientnet_b2 tf_efficientnet_b3 tf_efficientnet_b4
tf_efficientnet_b5 tf_efficientnet_b6 tf_efficientnet_b7 tf_efficientnet_b8 tf_efficientnet_lite0 tf_efficientnet_lite1
tf_efficientnet_lite2 tf_efficientnet_lite3 tf_efficientnet_lite4
mnasnet_050 mnasnet_075 mnasnet_100 mnasnet_140 mnasnet_small mobilenetv1_100 mobilenetv1_100h mobilenetv1_125
mobilenetv2_035 mobilenetv2_050 mobilenetv2_075 mobilenetv2_100 mobilenetv2_110d mobilenetv2_120d mobilenetv2_140
mobilenetv3_large_075 mobilenetv3_large_100 mobilenetv3_small_050 mobilenetv3_small_075 mobilenetv3_small_100
resnet18d resnet34d resnet50d resnet101d resnet152d resnet200 resnetv2_50 resnetv2_101
resnext101_32x16d resnext101_32x32d
seresnet18 seresnet34 seresnet50 seresnet101 seresnet152 seresnext50_32x4d seresnext101_32x4d seresnext101_32x8d
seresnext101_64x4d
"""

TORCHVISION, TIMM = _TORCHVISION.split(), _TIMM.split()


@pytest.mark.parametrize(("source", "promised"), [("torchvision", TORCHVISION), ("timm", TIMM)])
def test_no_peer_is_missing(source, promised):
    """As the peer of an entry, and found by the name that the peer has, as itself or as an alias."""
    held = {entry(name)[1].peers[source].name for name, where in PEERS if where == source}
    assert set(promised) <= held
    for name in promised:
        entry(name)


def test_no_peer_stands_for_two():
    pairs = [(source, entry(name)[1].peers[source].name) for name, source in PEERS]
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("name", EVERY)
def test_every_entry_has_a_witness(name):
    """A peer whose counts are known, or figures from a paper, equal in the digits that the entry says."""
    one = entry(name)[1]
    assert one.peers or one.published, f"{name} has neither a peer nor a published figure"
    if one.peers:
        assert name in GOLDEN, f"{name} has a peer and no golden figures"
    if one.published:
        figures, found = one.published, cost(architecture(name))
        assert figures.source and (figures.params or figures.macs)
        assert figures.holds(found.params, found.macs), f"{found.params:,} parameters, {found.macs:,} MACs"
        assert not figures.holds(2 * found.params, 2 * found.macs)


@pytest.mark.parametrize(("name", "source"), PEERS)
def test_counts_are_the_peers(name, source):
    """Parameters and MACs at the reference's resolution, of the variant that is the peer's."""
    arch, golden = ours(name, source), GOLDEN[name]
    found = cost(arch, resolution=golden.get("resolution", 224))
    assert (found.params, found.macs) == (golden["params"], golden["macs"])


@pytest.mark.parametrize(("name", "source"), PEERS)
def test_every_name_and_shape_is_the_peers(name, source):
    """On the meta device: the largest too.  No tensor of theirs is left over, and none of ours.

    Batch normalisation has the settings there that no tensor shows.
    """
    arch, peer = ours(name, source), peer_of(name, source)
    state, keys = peer.state_dict(), names_of(arch, name, source)
    shapes = {key: weight.shape for key, weight in declared(arch.layers())}
    assert list(keys) == list(shapes) and sorted(keys.values()) == sorted(state)
    for key, shape in shapes.items():
        theirs = state[keys[key]]
        assert reshaped(theirs, shape) is not None, f"{keys[key]} is {tuple(theirs.shape)} for {key}"
    norms = {layer.node for layer in arch.layers() if isinstance(layer.node, Norm) and layer.node.method == "batch"}
    assert {(norm.eps, norm.momentum) for norm in norms} == {
        (norm.eps, norm.momentum) for norm in peer.modules() if isinstance(norm, nn.BatchNorm2d)
    }


PROMISED = re.compile(
    r"mobilenetv[12]_\w+|mobilenetv3_(?!large_150d|rw)\w+|mnasnet_\w+|(tf_)?efficientnet_(b[0-8]|lite\d)"
    r"|seresnet(18|34|50|101|152)|seresnext50_32x4d|seresnext101_\d+x\d+d|resnet200|resnet(18|34|50|101|152)d"
    r"|resnext101_32x(16|32)d|resnetv2_(50|101)|convnext_(atto|femto|pico|nano|tiny|small|base|x*large)"
)


def test_nothing_of_timms_is_forgotten():
    """What timm itself has under the promised names."""
    wanted = {name for name in timm().list_models() if PROMISED.fullmatch(name)}
    assert len(wanted) > 60 and wanted <= set(TIMM)
    assert len(set(TORCHVISION)) == len(TORCHVISION) == 43 and len(set(TIMM)) == len(TIMM)


def test_golden_figures_are_of_entries():
    assert set(GOLDEN) <= set(EVERY)

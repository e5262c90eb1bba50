"""The content hash: equal for equal meaning, in every process; golden values notice a change of meaning."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vertebra.arch import Act, Architecture, Block, Conv, Norm, Stage, expanded, from_json, replace, seq, to_json
from vertebra.arch.encoding import canonical
from vertebra.arch.expansion import unblocked
from vertebra.arch.node import Primitive, kinds
from vertebra.arch.record import fields_of
from vertebra.zoo import architecture

# A stored network (bundle, search result) is known by these: they must never change with vertebra's version.
GOLDEN = {
    "resnet50": "f342ec8f438676ad7a8ff52d5c4730776b3de8edb00ced21269ebd0009e9d062",
    "densenet121": "f3d44279a593595ace8bad85fec565591e924c12b697e1006702f5e2cd720a04",
    "mobilenet_v2": "ea327b7a1632b629cdb9ed07a3b8ad88fc7c153c0d9ebc5cdf376591a135b00c",
    "efficientnet_b0": "9fc38b0177274d4df4b7a7381e064e0e350ec897a0cd2d12a91afc2747969c1e",
    "cifar_resnet20": "967118b95d97daa650778504187ec2fa2ba3dab60f738a4fc3debf7a1f08898c",
    "cifar_plain20": "4e445dc45333dad1e542a44f21ce94c1232909f0be8e29ae4d73407f1b9a8b8b",
}


# Left out of what is hashed, so they may never change; a new field of a primitive is added here with its default.
DEFAULTS = {
    "act": {"function": "relu"},
    "adaptive_pool": {"extent": 7, "larger": "average"},
    "conv": {"kernel": 1, "stride": 1, "padding": "half", "dilation": 1, "groups": 1, "bias": False},
    "dropout": {"rate": 0.5},
    "global_pool": {"method": "average"},
    "global_response_norm": {"eps": 1e-6},
    "identity": {},
    "layer_scale": {"start": 1e-6},
    "linear": {"bias": True},
    "local_response_norm": {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0},
    "norm": {"method": "batch", "eps": 1e-5, "momentum": 0.1, "groups": 32},
    "pad_channels": {},
    "pool": {"method": "max", "kernel": 2, "stride": 2, "padding": 0, "dilation": 1, "rounding": "floor"},
    "same_pad": {"taken": 1, "spacing": 1},
    "spread_pool": {
        **{"method": "max", "kernel": 2, "stride": 2, "padding": 0, "dilation": 1, "rounding": "floor"},
        "overhang": 0,
    },
    "tap": {},
}


def test_defaults_of_primitives_never_change():
    own = {
        kind: node
        for kind, node in kinds().items()
        if issubclass(node, Primitive) and node.__module__.startswith("vertebra.")
    }
    found = {
        kind: {field.name: field.default for field in fields_of(node) if not field.required}
        for kind, node in own.items()
    }
    assert found == DEFAULTS
    assert canonical(Conv(8, bias=False)) == b'{"kind":"conv","out":8}'


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    assert architecture(name).hash == GOLDEN[name]


def test_equal_in_processes_with_other_hash_seeds():
    code = f"from vertebra.zoo import architecture; print(*(architecture(name).hash for name in {list(GOLDEN)}))"
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.split() == list(GOLDEN.values())


class Renamed(Block, frozen=True):
    """The same tree as another block's."""

    inner: Block

    def layers(self, channels: int):
        return unblocked(self.inner, channels)


def test_what_a_block_is_called_does_not_count():
    arch = architecture("resnet18")
    stages = tuple(Stage(Renamed(stage.block), stage.depth) for stage in arch.stages[:1])
    plain = replace(arch, stages=arch.stages[:1])
    assert replace(plain, stages=stages).hash == plain.hash


def test_name_resolution_and_initialisation_do_not_count():
    arch = architecture("resnet18")
    assert arch.with_resolution(64).hash == replace(arch, name="other").hash == arch.hash


def test_all_else_does():
    def net(act="relu", out=8, name="conv", eps=1e-5, channels=3) -> str:
        body = seq(**{name: Conv(out, 3), "norm": Norm(eps=eps), "act": Act(act)})
        return Architecture("x", body, (Stage(Conv(4)),), channels=channels).hash

    variants = [net(), net(act="silu"), net(out=9), net(name="c"), net(eps=1e-3), net(channels=1)]
    assert len(set(variants)) == len(variants)


def test_the_expanded_form_has_the_hash_of_the_blocks():
    arch = architecture("mobilenet_v2")
    stages, channels = [], arch.stem.output((3, 64, 64))[0]
    for stage in arch.stages:
        nodes = {}
        for name, node in stage.nodes():
            nodes[name] = expanded(node, channels)
            channels = node.output((channels, 64, 64))[0]
        stages.append(seq(**nodes))
    plain = from_json(to_json(replace(arch, stem=expanded(arch.stem, 3), head=expanded(arch.head, channels))))
    assert plain.hash == arch.hash
    assert arch.tree() == seq(
        expanded(arch.head, channels),
        stem=expanded(arch.stem, 3),
        stages=seq(**{str(i): s for i, s in enumerate(stages)}),
    ) or [name for name, _ in arch.tree().children] == ["stem", "stages", ""]

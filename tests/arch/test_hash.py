"""The content hash: equal for equal meaning, in every process; golden values notice a change of meaning."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vertebra.arch import Act, Architecture, Block, Conv, Norm, Stage, expanded, from_json, replace, seq, to_json
from vertebra.arch.expansion import unblocked
from vertebra.zoo import architecture

# A stored network (bundle, search result) is known by these: they must never change with vertebra's version.
GOLDEN = {
    "resnet50": "fc201d07b8ccf7cbf5c27b9b96f1cf5cc73ebc6447e7e2a9eccde7f2f4f603e8",
    "densenet121": "1dd7ccc683edcfee8ef791b3d865eaa0ba3c6a24b513c94b367b4d4194d5391c",
    "mobilenet_v2": "61cb2c4632027e86fb0ab709f10974658eb8b5da3a6070951dad0121c585ecd0",
    "efficientnet_b0": "e2d7323db28f13c1dbe29e6b5bb4b13e8d46c2302e32744fa45d74bfff1d76a0",
    "cifar_resnet20": "e198125d33a0a174f5fc7174cd2f9cb60c5ec69ee9731ee48428e4250a09c614",
    "cifar_plain20": "b8ed827d7ebd862f450a2420bc2aa161a9ccd48029848f8abdbaac7e15294ef5",
}


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

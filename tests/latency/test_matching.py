"""Operations and units: every time finds its owner, by the names that the engines really give."""

from __future__ import annotations

import pytest

from vertebra.arch.architecture import Architecture
from vertebra.arch.blocks import (
    BasicResidual,
    Bottleneck,
    ConvNeXtBlock,
    ConvNormAct,
    DenseLayer,
    DenseTransition,
    DepthwiseSeparable,
    FusedMBConv,
    Inception,
    InvertedResidual,
    MBConv,
    NormActConv,
    PlainPair,
    PreactBasic,
    PreactBottleneck,
    SqueezeExcite,
)
from vertebra.arch.combinators import add, seq
from vertebra.arch.node import Node
from vertebra.arch.primitives import (
    Act,
    AdaptivePool,
    Conv,
    Dropout,
    GlobalPool,
    GlobalResponseNorm,
    Identity,
    LayerScale,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
)
from vertebra.arch.stage import Stage
from vertebra.engines.operations import operation_times
from vertebra.latency.engines import INPUT, body, noise
from vertebra.latency.matching import LAYOUT, OUTPUT, _paths, unit_times
from vertebra.latency.units import PRODUCTS, placed

ENGINES = ("onnxruntime", "openvino")


def net(*blocks: Node) -> Architecture:
    """At 32 px, with a vector's activation in its head."""
    head = seq(pool=GlobalPool(), hidden=Linear(8), act=Act("hard_swish"), drop=Dropout(), fc=Linear(5))
    return Architecture("net", ConvNormAct(16, 3, 2), tuple(map(Stage, blocks)), head, 32)


NETS = (
    net(InvertedResidual(16), MBConv(16), FusedMBConv(16), DepthwiseSeparable(24, 2), SqueezeExcite(4, layer="conv")),
    net(BasicResidual(16), BasicResidual(24, 2, attention=SqueezeExcite(4)), Bottleneck(32, groups=2), PlainPair(16)),
    net(PreactBasic(16), PreactBasic(24, 2), PreactBottleneck(32, 2), NormActConv(8), Pool("average"), Pool()),
    net(DenseLayer(8), DenseLayer(8), DenseTransition(), Inception(4, 4, 8, 2, 4, 4), LocalResponseNorm()),
    net(ConvNeXtBlock(), ConvNeXtBlock(3, scale=None, response=GlobalResponseNorm()), Norm("group"), AdaptivePool(3)),
    net(
        ConvNormAct(16, act=Act("silu")), ConvNormAct(16, act=Act("hard_swish")), ConvNormAct(16, act=Act("mish")),
        ConvNormAct(16, act=Act("leaky_relu")), ConvNormAct(16, (1, 5), act=Act("tanh")),
        ConvNormAct(16, act=Act("gelu")),
    ),
)  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("arch", NETS, ids=lambda arch: arch.stages[0].block.kind())
def test_the_names_of_the_engines_lead_to_units(arch: Architecture, engine: str) -> None:
    """Only changes of layout and pieces of activations that were taken apart have no path, and nothing gets lost.  With
    ONNX Runtime no matrix product takes no time; OpenVINO does not tell of what takes less than a microsecond.
    """
    pytest.importorskip(engine)
    operations = operation_times(body(arch), engine, {INPUT: noise(arch)}, 1, threads=1, rounds=1)
    known = {path for one in placed(arch) for path in one.paths} | {OUTPUT}
    pieces = ("HardSigmoid_", "Mul_", "Softplus_", "Tanh_", "Exp_", "Log_", "Add_")
    strange = [name for name in operations if not known.intersection(_paths(name)) and LAYOUT not in name]
    assert [name for name in strange if not name.startswith(pieces)] == []
    found = unit_times(arch, operations)
    assert [unit for unit, _ in found] == [one.unit for one in placed(arch)]
    assert sum(ms for _, ms in found) == pytest.approx(sum(operations.values()))
    if engine == "onnxruntime":
        assert all(ms > 0 for unit, ms in found if unit.kind in PRODUCTS)


SMALL = Architecture(
    "small",
    seq(conv=Conv(8, 3), norm=Norm(), act=Act()),
    (Stage(add(seq(conv=Conv(8), norm=Norm()), shortcut=Identity())), Stage(Pool())),
    seq(pool=GlobalPool(), fc=Linear(5)),
    16,
)


def test_names_of_any_node_in_a_unit() -> None:
    operations = {"stem.norm/BatchNormalization": 1.0, "stages.0.0/Add": 2.0, "stages.1.0/MaxPool": 4.0}
    found = unit_times(SMALL, {**operations, "pool/Mean": 8.0, "fc/Gemm": 16.0})
    kinds = ("conv", "conv", "max_pool", "global_pool", "linear")
    assert [(unit.kind, ms) for unit, ms in found] == list(zip(kinds, (1.0, 2.0, 4.0, 8.0, 16.0), strict=True))


def test_of_several_names_the_products_counts() -> None:
    name = "stages.1.0/MaxPool,stages.0.0.conv/Conv,pool/Mean"
    assert unit_times(SMALL, {name: 3.0})[1][1] == 3.0
    assert unit_times(SMALL, {"stages.1.0/MaxPool,pool/Mean": 3.0, "fused fc/Gemm": 1.0})[3][1] == 3.0


def test_a_change_of_layout_belongs_to_what_comes_after_it() -> None:
    operations = {"ReorderInput": 1.0, "stem.conv/Conv_nchwc": 2.0, "Reorder/stem.conv/Conv": 4.0, "pool/Mean": 8.0}
    found = unit_times(SMALL, {**operations, "ReorderOutput_token_7": 16.0})
    assert [ms for _, ms in found] == [3.0, 0.0, 0.0, 28.0, 0.0], "the last one belongs to what came before"


def test_what_has_no_path_belongs_to_what_came_before() -> None:
    found = unit_times(SMALL, {"HardSigmoid_1": 1.0, "stem.conv/Conv": 2.0, "HardSigmoid_2": 4.0, "fc/Gemm": 8.0})
    assert [ms for _, ms in found] == [7.0, 0.0, 0.0, 0.0, 8.0]


def test_the_output_is_the_last_unit() -> None:
    assert unit_times(SMALL, {"stem.conv/Conv": 1.0, "output": 2.0})[-1][1] == 2.0
    assert unit_times(SMALL, {"ReorderInput": 2.0})[-1][1] == 2.0


def test_a_product_under_the_name_of_what_it_took_in() -> None:
    """As ONNX Runtime names a convolution into whose weights it multiplied a LayerScale."""
    arch = net(seq(conv=Conv(16), tap=Identity(), scale=LayerScale(), pool=Pool()), Norm())
    found = unit_times(arch, {"stem.conv/Conv": 1.0, "stages.0.0.scale/Mul": 2.0, "stages.0.0.pool/MaxPool": 4.0})
    assert [ms for _, ms in found][:4] in ([1.0, 2.0, 0.0, 4.0], [1.0, 2.0, 4.0, 0.0])  # the scale apart, or folded in
    nothing = unit_times(SMALL, {"fc/Gemm": 1.0})
    assert [ms for _, ms in nothing] == [0.0, 0.0, 0.0, 0.0, 1.0], "nothing is taken from another product"


def test_a_network_that_does_nothing() -> None:
    assert unit_times(Architecture("nothing", Identity(), (Stage(Identity()),)), {"output": 1.0}) == ()

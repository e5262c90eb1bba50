"""Costs by kind of layer: by hand, by a published table, and their sum against the whole."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.strategies import architectures
from vertebra.arch import Act, Conv, Identity, Linear, Norm, add, seq
from vertebra.costs import cost
from vertebra.zoo import architecture

COUNTS = ("params", "macs", "activations", "traffic")


def test_by_hand():
    node = seq(
        a=Conv(8, 3), b=Conv(8), c=Conv(8, 3, groups=8), d=Conv(16, 5, groups=8), e=Conv(16, 3, groups=4),
        f=Conv(8, (1, 3)), norm=Norm(), sum=add(x=Act(), y=Identity()), g=Conv(4, groups=2), fc=Linear(2),
    )  # fmt: skip
    costs = cost(node, resolution=4, channels=3)
    assert [(one.kind, one.number, one.params) for one in costs.kinds] == [
        ("conv", 2, 8 * 3 * 9 + 8 * 16 * 3),
        ("1x1 conv", 1, 8 * 8),
        ("depthwise conv", 2, 8 * 9 + 16 * 25),
        ("grouped conv", 2, 16 * 4 * 9 + 4 * 4),
        ("norm", 1, 16),
        ("act", 1, 0),
        ("linear", 1, 2 * 4 * 16 + 2),
        ("sum", 1, 0),
    ]
    assert "act" not in costs.params_by_kind and sum(costs.params_by_kind.values()) == costs.params
    assert costs.kinds[-1].traffic == 3 * 4 * 8 * 16  # two branches read, one map written


# Howard et al. 2017 (MobileNets), table 2: shares of parameters and of multiply-adds in percent.  The table gives 1.19%
# of the multiply-adds for the full 3x3, but its column adds up to 100% with 1.91%.  It leaves the parameters of
# normalisations out, 0.5% here, hence the tolerance.
@pytest.mark.parametrize(
    ("kind", "params", "macs"),
    [("1x1 conv", 74.59, 94.86), ("depthwise conv", 1.06, 3.06), ("conv", 0.02, 1.91), ("linear", 24.33, 0.18)],
)
def test_shares_of_mobilenet(kind, params, macs):
    costs = cost(architecture("mobilenetv1_100"))
    (one,) = [one for one in costs.kinds if one.kind == kind]
    assert 100 * one.params / costs.params == pytest.approx(params, abs=0.45)
    assert 100 * one.macs / costs.macs == pytest.approx(macs, abs=0.006)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(architectures())
def test_kinds_add_up_to_parts_and_to_the_whole(arch):
    costs = cost(arch)
    for one in (costs, *costs.parts):
        for count in COUNTS:
            assert sum(getattr(kind, count) for kind in one.kinds) == getattr(one, count)
        assert sum(one.params_by_kind.values()) == one.params
        assert len({kind.kind for kind in one.kinds}) == len(one.kinds)

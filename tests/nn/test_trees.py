"""Random valid trees: the module agrees with the tree about shapes, counts and names."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.nn.helpers import images, randomised
from tests.nn.trees import nodes
from vertebra.arch.expansion import expanded, joined
from vertebra.costs import cost
from vertebra.errors import ArchitectureError
from vertebra.nn import build
from vertebra.nn.construct import layers_of


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_tree(data):
    size = data.draw(st.sampled_from([5, 8]))
    try:
        node = data.draw(nodes((2, size, size)))
        tree = expanded(node, 2)
    except ArchitectureError as error:  # what a nameless child brings may stand beside it already
        assert "names are used twice" in str(error)
        return
    net = randomised(build(node, channels=2, drop_path=data.draw(st.sampled_from([0.0, 0.2])))).eval()
    x = images(2, 2, size, size)
    with torch.inference_mode():
        y = net(x)
        assert tuple(y.shape[1:]) == node.output((2, size, size))
        twin = build(tree, channels=2).eval()
        twin.load_state_dict(net.state_dict())
        torch.testing.assert_close(twin(x), y, equal_nan=True)
    assert sum(p.numel() for p in net.parameters()) == cost(node, resolution=size, channels=2).params
    declared = {joined(la.path, we.name) for la in layers_of(node, 2) for we in la.node.weights(la.enters)}
    assert net.state_dict().keys() == declared

"""Costs by kind of layer, with convolutions told apart as papers do: 1x1, depthwise, grouped, and all others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vertebra.arch.node import Node
from vertebra.arch.primitives import Conv
from vertebra.arch.shapes import Shape, pair
from vertebra.costs.roles import sum_of
from vertebra.costs.rows import KindCost, LayerCost
from vertebra.costs.traffic import JoinCost


def form_of(node: Node, enters: Shape) -> str:
    """The kind of a layer that takes ``enters``; a depthwise convolution has as many groups as channels that enter."""
    if not isinstance(node, Conv):
        return node.kind()
    if node.groups > 1:
        return "depthwise conv" if node.groups == enters[0] else "grouped conv"
    return "1x1 conv" if pair(node.kernel) == (1, 1) else "conv"


def by_kind(layers: Iterable[LayerCost], joins: Iterable[JoinCost]) -> tuple[KindCost, ...]:
    """The costs of layers and joins summed up by kind, in the order in which kinds first appear, joins last.

    Together they are the whole; kinds that neither hold nor move anything are left out.
    """
    groups: dict[str, list[LayerCost]] = {}
    for layer in layers:
        groups.setdefault(layer.form, []).append(layer)
    moved: dict[str, list[int]] = {}
    for join in joins:
        moved.setdefault(join.kind, []).append(join.traffic)
    kinds = [_summed(kind, alike) for kind, alike in groups.items()]
    kinds += [
        KindCost(kind=kind, number=len(each), params=0, macs=0, activations=0, traffic=sum(each), roles=())
        for kind, each in moved.items()
    ]
    return tuple(kind for kind in kinds if kind.params or kind.macs or kind.traffic)


def _summed(kind: str, alike: Sequence[LayerCost]) -> KindCost:
    return KindCost(
        kind=kind,
        number=len(alike),
        params=sum(layer.params for layer in alike),
        macs=sum(layer.macs for layer in alike),
        activations=sum(layer.activations for layer in alike),
        traffic=sum(layer.traffic for layer in alike),
        roles=sum_of(layer.roles for layer in alike),
    )

"""Combinators as modules: a plan over children that are looked up by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from vertebra.nn import layers

Plan: TypeAlias = "str | tuple[Plan, ...]"
"""A child's name, or an operation and its operands: ``("seq", ("sum", ("seq", "conv1", "conv2"), "shortcut"), "act")``.

An empty name is the module's own operation, that of a nameless primitive with weights.
"""
OWN = ""


def _never(plan: Plan) -> bool:
    return False


class Composite(nn.Module):
    """Named children run by a plan.

    A nameless child adds no segment to parameter names, so what is inside it stands here, beside its siblings; the
    plan, plain strings and tuples, says how they work together.  Children are looked up when they run, so each can be
    replaced.
    """

    plan: Plan

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self.plan, x, self.child)

    def child(self, name: str, x: Tensor) -> Tensor:
        """What one child makes of ``x``."""
        return super().forward(x) if name == OWN else self._modules[name](x)  # type: ignore[misc]

    def run(
        self,
        plan: Plan,
        x: Tensor,
        visit: Callable[[str, Tensor], Tensor],
        wanted: Callable[[Plan], bool] = _never,
    ) -> Tensor:
        """The value of one part of the plan, given the value that reaches it; ``visit`` runs a child.

        What stands beside the way (a Side) runs only where it is ``wanted``, for what ``visit`` notes.
        """
        if isinstance(plan, str):
            return visit(plan, x)
        operation, *steps = plan
        if operation == "seq":
            for step in steps:
                x = self.run(step, x, visit, wanted)
            return x
        if operation == "side":
            if wanted(plan):
                self.run(steps[0], x, visit, wanted)
            return x
        branches = [self.run(step, x, visit, wanted) for step in steps]
        return COMBINED[str(operation)](x, branches)

    def extra_repr(self) -> str:
        own = super().extra_repr()
        return f"{own}\n{plan_text(self.plan)}" if own else plan_text(self.plan)


class Chain(nn.Sequential):
    """Children one after the other, where some take vectors: fully connected layers.

    Such layers of ours flatten maps themselves.  What a user puts in their place does not, so the chain does it:
    ``net.fc = nn.Linear(2048, 10)`` works as it does elsewhere, and ``net.fc = nn.Identity()`` leaves (N, 2048).
    """

    vectors: frozenset[str] = frozenset()
    """Names of those children."""

    def forward(self, x: Tensor) -> Tensor:
        for name, child in self._modules.items():
            x = child(x.flatten(1) if name in self.vectors else x)
        return x


def _summed(x: Tensor, branches: list[Tensor]) -> Tensor:
    first, *rest = branches
    return _summed_in_place(x, [first + rest[0], *rest[1:]]) if rest else first


@torch.fx.wrap  # a tracer cannot follow a branch on the type
def _summed_in_place(x: Tensor, branches: list[Tensor]) -> Tensor:
    """The sum, written over the first branch where that can hold it: under autocast branches may differ in type, and
    a user may have put an identity in the place of what made it.
    """
    total = branches[0]
    for branch in branches[1:]:
        total = total + branch if total is x or total.dtype != branch.dtype else total.add_(branch)
    return total


COMBINED: dict[str, Callable[[Tensor, list[Tensor]], Tensor]] = {
    "sum": _summed,
    "sum in place": lambda x, branches: _summed_in_place(x, branches),
    "concat": lambda x, branches: torch.cat(branches, 1),
    "gate": lambda x, branches: x * branches[0],
    "gate of a vector": lambda x, branches: x * branches[0][:, :, None, None],
}
"""How the outputs of branches are put together, given what entered them."""

_SIGNS = {"sum": " + ", "sum in place": " + ", "concat": " ++ ", "seq": " -> "}


def plan_text(plan: Plan) -> str:
    """A plan as text: ``(conv1 -> conv2 + shortcut) -> act``; ``++`` concatenates, ``x *`` is a gate."""
    if isinstance(plan, str):
        return plan or "self"
    operation, *steps = plan
    if operation == "side":
        return f"beside {_grouped(steps[0])}"
    sums = str(operation).startswith("sum")
    texts = [plan_text(step) if sums and step[0] == "seq" else _grouped(step) for step in steps]
    return f"x * {_grouped(steps[0])}" if str(operation).startswith("gate") else _SIGNS[str(operation)].join(texts)


def _grouped(plan: Plan) -> str:
    simple = isinstance(plan, str) or (len(plan) == 2 and plan[0] == "seq")
    return plan_text(plan) if simple else f"({plan_text(plan)})"


class ComposedConv2d(Composite, nn.Conv2d):
    """A composite whose nameless child is a convolution."""


class ComposedPointwiseConv2d(Composite, layers.PointwiseConv2d):
    """A composite whose nameless child is a 1x1 convolution with a bias."""


class ComposedSubsamplingConv2d(Composite, layers.SubsamplingConv2d):
    """A composite whose nameless child is a strided 1x1 convolution."""


class ComposedSameConv2d(Composite, layers.SameConv2d):
    """A composite whose nameless child is a convolution padded as ``SAME``."""


class ComposedLinear(Composite, layers.Linear):
    """A composite whose nameless child is a fully connected layer."""


class ComposedBatchNorm2d(Composite, nn.BatchNorm2d):
    """A composite whose nameless child is a batch normalisation of maps."""


class ComposedBatchNorm1d(Composite, nn.BatchNorm1d):
    """A composite whose nameless child is a batch normalisation of vectors."""


class ComposedGroupNorm(Composite, nn.GroupNorm):
    """A composite whose nameless child is a group normalisation."""


class ComposedLayerNorm2d(Composite, layers.LayerNorm2d):
    """A composite whose nameless child is a normalisation over channels."""


class ComposedGlobalResponseNorm(Composite, layers.GlobalResponseNorm):
    """A composite whose nameless child is a global response normalisation."""


class ComposedLayerScale(Composite, layers.LayerScale):
    """A composite whose nameless child is a gain for each channel."""


COMPOSED: dict[type[nn.Module], type[Composite]] = {
    cls.__mro__[2]: cls
    for cls in (
        ComposedConv2d,
        ComposedPointwiseConv2d,
        ComposedSubsamplingConv2d,
        ComposedSameConv2d,
        ComposedLinear,
        ComposedBatchNorm2d,
        ComposedBatchNorm1d,
        ComposedGroupNorm,
        ComposedLayerNorm2d,
        ComposedGlobalResponseNorm,
        ComposedLayerScale,
    )
}
"""The composite that stands for a primitive's module, when that primitive is nameless."""


def chain(modules: dict[str, nn.Module]) -> nn.Sequential:
    """These children one after the other."""
    vectors = frozenset(name for name, module in modules.items() if isinstance(module, layers.Linear))
    made = Chain() if vectors else nn.Sequential()
    if isinstance(made, Chain):
        made.vectors = vectors  # before the children, one of which may have that name
    made._modules.update(modules)
    return made


def composite(modules: dict[str, nn.Module], plan: Plan, own: nn.Module | None = None) -> Composite:
    """A composite of these children; ``own`` gives its tensors and settings to the composite itself."""
    if own is None:
        made = Composite()
    else:
        cls = COMPOSED[type(own)]
        made = cls.__new__(cls)
        made.__dict__ = own.__dict__
    made.plan = plan  # before the children, one of which may have that name
    made._modules.update(modules)
    return made

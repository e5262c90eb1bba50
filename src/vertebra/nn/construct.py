"""build(): from an architecture, or any node, to an ordinary torch module."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import cast

from torch import nn

from vertebra.arch.architecture import Architecture, Initialisation
from vertebra.arch.combinators import Seq, Side, Sum
from vertebra.arch.expansion import Layer, layers, unblocked
from vertebra.arch.node import Combinator, Node, Primitive
from vertebra.arch.overwriting import replaceable, replaces
from vertebra.arch.plain import whole
from vertebra.arch.primitives import Identity
from vertebra.arch.record import brief
from vertebra.arch.shapes import UNKNOWN, Shape
from vertebra.errors import ArchitectureError, ShapeError, TransformError
from vertebra.nn.composite import OWN, Plan, chain, composite
from vertebra.nn.initialise import initialise
from vertebra.nn.layers import DropPath
from vertebra.nn.modules import MODULES, OPERATIONS


def build(
    of: Architecture | Node,
    *,
    channels: int | None = None,
    classes: int | None = None,
    seed: int = 0,
    drop_path: float = 0.0,
) -> nn.Module:
    """An initialised module of an architecture, or of any node given the ``channels`` that reach it.

    Takes images (N, C, H, W), float.  Parameters are named by the path of their layer:
    ``stages.0.0.conv1.conv.weight``.  The architecture is kept as ``net.arch``.  ``classes`` changes the classifier,
    ``seed`` the starting values (torch's global generator is not used).  ``drop_path`` is the rate of stochastic
    depth at the last residual sum with an identity shortcut; those before it have rates linear in their position
    (Huang et al. 2016, equation 4).  Within ``torch.device("meta")`` nothing is allocated.
    Raises ShapeError with the layer's path where shapes do not fit, TransformError for ``classes`` without a
    classifier, ArchitectureError for arguments of another kind and for names that no module can have.
    """
    if type(drop_path) not in (int, float) or not 0 <= drop_path < 1:
        raise ArchitectureError(f"drop_path is {brief(drop_path)}", allowed="at least 0, below 1")
    number = whole(seed)
    if number is None or not 0 <= number < 1 << 63:
        raise ArchitectureError(f"seed is {brief(seed)}", allowed="a whole number from 0")
    of = _adapted(of, channels, classes)
    net = construct(of, channels=channels, stochastic=drop_path > 0)
    paths = [module for module in net.modules() if isinstance(module, DropPath)]
    for position, module in enumerate(paths, 1):
        module.rate = drop_path * position / len(paths)
    rules = of.initialisation if isinstance(of, Architecture) else Initialisation()
    if not any(tensor.is_meta for tensor in net.parameters()):
        initialise(net, layers_of(of, channels), rules, number)
    return net


def construct(of: Architecture | Node, *, channels: int | None = None, stochastic: bool = False) -> nn.Module:
    """The module with its tensors unfilled, for callers who fill them.

    ``stochastic`` adds DropPath modules with rate 0.
    """
    node, shape = _whole(of), _input_shape(of, channels)
    try:
        net = _module(unblocked(node, shape[0]), shape, stochastic)
    except ShapeError:
        for _ in layers(node, shape):  # walks again, so that the error names the layer's path
            pass
        raise
    if isinstance(of, Architecture):
        net.__dict__["arch"] = of  # as an attribute would, but beside a child of that name
    return net


def layers_of(of: Architecture | Node, channels: int | None = None) -> Iterator[Layer]:
    """Every primitive with its path, in the order of execution."""
    return of.layers() if isinstance(of, Architecture) else layers(of, _input_shape(of, channels))


def _adapted(of: Architecture | Node, channels: int | None, classes: int | None) -> Architecture | Node:
    described(of)
    if isinstance(of, Architecture):
        of = of if channels is None or channels == of.channels else of.with_channels(channels)
        return of if classes is None or classes == of.classes else of.with_classes(classes)
    if classes is not None:
        raise TransformError(
            "classes= needs an Architecture", remedy=f"give the {of.kind()} its number of outputs itself"
        )
    return of


def described(of: object) -> None:
    """Raise ArchitectureError for anything but an architecture or a node."""
    if not isinstance(of, Architecture | Node):
        remedy = f"use vertebra.architecture({brief(of)})" if isinstance(of, str) else None
        raise ArchitectureError(f"expected an architecture or a node, got {brief(of)}", remedy=remedy)


def _input_shape(of: Architecture | Node, channels: int | None) -> Shape:
    if isinstance(of, Architecture):
        return of.input_shape
    if channels is None:
        raise ArchitectureError(f"building a {of.kind()} needs channels=", remedy="say how many channels reach it")
    number = whole(channels)
    if number is None or number < 1:
        raise ArchitectureError(f"channels of {brief(channels)}", allowed="a whole number from 1")
    return (number, UNKNOWN, UNKNOWN)


def _whole(of: Architecture | Node) -> Node:
    """The architecture as one node, its blocks unopened where they can be: each block is opened once and remembered."""
    if isinstance(of, Node):
        return of
    if of.output_stride is not None:
        return of.tree()
    stages = tuple((str(index), Seq(tuple(stage.nodes()))) for index, stage in enumerate(of.stages))
    return Seq((("stem", of.stem), ("stages", Seq(stages)), ("", of.head)))


@lru_cache(maxsize=1 << 14)
def _leaves(node: Node, shape: Shape) -> Shape:
    return node.output(shape)


def _module(node: Node, shape: Shape, stochastic: bool) -> nn.Module:
    if isinstance(node, Combinator):
        return _Assembly(stochastic).module(node, shape)
    if not isinstance(node, Primitive):
        raise ArchitectureError(f"{type(node).__name__} is neither primitive, combinator nor block")
    node.output(shape)  # raises where the shape does not fit
    return MODULES[type(node)](node, shape)


class _Assembly:
    """What stands at one level of names: the children of a combinator, and those of the nameless ones in it."""

    def __init__(self, stochastic: bool) -> None:
        self.stochastic = stochastic
        self.children: dict[str | int, nn.Module] = {}
        """In the order of execution.  A nameless primitive without weights has a number until a free name is chosen."""
        self.wanted: dict[int, str] = {}
        """The name that each such number stands for, if it is free."""
        self.own: nn.Module | None = None

    def module(self, node: Combinator, shape: Shape) -> nn.Module:
        plan = self._plan(node, shape)
        names = self._names()
        children = {names[key]: child for key, child in self.children.items()}
        if self.own is None and plan[0] == "seq" and all(not isinstance(step, tuple) for step in plan[1:]):
            return chain(children)
        return composite(children, _renamed(plan, names), self.own)

    def _plan(self, node: Combinator, shape: Shape) -> tuple:
        enters = leaves = shape = node.entering(shape) if isinstance(node, Side) else shape
        in_order = isinstance(node, Seq)
        steps: list = []
        identities = []
        before: tuple[Node, Shape] | None = None
        for name, child in node.children:
            child = unblocked(child, shape[0])
            identities.append(isinstance(child, Identity))
            step = self._step(name, child, shape)
            leaves = _leaves(child, shape)
            if in_order:
                if before is not None and replaces(child) and replaceable(*before):
                    cast(nn.ReLU, self.children[step]).inplace = True
                before, shape = (child, shape), leaves
                if isinstance(step, tuple) and step[0] == "seq":
                    steps.extend(step[1:])
                    continue
            steps.append(step)
        if self.stochastic and isinstance(node, Sum) and any(identities):
            steps = [
                step if identity else self._dropped(step) for step, identity in zip(steps, identities, strict=True)
            ]
        return (OPERATIONS[type(node)](node, enters, leaves), *steps)

    def _step(self, name: str, child: Node, shape: Shape):
        if name:
            if name == "training":
                raise ArchitectureError("a child is named 'training'", allowed="another name: torch's modules own it")
            if name in self.children:
                raise ArchitectureError(
                    f"the name {name!r} stands twice, in a nameless child and beside it", remedy="name the child"
                )
            self.children[name] = _module(child, shape, self.stochastic)
            return name
        if isinstance(child, Combinator):
            return self._plan(child, shape)
        if isinstance(child, Identity):
            return ("seq",)
        module = _module(child, shape, self.stochastic)
        if not isinstance(child, Primitive) or not child.weights(shape):
            return self._add(module, child.kind())
        self.own = module
        return OWN

    def _add(self, module: nn.Module, name: str) -> int:
        key = len(self.children)
        self.children[key] = module
        self.wanted[key] = name
        return key

    def _dropped(self, step) -> tuple:
        """A branch beside an identity, ended by stochastic depth."""
        return ("seq", step, self._add(DropPath(), "drop_path"))

    def _names(self) -> dict[str | int, str]:
        names: dict[str | int, str] = {key: key for key in self.children if isinstance(key, str)}
        for key, name in self.wanted.items():
            while name in names.values():
                name += "_"
            names[key] = name
        return names


def _renamed(plan, names: dict[str | int, str]) -> Plan:
    if isinstance(plan, tuple):
        return (plan[0], *(_renamed(step, names) for step in plan[1:]))
    return names.get(plan, plan)

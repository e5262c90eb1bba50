"""features(): the maps inside a network, by stride, by stage, by the name of a node or of a tap."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Literal, Self

from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.arch.codec import nearest
from vertebra.arch.maps import Map, every_map
from vertebra.arch.overwriting import written_over
from vertebra.arch.primitives import Tap
from vertebra.arch.record import brief
from vertebra.errors import TransformError, some
from vertebra.nn import layers
from vertebra.nn.composite import OWN, Composite, Plan
from vertebra.nn.wrapping import unwrapped

Frozen = int | Literal["all"] | None
STRIDES = (4, 8, 16, 32)


class Features(nn.Module):
    """Images (N, C, H, W) to a list of maps; the weights are those of the network that it was made from.

    ``maps`` says what the list holds, in its order: the path, channels, stride and receptive field of each.
    """

    def __init__(
        self,
        children: Iterable[tuple[str, nn.Module]],
        maps: Sequence[Map],
        frozen: Sequence[str] = (),
        passing: Collection[str] = (),
    ) -> None:
        super().__init__()
        self._modules.update(children)
        self.maps = tuple(maps)
        self.points = tuple(one.path for one in maps)
        self.frozen = tuple(frozen)
        self.passing = frozenset(passing)
        """Points whose value the next operation writes over: it is copied."""
        for module in self._frozen():
            module.requires_grad_(False).eval()

    @property
    def channels(self) -> tuple[int, ...]:
        """How many channels each map has."""
        return tuple(one.channels for one in self.maps)

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels from one row of each map to the next."""
        return tuple(one.stride for one in self.maps)

    def train(self, mode: bool = True) -> Self:
        """As of any module, but what is frozen stays as at inference."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def forward(self, x: Tensor) -> list[Tensor]:
        taken: dict[str, Tensor] = {}
        for name in self._modules:
            x = self._visited(child_of(self, name), name, x, taken)
        return [taken[point] for point in self.points]

    def _visited(self, module: nn.Module, path: str, x: Tensor, taken: dict[str, Tensor]) -> Tensor:
        """The module's output; values at points in it or after it are put into ``taken``."""
        if not _below(path, self.points):
            x = module(x)
        elif isinstance(module, Composite):

            def visit(name: str, value: Tensor) -> Tensor:
                if name == OWN:
                    return module.child(name, value)
                return self._visited(child_of(module, name), f"{path}.{name}", value, taken)

            def wanted(plan: Plan) -> bool:
                inside = [f"{path}.{name}" for name in _names(plan)]
                return any(one in self.points or _below(one, self.points) for one in inside)

            x = module.run(module.plan, x, visit, wanted)
        else:
            for name in module._modules:
                x = self._visited(child_of(module, name), f"{path}.{name}", x, taken)
        if path in self.points:
            taken[path] = x.clone() if path in self.passing else x
        return x

    def _frozen(self) -> Iterator[nn.Module]:
        for path in self.frozen:
            module: nn.Module = self
            for name in path.split("."):
                module = child_of(module, name)
            yield module

    def extra_repr(self) -> str:
        return ", ".join(f"{one.path}: {one.channels} at stride {one.stride}" for one in self.maps)


def features(
    net: nn.Module,
    strides: Sequence[int] | None = None,
    *,
    stages: Sequence[int] = (),
    nodes: Sequence[str] = (),
    taps: Sequence[str] = (),
    frozen: Frozen = None,
) -> Features:
    """A module that gives the list of maps of ``net`` at these strides, of these stages and nodes, then at these taps.

    Where nothing is asked for, the strides are 4, 8, 16 and 32.  The map of a stride is the last one before the next
    reduction, (N, C, about H / stride, about W / stride); ``net.arch.feature_info()`` lists them.  A stage is a number
    from 0, a node a name as in ``state_dict``: ``"stages.2"``, ``"stages.2.0.conv1"``.  A tap that stands in a repeated
    block is the last of them; one in an auxiliary head runs that head.

    Weights are shared with ``net``; what comes after the last map is left out, and so is what ``torch.compile`` or
    data parallelism put around it.  ``frozen=2`` freezes the stem and two stages: no gradients, statistics as at
    inference while training (in ``net`` too, for they are shared); ``0`` the stem alone, ``"all"`` everything.

    Raises TransformError, naming what there is, for a stride, stage, node or tap that is missing, and for a net without
    ``net.arch``.
    """
    net = unwrapped(net)
    arch = architecture_of(net)
    for wanted in (() if strides is None else strides, stages, nodes, taps):
        if not isinstance(wanted, list | tuple | Set | range):
            raise TransformError(
                f"expected a list of strides or names, got {brief(wanted)}", remedy="put it in brackets"
            )
    if strides is None:
        strides = () if (*stages, *nodes, *taps) else STRIDES
    everything = list(every_map(arch.nodes(), arch.channels))
    named = {one.path: one for _, one in everything if one.path}
    at_stage = {index: named[f"stages.{index}"] for index in range(len(arch.stages))}
    at_stride = {one.stride: one for one in arch.feature_info()}
    found = [_found(at_stride, one, f"{arch.name} has no map of stride {one!r} between its blocks") for one in strides]
    found += [_found(at_stage, one, f"{arch.name} has no stage {one!r}") for one in stages]
    found += [_found(named, one, f"{arch.name} has no node named {one!r}") for one in nodes]
    at_tap = _taps(net, {node.name: one for node, one in everything if isinstance(node, Tap)}) if taps else {}
    found += [_found(at_tap, one, f"{arch.name} has no tap named {one!r}") for one in taps]
    if not found:
        raise TransformError("no features were asked for", remedy="name at least one stride or tap")
    children = dict(_children(net, [one.path for one in found]))
    passing = {one.path for one in found}.intersection(written_over(arch.tree(), arch.input_shape))
    return Features(children.items(), found, frozen_paths(arch, children, frozen), passing)


def architecture_of(net: nn.Module) -> Architecture:
    """The architecture of a built network; raises TransformError where there is none."""
    arch = getattr(net, "arch", None)
    if not isinstance(arch, Architecture):
        raise TransformError(
            "features need the network's architecture", remedy="give what build(architecture) returned"
        )
    return arch


def _taps(net: nn.Module, infos: Mapping[str, Map]) -> dict[str, Map]:
    """Each tap by its name, under the path of its module: a nameless tap has one that the network chose."""
    paths = {module.name: path for path, module in net.named_modules() if isinstance(module, layers.Tap)}
    return {name: Map(path, *_rest(infos[name])) for name, path in paths.items() if name in infos}


def _rest(one: Map) -> tuple[Any, ...]:
    return one.channels, one.stride, one.receptive_field, one.context


def frozen_paths(arch: Architecture, children: Mapping[str, nn.Module], frozen: Frozen) -> list[str]:
    """Which parts do not learn; raises TransformError for a number of stages that the network has not."""
    if frozen is None:
        return []
    if frozen == "all":
        return list(children)
    if type(frozen) is not int or not 0 <= frozen <= len(arch.stages):
        raise TransformError(f"frozen is {brief(frozen)}", allowed=f"'all', or stages from 0 to {len(arch.stages)}")
    paths = ["stem"] if "stem" in children else []
    kept = children["stages"]._modules if "stages" in children else {}
    return paths + [f"stages.{index}" for index in range(frozen) if str(index) in kept]


def _found(known: Mapping[Any, Map], wanted: object, what: str) -> Map:
    if not isinstance(wanted, Hashable) or wanted not in known:
        names = list(map(str, sorted(known)))
        near = nearest(wanted, names) if isinstance(wanted, str) else []
        raise TransformError(what, allowed=some(near or names, shown=8) or "none")
    return known[wanted]


def _children(net: nn.Module, points: Collection[str]) -> Iterable[tuple[str, nn.Module]]:
    """The network's children as far as the last point."""
    if isinstance(net, nn.Sequential):
        return _trimmed(net, "", points)._modules.items()  # type: ignore[return-value]
    # The head is one nameless layer: the top runs by a plan, and its trunk is all that has points.
    if any(not point.startswith("stages.") and point.partition(".")[0] != "stem" for point in points):
        raise TransformError("a map stands in a nameless head", remedy="give the head's layers names")
    trunk = nn.Sequential()
    trunk._modules.update({name: child_of(net, name) for name in ("stem", "stages")})
    return _children(trunk, points)


def _trimmed(module: nn.Module, path: str, points: Collection[str]) -> nn.Module:
    """The module without what follows its last point; chains are cut, everything else stays whole."""
    if path in points or not isinstance(module, nn.Sequential):
        return module
    start = f"{path}." if path else ""
    for point in points:
        if point.startswith(start):
            child_of(module, point.removeprefix(start).partition(".")[0])  # raises where it was taken away
    inside = {name: f"{start}{name}" for name in module._modules}
    last = max(index for index, below in enumerate(inside.values()) if below in points or _below(below, points))
    cut = nn.Sequential()
    cut._modules.update(list(module._modules.items())[: last + 1])
    name = list(inside)[last]
    cut._modules[name] = _trimmed(module[last], inside[name], points)
    return cut


def child_of(module: nn.Module, name: str) -> nn.Module:
    """A child by its name, which may be that of a method too."""
    child = module._modules.get(name)
    if child is None:
        raise TransformError(f"the network's {name!r} was taken away", remedy="put nn.Identity() in its place")
    return child


def _names(plan: Plan) -> Iterator[str]:
    if isinstance(plan, str):
        yield plan
    else:
        for step in plan[1:]:
            yield from _names(step)


def _below(path: str, points: Collection[str]) -> bool:
    return any(point.startswith(path + ".") for point in points)

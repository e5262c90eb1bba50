"""features(): the maps inside a network, by stride or by the names of its taps."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence

from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.arch.primitives import Tap
from vertebra.arch.record import brief
from vertebra.errors import TransformError
from vertebra.nn import layers
from vertebra.nn.composite import OWN, Composite
from vertebra.nn.construct import layers_of

_PROBE = 1 << 13
"""Pixels; so large that the borders which unpadded windows lose do not change a stride once it is rounded."""


class Features(nn.Module):
    """Images (N, C, H, W) to a list of maps; the weights are those of the network that it was made from.

    ``strides`` and ``taps`` say what the list holds, in its order, and ``channels`` how many channels each has.
    """

    def __init__(
        self,
        children: Iterable[tuple[str, nn.Module]],
        points: Sequence[str],
        strides: Sequence[int],
        taps: Sequence[str],
        channels: Sequence[int],
    ) -> None:
        super().__init__()
        self._modules.update(children)
        self.points = tuple(points)
        self.strides = tuple(strides)
        self.taps = tuple(taps)
        self.channels = tuple(channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        taken: dict[str, Tensor] = {}
        for name in self._modules:
            x = self._visited(_child(self, name), name, x, taken)
        return [taken[point] for point in self.points]

    def _visited(self, module: nn.Module, path: str, x: Tensor, taken: dict[str, Tensor]) -> Tensor:
        """The module's output; values at points in it or after it are put into ``taken``."""
        if not _below(path, self.points):
            x = module(x)
        elif isinstance(module, Composite):

            def visit(name: str, value: Tensor) -> Tensor:
                if name == OWN:
                    return module.child(name, value)
                return self._visited(_child(module, name), f"{path}.{name}", value, taken)

            x = module.run(module.plan, x, visit)
        else:
            for name in module._modules:
                x = self._visited(_child(module, name), f"{path}.{name}", x, taken)
        if path in self.points:
            taken[path] = x
        return x

    def extra_repr(self) -> str:
        return f"strides={self.strides}, taps={self.taps}, channels={self.channels}"


def features(net: nn.Module, strides: Sequence[int] = (4, 8, 16, 32), *, taps: Sequence[str] = ()) -> Features:
    """A module that gives the list of maps of ``net`` at these strides, then the values at these taps.

    The map of a stride is the last one before the next reduction among those that leave the stem and the blocks:
    (N, C, about H / stride, about W / stride).  A tap that stands in a repeated block is the last of them.  Weights are
    shared with ``net``; what comes after the last point is left out.
    Raises TransformError, naming the strides or taps that there are, for one that is missing, or for a net without
    ``net.arch``.
    """
    arch = getattr(net, "arch", None)
    if not isinstance(arch, Architecture):
        raise TransformError(
            "features need the network's architecture", remedy="give what build(architecture) returned"
        )
    for wanted in (strides, taps):
        if isinstance(wanted, str) or not isinstance(wanted, Collection):
            raise TransformError(
                f"expected a list of strides or taps, got {brief(wanted)}", remedy="put it in brackets"
            )
    by_stride = boundaries(arch)
    paths = {module.name: path for path, module in net.named_modules() if isinstance(module, layers.Tap)}
    widths = {layer.node.name: layer.leaves[0] for layer in layers_of(arch) if isinstance(layer.node, Tap)}
    by_tap = {name: (path, widths[name]) for name, path in paths.items()}
    found = [
        _found(by_stride, stride, f"{arch.name} has no map of stride {stride!r} between its blocks")
        for stride in strides
    ]
    found += [_found(by_tap, tap, f"{arch.name} has no tap named {tap!r}") for tap in taps]
    if not found:
        raise TransformError("no features were asked for", remedy="name at least one stride or tap")
    points = [path for path, _ in found]
    return Features(_children(net, points), points, strides, taps, [width for _, width in found])


def boundaries(arch: Architecture) -> dict[int, tuple[str, int]]:
    """At each stride, path and channels of the last node of stem and stages, by shape arithmetic alone."""
    found: dict[int, tuple[str, int]] = {}
    shape: tuple[int, ...] = (arch.channels, _PROBE, _PROBE)
    for path, node in arch.nodes():
        if path != "stem" and not path.startswith("stages."):
            break
        shape = node.output(shape)
        if len(shape) == 3 and shape[1] > 1:
            found[round(_PROBE / shape[1])] = (path, shape[0])
    return found


def _found(known: dict, wanted: object, what: str) -> tuple[str, int]:
    if not isinstance(wanted, Hashable) or wanted not in known:
        raise TransformError(what, allowed=", ".join(map(str, sorted(known))) or "none")
    return known[wanted]


def _children(net: nn.Module, points: Collection[str]) -> Iterable[tuple[str, nn.Module]]:
    """The network's children as far as the last point."""
    if isinstance(net, nn.Sequential):
        return _trimmed(net, "", points)._modules.items()  # type: ignore[return-value]
    # The head is one nameless layer: the top runs by a plan, and its trunk is all that has points.
    if any(not point.startswith("stages.") and point.partition(".")[0] != "stem" for point in points):
        raise TransformError("a tap stands in a nameless head", remedy="give the head's layers names")
    trunk = nn.Sequential()
    trunk._modules.update({name: net.get_submodule(name) for name in ("stem", "stages")})
    return _children(trunk, points)


def _trimmed(module: nn.Module, path: str, points: Collection[str]) -> nn.Module:
    """The module without what follows its last point; chains are cut, everything else stays whole."""
    if path in points or not isinstance(module, nn.Sequential):
        return module
    inside = {name: f"{path}.{name}" if path else name for name in module._modules}
    last = max(index for index, below in enumerate(inside.values()) if below in points or _below(below, points))
    cut = nn.Sequential()
    cut._modules.update(list(module._modules.items())[: last + 1])
    name = list(inside)[last]
    cut._modules[name] = _trimmed(module[last], inside[name], points)
    return cut


def _child(module: nn.Module, name: str) -> nn.Module:
    """A child by its name, which may be that of a method too."""
    child = module._modules[name]
    if child is None:
        raise TransformError(f"the network's {name!r} was taken away", remedy="put nn.Identity() in its place")
    return child


def _below(path: str, points: Collection[str]) -> bool:
    return any(point.startswith(path + ".") for point in points)

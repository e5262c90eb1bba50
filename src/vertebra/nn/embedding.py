"""embeddings(): one vector for each image."""

from __future__ import annotations

from torch import Tensor, nn

from vertebra.arch.architecture import Architecture
from vertebra.arch.expansion import layers
from vertebra.arch.primitives import Linear
from vertebra.arch.shapes import UNKNOWN, elements
from vertebra.errors import TransformError
from vertebra.nn.extraction import Features, Frozen, architecture_of, child_of, features
from vertebra.nn.wrapping import unwrapped


class Embedding(nn.Module):
    """Images (N, C, H, W) to vectors (N, ``width``); the weights are those of the network that it was made from."""

    def __init__(self, body: Features, width: int, *, flat: bool) -> None:
        super().__init__()
        self.body = body
        self.width = width
        self.flat = flat

    def forward(self, x: Tensor) -> Tensor:
        (value,) = self.body(x)
        return value.flatten(1) if self.flat or value.ndim == 2 else value.mean((2, 3))

    def extra_repr(self) -> str:
        return f"{self.width}"


def embeddings(net: nn.Module, *, frozen: Frozen = None) -> Embedding:
    """A module that gives the vector which reaches the classifier, the last Linear of the head, dropout left out; the
    mean over positions of the last map where there is no classifier.

    ``frozen`` as in ``features``; weights are shared with ``net``.  Raises TransformError for a net without
    ``net.arch``, and where the classifier stands in no chain.
    """
    net = unwrapped(net)
    arch = architecture_of(net)
    enters, classifier = _classifier(arch)
    if classifier is None:
        body = features(net, nodes=(_last(net),), frozen=frozen)
        return Embedding(body, body.channels[0], flat=False)
    body = features(net, nodes=(_before(net, arch, classifier),), frozen=frozen)
    return Embedding(body, elements(enters), flat=True)


def _classifier(arch: Architecture) -> tuple[tuple[int, ...], str | None]:
    """The shape that enters the last Linear of the head, and its path; a nameless one's is empty."""
    shape, head = arch.input_shape, ("", arch.head)
    for path, node in arch.nodes():
        if path != "stem" and not path.startswith("stages."):
            head = (path, node)
            break
        shape = node.output(shape)
    found = [layer for layer in layers(head[1], shape, head[0]) if isinstance(layer.node, Linear) and not layer.aside]
    return (found[-1].enters, found[-1].path) if found else ((UNKNOWN,), None)


def _last(net: nn.Module) -> str:
    """The path of the last child of a chain."""
    children = list(net._modules)
    if not isinstance(net, nn.Sequential):
        raise TransformError("the network is no chain", remedy="give the head's layers names")
    if children[-1] != "stages":
        return children[-1]
    return f"stages.{list(child_of(net, 'stages')._modules)[-1]}"


def _before(net: nn.Module, arch: Architecture, classifier: str) -> str:
    """The path of the child before the classifier."""
    if not classifier:
        return f"stages.{len(arch.stages) - 1}"
    parents = [net]
    *above, _ = names = classifier.split(".")
    for name in above:
        parents.append(child_of(parents[-1], name))
    while names:
        parent = parents.pop()
        if not isinstance(parent, nn.Sequential):
            raise TransformError("the classifier stands in no chain", where=classifier)
        child_of(parent, names[-1])  # raises where it was taken away
        before = list(parent._modules)[: list(parent._modules).index(names.pop())]
        useful = [name for name in before if not isinstance(child_of(parent, name), nn.Dropout)]
        if useful:
            return ".".join((*names, useful[-1])) if useful[-1] != "stages" else f"stages.{len(arch.stages) - 1}"
    raise TransformError("nothing stands before the classifier", where=classifier)

"""The page on the table that lessons copy from one another: its figures, where they come from, and ours beside them.

What it says stands in a template; every figure of ours is computed when the page is made.
"""

from __future__ import annotations

from vertebra.arch.primitives import Act, Conv, GlobalPool, Linear, Norm, Pool
from vertebra.arch.shapes import elements
from vertebra.costs.count import cost
from vertebra.report import text
from vertebra.report.comparison import percent
from vertebra.report.page import filled
from vertebra.zoo.registry import architecture, entry

# network, parameters, operations and top-1 as lessons have them; the network that they mean, pixels of the operations
ROWS: tuple[tuple[str, str, str, str, str, int], ...] = (
    ("AlexNet", "61M", "720M", "63.3", "alexnet", 224),
    ("VGG-16", "138M", "15.5B", "71.5", "vgg16", 224),
    ("ResNet-50", "25.6M", "4.1B", "76.2", "resnet50", 224),
    ("ResNet-152", "60.2M", "11.6B", "77.6", "resnet152", 224),
    ("DenseNet-201", "20M", "4.3B", "77.4", "densenet201", 224),
    ("MobileNetV2", "3.5M", "300M", "72.0", "mobilenet_v2", 224),
    ("EfficientNet-B0", "5.3M", "390M", "77.1", "efficientnet_b0", 224),
    ("EfficientNet-B7", "66M", "37B", "84.4", "efficientnet_b7", 600),
)


def lesson_table() -> str:
    """The page, as Markdown.  Raises MissingExtraError without jinja2."""
    figures = (params, exact_macs, macs, counted, head, top1, accuracy)
    return filled("lesson-table.md.j2", {"rows": ROWS, **{figure.__name__: figure for figure in figures}}) + "\n"


def params(name: str) -> str:
    """The parameters of a network, all figures."""
    return text.exact(cost(architecture(name)).params)


def exact_macs(name: str, resolution: int) -> str:
    """Its multiply-accumulates at a resolution in pixels, all figures."""
    return text.exact(cost(architecture(name), resolution=resolution).macs)


def macs(name: str, resolution: int) -> str:
    """The same to four figures: ``11.51 billion``."""
    return _in_words(cost(architecture(name), resolution=resolution).macs)


def counted(name: str, resolution: int) -> str:
    """What a counter of element-wise work too makes of it, to four figures."""
    return _in_words(with_element_wise_work(name, resolution))


def head(name: str) -> str:
    """The share of the parameters that stand in the head."""
    costs = cost(architecture(name))
    return f"{100 * costs.parts[-1].params / costs.params:.0f}%"


def top1(name: str) -> str:
    """The accuracy that the registry holds, in percent."""
    published = entry(name)[1].accuracy
    return text.NONE if published is None else percent(published.top1)


def accuracy(name: str) -> str:
    """The same with its resolution and source."""
    published = entry(name)[1].accuracy
    return text.NONE if published is None else f"{top1(name)} at {published.resolution} px, {published.source}"


def with_element_wise_work(name: str, resolution: int) -> int:
    """Multiply-accumulates and what some counters (ptflops) add to them.

    One operation for each bias added, each value activated and each that enters a pool; two for each normalised.
    """
    arch = architecture(name)
    total = cost(arch, resolution=resolution).macs
    for layer in arch.layers(arch.shape_at(resolution)):
        node = layer.node
        if isinstance(node, Conv | Linear) and node.bias:
            total += elements(layer.leaves)
        elif isinstance(node, Norm):
            total += 2 * elements(layer.enters)
        elif isinstance(node, Act | Pool | GlobalPool):
            total += elements(layer.enters)
    return total


def _in_words(operations: int) -> str:
    return f"{operations / 1e9:.4g} billion" if operations >= 1e9 else f"{operations / 1e6:.4g} million"

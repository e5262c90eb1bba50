"""torchvision's names of the tensors of GoogLeNet and Inception v3; timm has the same ones for the second."""

from __future__ import annotations

from collections.abc import Iterable

from vertebra.zoo.keys import KeyMap, Rule


def _convs(place: str, theirs: str, names: Iterable[Rule]) -> list[Rule]:
    """The rules of convolutions with their normalisations, within a block."""
    return [
        (f"{place}.{ours}.{part}", f"{theirs}{name}.{other}")
        for ours, name in names
        for part, other in (("conv", "conv"), ("norm", "bn"))
    ]


_MODULE = (
    ("branch1x1", ".branch1"),
    ("branch3x3.reduce", ".branch2.0"),
    ("branch3x3.conv", ".branch2.1"),
    ("branch_wide.reduce", ".branch3.0"),
    ("branch_wide.conv", ".branch3.1"),
    ("branch_pool.project", ".branch4.1"),
)

GOOGLENET_KEYS = KeyMap(
    (
        *_convs("stem", "", (("conv1", "conv1"), ("conv2", "conv2"), ("conv3", "conv3"))),
        *(
            rule
            for index, name in enumerate(("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"))
            for rule in _convs(f"stages.{index}.0", f"inception{name}", _MODULE)
        ),
        *(
            rule
            for place, name in (("stages.3.entry.aux1", "aux1"), ("stages.6.entry.aux2", "aux2"))
            for rule in (
                *_convs(place, name, (("reduce", ".conv"),)),
                (f"{place}.fc1", f"{name}.fc1"),
                (f"{place}.fc", f"{name}.fc2"),
            )
        ),
        ("fc", "fc"),
    )
)
"""The auxiliary heads included, for networks that have them."""

_STEM = (
    ("conv1", "Conv2d_1a_3x3"),
    ("conv2", "Conv2d_2a_3x3"),
    ("conv3", "Conv2d_2b_3x3"),
    ("conv4", "Conv2d_3b_1x1"),
    ("conv5", "Conv2d_4a_3x3"),
)
_POOLED = ("branch_pool.project", ".branch_pool")
_A = (
    ("branch1x1", ".branch1x1"),
    ("branch5x5.reduce", ".branch5x5_1"),
    ("branch5x5.conv", ".branch5x5_2"),
    ("branch_double.reduce", ".branch3x3dbl_1"),
    ("branch_double.conv1", ".branch3x3dbl_2"),
    ("branch_double.conv2", ".branch3x3dbl_3"),
    _POOLED,
)
_B = (
    ("branch3x3", ".branch3x3"),
    ("branch_double.reduce", ".branch3x3dbl_1"),
    ("branch_double.conv1", ".branch3x3dbl_2"),
    ("branch_double.conv2", ".branch3x3dbl_3"),
)
_C = (
    ("branch1x1", ".branch1x1"),
    ("branch7x7.reduce", ".branch7x7_1"),
    ("branch7x7.row", ".branch7x7_2"),
    ("branch7x7.column", ".branch7x7_3"),
    ("branch_double.reduce", ".branch7x7dbl_1"),
    ("branch_double.column1", ".branch7x7dbl_2"),
    ("branch_double.row1", ".branch7x7dbl_3"),
    ("branch_double.column2", ".branch7x7dbl_4"),
    ("branch_double.row2", ".branch7x7dbl_5"),
    _POOLED,
)
_D = (
    ("branch3x3.reduce", ".branch3x3_1"),
    ("branch3x3.conv", ".branch3x3_2"),
    ("branch7x7.reduce", ".branch7x7x3_1"),
    ("branch7x7.row", ".branch7x7x3_2"),
    ("branch7x7.column", ".branch7x7x3_3"),
    ("branch7x7.conv", ".branch7x7x3_4"),
)
_E = (
    ("branch1x1", ".branch1x1"),
    ("branch3x3.reduce", ".branch3x3_1"),
    ("branch3x3.fork.row", ".branch3x3_2a"),
    ("branch3x3.fork.column", ".branch3x3_2b"),
    ("branch_double.reduce", ".branch3x3dbl_1"),
    ("branch_double.conv", ".branch3x3dbl_2"),
    ("branch_double.fork.row", ".branch3x3dbl_3a"),
    ("branch_double.fork.column", ".branch3x3dbl_3b"),
    _POOLED,
)

# where a block stands, its name there, its branches
_BLOCKS: tuple[tuple[str, str, tuple[Rule, ...]], ...] = (
    ("stages.0.0", "Mixed_5b", _A),
    ("stages.1.0", "Mixed_5c", _A),
    ("stages.1.1", "Mixed_5d", _A),
    ("stages.2.entry", "Mixed_6a", _B),
    ("stages.2.0", "Mixed_6b", _C),
    ("stages.3.0", "Mixed_6c", _C),
    ("stages.3.1", "Mixed_6d", _C),
    ("stages.4.0", "Mixed_6e", _C),
    ("stages.5.entry", "Mixed_7a", _D),
    ("stages.5.0", "Mixed_7b", _E),
    ("stages.5.1", "Mixed_7c", _E),
)

INCEPTION_V3_KEYS = KeyMap(
    (
        *_convs("stem", "", _STEM),
        *(rule for place, theirs, branches in _BLOCKS for rule in _convs(place, theirs, branches)),
        *_convs("stages.5.entry.aux", "AuxLogits", (("reduce", ".conv0"), ("conv", ".conv1"))),
        ("stages.5.entry.aux.fc", "AuxLogits.fc"),
        ("fc", "fc"),
    )
)
"""The auxiliary head included, for networks that have it."""

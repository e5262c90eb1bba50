"""The table that ``print`` shows."""

from __future__ import annotations

import pytest

from vertebra.costs import cost
from vertebra.zoo import architecture, names

RESNET50 = """\
resnet50  (3 x 224 x 224)

stage     block                           depth  width  stride  output
stem      conv + norm + act + pool            1     64       4  64 x 56 x 56
stages.0  bottleneck(out=256)                 3    256       1  256 x 56 x 56
stages.1  bottleneck(out=512, stride=2)       4    512       2  512 x 28 x 28
stages.2  bottleneck(out=1024, stride=2)      6   1024       2  1024 x 14 x 14
stages.3  bottleneck(out=2048, stride=2)      3   2048       2  2048 x 7 x 7
head      pool + fc                           1   1000       1  1000"""

DENSENET = """\
densenet121  (3 x 224 x 224)

stage     block                     depth  width  stride  output
stem      conv + norm + act + pool      1     64       4  64 x 56 x 56
stages.0  dense_layer(growth=32)        6    256       1  256 x 56 x 56
stages.1  dense_layer(growth=32)       12    512       2  512 x 28 x 28
stages.2  dense_layer(growth=32)       24   1024       2  1024 x 14 x 14
stages.3  dense_layer(growth=32)       16   1024       2  1024 x 7 x 7
head      norm + act + pool + fc        1   1000       1  1000"""


def test_the_table_is_that_of_the_paper():
    """He et al. 2016, table 1, column 50-layer; Huang et al. 2017, table 1: an entry belongs to its stage."""
    assert str(architecture("resnet50")) == RESNET50
    assert str(architecture("densenet121")) == DENSENET


UNPADDED = ("alexnet", "inception")
"""Families with windows that lose the border, so that strides do not divide the image."""


@pytest.mark.parametrize("name", names())
def test_widths_strides_and_shapes_of_every_table(name):
    arch = architecture(name)
    rows = [line.split() for line in str(arch).splitlines()[3:]]
    side = 224 if arch.resolution != 32 else 32
    parts = cost(arch, resolution=side).parts
    assert [row[0] for row in rows] == [part.part for part in parts]
    extent = side
    for part, stage in zip(parts[1:-1], arch.stages, strict=True):
        assert (part.depth, part.width) == (stage.depth, part.leaves[0])
        assert part.block.startswith(stage.block.kind())
    padded = not name.startswith(UNPADDED)
    for part in parts[:-1]:
        assert part.leaves[1:] == (extent // part.stride,) * 2 or not padded
        extent //= part.stride
    assert parts[-1].leaves == (arch.classes,)

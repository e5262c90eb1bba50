"""What a subtree costs as a function of the extents of the map that reaches it.

Channels are all that most counts depend on: the rest is a factor, the positions of a map.  So a subtree is folded once for its
channels into a ``Profile``: its parameters, and its MACs and activations for one position of each grid in it.  Grids are few (an
EfficientNet has one for each stride), so a profile is evaluated at any resolution in a few products.

Where counts depend on extents otherwise (a Linear over a whole map) the same fold runs on the known shape, and every
count is a constant.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from vertebra.arch.architecture import Stage
from vertebra.arch.combinators import Seq
from vertebra.arch.expansion import is_endless
from vertebra.arch.node import Block, Combinator, Node, Primitive, expand
from vertebra.arch.shapes import KEEP, UNKNOWN, Shape, Step, after, elements
from vertebra.costs.rules import ACTIVATIONS, MACS
from vertebra.errors import ShapeError

"""Lines of a table of costs: one layer, one kind of layer, one part of a network."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from vertebra.arch.node import Role
from vertebra.arch.shapes import Shape
from vertebra.costs.precision import BYTES
from vertebra.costs.roles import Roles, buffered, learned


def intensity(macs: int, traffic: int) -> float:
    """Floating-point operations (two for a multiply-accumulate) for each byte moved; 0 where nothing is moved.

    Where it is below the ratio of a machine's operations a second to its bytes a second, memory is what takes the time
    (Williams et al. 2009, Roofline).
    """
    return 2 * macs / traffic if traffic else 0.0


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted of anything, for one image."""

    params: int
    macs: int
    activations: int
    traffic: int
    """Bytes read and written, in float32."""
    roles: Roles
    """Values of its weights by what they are for."""

    @property
    def parameter_bytes(self) -> int:
        """Bytes of the parameters in float32."""
        return self.params * BYTES["fp32"]

    @property
    def params_by_role(self) -> dict[Role, int]:
        """Learned values by what they are for; together they are ``params``."""
        return learned(self.roles)

    @property
    def buffers(self) -> int:
        """Values that are kept but not learned: running statistics and counters."""
        return buffered(self.roles)

    @property
    def intensity(self) -> float:
        """Floating-point operations for each byte moved."""
        return intensity(self.macs, self.traffic)


class LayerCost(Counts, frozen=True, kw_only=True):
    """The cost of one primitive where it stands, for one image."""

    path: str
    kind: str
    form: str
    """Its kind with convolutions told apart: ``1x1 conv``, ``depthwise conv``, ``grouped conv``, and ``conv`` for every
    other; else as ``kind``.
    """
    enters: Shape
    leaves: Shape
    receptive_field: tuple[int, int] | None
    """Rows and columns of pixels that one position of its output sees; None where it takes the whole image."""
    context: bool
    """Whether something of the whole map reaches each position besides: a squeeze, a statistic over positions."""
    pixel_stride: int
    """Pixels of the image from one row of its output to the next."""


class KindCost(Counts, frozen=True, kw_only=True):
    """All layers of one ``form`` together, for one image; of sums, concatenations and gates the bytes moved alone."""

    kind: str
    number: int
    """How many there are."""


class PartCost(Counts, frozen=True, kw_only=True):
    """The cost of the stem, a stage or the head, for one image; joins count in its traffic."""

    part: str
    block: str
    depth: int
    width: int
    stride: int
    leaves: Shape
    kinds: tuple[KindCost, ...]
    """The same by kind of layer."""

    @property
    def params_by_kind(self) -> dict[str, int]:
        """Learned values by kind of layer, of kinds that have any; together they are ``params``."""
        return params_of(self.kinds)


def params_of(kinds: Iterable[KindCost]) -> dict[str, int]:
    """Learned values by kind of layer, of kinds that have any."""
    return {one.kind: one.params for one in kinds if one.params}

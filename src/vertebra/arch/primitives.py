"""The leaves of the tree: one operation each."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from vertebra.arch.node import Primitive, Weight
from vertebra.arch.record import Channels, Fraction, Kernel, Natural, Positive, Ratio
from vertebra.arch.shapes import KEEP, UNKNOWN, Shape, Step, elements, is_map, pads, pair, steps_of, windowed
from vertebra.errors import ShapeError

Padding = Literal["half", "same"] | Natural | tuple[Natural, Natural]
Rule = Literal["floor", "ceil"]
Function = Literal[
    "relu", "relu6", "leaky_relu", "silu", "hard_swish", "hard_sigmoid", "sigmoid", "tanh", "gelu", "mish", "identity"
]


class Conv(Primitive, frozen=True):
    """A 2-d convolution (cross-correlation, as in torch): (C, H, W) -> (out, H', W')."""

    out: Channels
    kernel: Kernel = 1
    stride: Kernel = 1
    padding: Padding = "half"
    dilation: Kernel = 1
    groups: Positive = 1
    bias: bool = False

    def check(self) -> None:
        if self.out % self.groups:
            raise self.fault("groups", f"{self.groups} groups do not divide {self.out} output channels")

    def output(self, shape: Shape) -> Shape:
        self._channels(shape)
        return (self.out, *windowed(shape, self.kernel, self.stride, self.padding, self.dilation))

    def steps(self) -> tuple[Step, Step]:
        return steps_of(self.kernel, self.stride, self.padding, self.dilation)

    def even_padding(self) -> tuple[int, int] | None:
        """Padding of rows and columns, equal before and after; None where the size decides or they are uneven."""
        if isinstance(self.padding, tuple):
            return self.padding
        sides = []
        for kernel, stride, dilation in zip(pair(self.kernel), pair(self.stride), pair(self.dilation), strict=True):
            if self.padding == "same" and stride > 1:
                return None
            before, after = pads(1, kernel, stride, self.padding, dilation)
            if before != after:
                return None
            sides.append(before)
        return sides[0], sides[1]

    def subsamples(self) -> bool:
        """Whether it mixes the channels of every stride-th row and column, and sees no others."""
        alone = pair(self.kernel) == (1, 1) and self.even_padding() == (0, 0)
        return alone and self.groups == 1 and pair(self.stride) != (1, 1)

    def is_product(self) -> bool:
        """Whether it is a matrix product over the channels of each position, with a bias."""
        plain = pair(self.kernel) == (1, 1) and pair(self.stride) == (1, 1) and self.groups == 1
        return plain and self.bias and self.even_padding() == (0, 0)

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        kernel = Weight("weight", (self.out, self._channels(shape), *pair(self.kernel)), "kernel")
        return (kernel, Weight("bias", (self.out,), "bias")) if self.bias else (kernel,)

    def _channels(self, shape: Shape) -> int:
        """Input channels of one group."""
        if shape[0] % self.groups:
            raise ShapeError(f"Conv: {self.groups} groups do not divide {shape[0]} input channels")
        return shape[0] // self.groups


class Norm(Primitive, frozen=True):
    """Normalisation with a gain and a bias for each channel.

    ``batch``: over the batch and all positions (Ioffe and Szegedy 2015).  ``group``: over positions and the channels of
    a group (Wu and He 2018), with the largest number of groups that divides the channels and is not above ``groups``.
    ``layer2d``: over the channels at each position (ConvNeXt).  ``instance`` is ``group`` with a group for each
    channel.
    """

    method: Literal["batch", "group", "layer2d"] = "batch"
    eps: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    momentum: Fraction = 0.1
    """Weight of the newest batch in the running statistics (torch's sense); of no meaning but for ``batch``."""
    groups: Positive = 32
    """Of no meaning but for ``group``."""

    def groups_of(self, channels: int) -> int:
        """The largest divisor of ``channels`` not above ``groups``."""
        return next(groups for groups in range(min(self.groups, channels), 0, -1) if channels % groups == 0)

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        size = (shape[0],)
        affine = (Weight("weight", size, "gain"), Weight("bias", size, "bias"))
        if self.method != "batch":
            return affine
        statistics = (Weight("running_mean", size, "statistic"), Weight("running_var", size, "statistic"))
        return (*affine, *statistics, Weight("num_batches_tracked", (), "counter"))


class Act(Primitive, frozen=True):
    """An activation function, at each value."""

    function: Function = "relu"


class Pool(Primitive, frozen=True):
    """Maximum or average over windows: (C, H, W) -> (C, H', W').

    Padding takes no part in ``max`` and ``average``; ``padded_average`` counts its zeros (torch's
    ``count_include_pad``; Inception v3).  ``rounding="ceil"`` is torch's ``ceil_mode``.  A kernel of 1 subsamples.
    """

    method: Literal["max", "average", "padded_average"] = "max"
    kernel: Kernel = 2
    stride: Kernel = 2
    padding: Natural | tuple[Natural, Natural] = 0
    dilation: Kernel = 1
    rounding: Rule = "floor"

    def check(self) -> None:
        for padding, kernel, dilation in zip(pair(self.padding), pair(self.kernel), pair(self.dilation), strict=True):
            if 2 * padding > dilation * (kernel - 1) + 1:
                raise self.fault("padding", f"{self.padding} is more than half the window of {kernel}")
            if 2 * padding > kernel and self.rounding == "ceil":
                raise self.fault("rounding", "'ceil' with more padding than half the kernel", allowed="'floor'")
        if self.method != "max" and self.rounding == "ceil" and pair(self.dilation) != (1, 1):
            raise self.fault("rounding", "'ceil' for an average over a dilated window", allowed="'floor'")

    def output(self, shape: Shape) -> Shape:
        return (shape[0], *windowed(shape, self.kernel, self.stride, self.padding, self.dilation, self.rounding))

    def steps(self) -> tuple[Step, Step]:
        return steps_of(self.kernel, self.stride, self.padding, self.dilation, self.rounding)

    @property
    def over(self) -> tuple[int, int]:
        """Rows and columns after the map and its padding that windows may reach over; they take no part."""
        return (0, 0)


class GlobalPool(Primitive, frozen=True):
    """Average or maximum over all positions: (C, H, W) -> (C, 1, 1)."""

    method: Literal["average", "max"] = "average"

    def output(self, shape: Shape) -> Shape:
        return (_map(self, shape)[0], 1, 1)


class AdaptivePool(Primitive, frozen=True):
    """Average to a fixed number of rows and columns: (C, H, W) -> (C, rows, columns).

    Windows divide the map as evenly as they can and overlap where it does not divide: torch's ``AdaptiveAvgPool2d``.
    So AlexNet (6) and VGG (7) take any resolution.  ``larger="keep"`` leaves those of a map's extents that are larger
    as they are.
    """

    extent: Kernel = 7
    larger: Literal["average", "keep"] = "average"

    def output(self, shape: Shape) -> Shape:
        channels, *extents = _map(self, shape)
        if self.larger == "average":
            return (channels, *pair(self.extent))
        kept = (size and max(size, least) for size, least in zip(extents, pair(self.extent), strict=True))
        return (channels, *kept)


class Linear(Primitive, frozen=True):
    """A fully connected layer over the flattened input: (C,) or (C, H, W) -> (out,)."""

    out: Channels
    bias: bool = True

    def output(self, shape: Shape) -> Shape:
        return (self.out,)

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        if UNKNOWN in shape:
            raise ShapeError("Linear: the extent of its input is not known", remedy="put a GlobalPool before it")
        kernel = Weight("weight", (self.out, elements(shape)), "kernel")
        return (kernel, Weight("bias", (self.out,), "bias")) if self.bias else (kernel,)


class PadChannels(Primitive, frozen=True):
    """Zeros appended after the last channel: (C, H, W) -> (out, H, W); the "extra zero entries" of He et al. 2016,
    option A.
    """

    out: Channels

    def output(self, shape: Shape) -> Shape:
        if self.out < shape[0]:
            raise ShapeError(f"PadChannels: {shape[0]} channels cannot become {self.out}", allowed="more, not fewer")
        return (self.out, *shape[1:])

    def steps(self) -> tuple[Step, Step]:
        return KEEP, KEEP


class Dropout(Primitive, frozen=True):
    """Values set to zero at random while training (Srivastava et al. 2014); nothing at inference."""

    rate: Fraction = 0.5


class LayerScale(Primitive, frozen=True):
    """A learned gain for each channel, small at first (Touvron et al. 2021, CaiT, section 2)."""

    start: Ratio = 1e-6

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        return (Weight("gamma", (shape[0],), "gain", start=self.start),)


class LocalResponseNorm(Primitive, frozen=True):
    """Each value over a power of the energy of its neighbouring channels (Krizhevsky et al. 2012, section 3.3).

    ``x_i / (k + alpha * sum of x_j squared over size channels around i) ** beta``.  torch's and ONNX's ``alpha`` are
    this one times ``size``.
    """

    size: Positive = 5
    """Channels, odd."""
    alpha: Ratio = 1e-4
    beta: Ratio = 0.75
    k: Ratio = 2.0

    def check(self) -> None:
        if self.size % 2 == 0:  # torch and ONNX put the channel that is left over on different sides
            raise self.fault("size", f"a neighbourhood of {self.size} channels has no middle", allowed="an odd number")

    def output(self, shape: Shape) -> Shape:
        return _map(self, shape)

    def steps(self) -> tuple[Step, Step]:
        return KEEP, KEEP


class GlobalResponseNorm(Primitive, frozen=True):
    """Each channel by its share of the map's energy (Woo et al. 2023, ConvNeXt V2, equations 1 to 3, algorithm 1).

    ``gamma * (x * n) + beta + x``, where n is the L2 norm of the channel over all positions, divided by the mean of
    these norms over channels plus ``eps``.  Both tensors start at 0.
    """

    eps: Annotated[float, Meta(gt=0, lt=1)] = 1e-6

    def output(self, shape: Shape) -> Shape:
        return _map(self, shape)

    def steps(self) -> tuple[Step, Step]:
        return KEEP, KEEP

    def weights(self, shape: Shape) -> tuple[Weight, ...]:
        return (Weight("gamma", (shape[0],), "gain", start=0.0), Weight("beta", (shape[0],), "bias"))


class Identity(Primitive, frozen=True):
    """Nothing happens."""


class Tap(Primitive, frozen=True):
    """A point whose value is also an output, under ``name``: features by stride, auxiliary heads."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9_]+$", max_length=64)]


def _map(node: Primitive, shape: Shape) -> Shape:
    """The shape, which must be a map's."""
    if not is_map(shape):
        raise ShapeError(f"{type(node).__name__}: expected a map (C, H, W), got {shape}")
    return shape


__all__ = [
    "Act",
    "AdaptivePool",
    "Conv",
    "Dropout",
    "GlobalPool",
    "GlobalResponseNorm",
    "Identity",
    "LayerScale",
    "Linear",
    "LocalResponseNorm",
    "Norm",
    "PadChannels",
    "Pool",
    "Tap",
]

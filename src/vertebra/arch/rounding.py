"""The one function that rounds channel counts, and the rule that a family scales its widths by."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from vertebra.arch.record import Positive, Record


def round_channels(channels: float, divisor: int = 8, guard: float = 0.9, minimum: int | None = None) -> int:
    """The multiple of ``divisor`` nearest to ``channels``, never less than ``minimum`` nor than ``guard * channels``.

    MobileNet's rule (``_make_divisible`` in the TensorFlow models repository), which MobileNetV2, V3, MnasNet and
    EfficientNet share; halves round up.  ``guard=0`` is plain rounding.
    """
    least = divisor if minimum is None else minimum
    rounded = max(least, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < guard * channels else rounded


class Rounding(Record, frozen=True):
    """How a family's widths follow a width multiplier."""

    divisor: Positive = 8
    guard: Annotated[float, Meta(ge=0, le=1)] = 0.9
    head_floor: Annotated[float, Meta(ge=0)] = 0.0
    """The least multiplier that the head's widths see: 1 in MobileNetV2, whose last convolution never shrinks."""

    def scaled(self, channels: int, width: float) -> int:
        """``channels`` times ``width``, rounded; a multiplier of 1 changes nothing."""
        return channels if width == 1 else round_channels(channels * width, self.divisor, self.guard)

"""How a family's weights start, as data."""

from __future__ import annotations

from typing import Literal

from vertebra.arch.record import Record


class Initialisation(Record, frozen=True):
    """How a family's paper starts its weights; gains 1, biases 0, LayerScale and the like at their own start."""

    conv: Literal["he_fan_out", "he_fan_in", "truncated_normal"] = "he_fan_out"
    """``he_*``: normal with standard deviation sqrt(2 / fan) (He et al. 2015, equations 10 and 14), the fan of one
    group; ``truncated_normal``: standard deviation 0.02, cut at 2 (ConvNeXt)."""
    linear: Literal["uniform_fan_in", "uniform_fan_out", "normal", "truncated_normal"] = "uniform_fan_in"
    """``uniform_*``: within 1 / sqrt(fan); ``normal``: standard deviation 0.01 (MobileNetV2)."""

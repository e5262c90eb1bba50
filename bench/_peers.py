"""torchvision and timm for benchmarks, by the same door as for the tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.peers import timm, torchvision

__all__ = ["timm", "torchvision"]

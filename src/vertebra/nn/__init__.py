"""Torch modules from the tree: ``build`` and ``features``."""

from vertebra.nn.construct import build
from vertebra.nn.extraction import Features, features

__all__ = ["Features", "build", "features"]

"""Torch modules from the tree: ``build``, ``features`` and ``embeddings``."""

from vertebra.nn.construct import build
from vertebra.nn.embedding import Embedding, embeddings
from vertebra.nn.extraction import Features, features

__all__ = ["Embedding", "Features", "build", "embeddings", "features"]

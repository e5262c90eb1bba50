"""Inference engines: load an artifact, run it, time it."""

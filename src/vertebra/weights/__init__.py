"""Weights in files: save, read and load.  ``weights.files`` alone needs no torch, so nothing is imported here."""

"""Pictures in: sources, decoding, the split, inspection, and the one description of preprocessing.  Needs no torch."""

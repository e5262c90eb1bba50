"""scikit-learn's digits as folders of pictures: 0 to 4 to pretrain on, 5 to 9 to go on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

SIDE = 32
"""Pixels, from the 8 of the scans."""


def write(root: Path, labels: range, chosen: slice) -> Path:
    """``root/LABEL/NUMBER.png``, these of each label's pictures."""
    data = load_digits()
    for label in labels:
        folder = root / str(label)
        folder.mkdir(parents=True)
        for index in np.flatnonzero(data.target == label)[chosen]:
            picture = Image.fromarray(np.rint(data.images[index] * (255 / 16)).astype(np.uint8))
            picture.resize((SIDE, SIDE)).save(folder / f"{index}.png")
    return root

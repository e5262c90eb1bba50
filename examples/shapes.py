"""Pictures for the examples, made on the spot: one to three coloured shapes on a noisy ground, and where they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

KINDS = ("ring", "square", "triangle")
COLOURS = np.array([(214, 69, 65), (65, 131, 215), (244, 179, 80), (38, 166, 91), (155, 89, 182)])


class Picture(NamedTuple):
    """``image``: uint8[S, S, 3].  ``mask``: int64[S, S], 0 for the ground, 1.. for KINDS.  ``label``: of the last."""

    image: NDArray[np.uint8]
    mask: NDArray[np.int64]
    label: int


def picture(draw: np.random.Generator, side: int, shapes: int) -> Picture:
    """A picture with so many shapes; later ones lie on earlier ones."""
    rows, columns = np.mgrid[:side, :side].astype(np.float64)
    ground = draw.uniform(60, 200, 3) + draw.uniform(-0.6, 0.6, 3) * rows[..., None]
    image = ground + draw.normal(0, 8, (side, side, 3))
    mask = np.zeros((side, side), np.int64)
    label = 0
    for _ in range(shapes):
        label = int(draw.integers(len(KINDS)))
        radius = draw.uniform(0.16, 0.27) * side
        across, down = draw.uniform(radius, side - radius, 2)
        inside = _inside(KINDS[label], columns - across, rows - down, radius)
        image[inside] = COLOURS[draw.integers(len(COLOURS))] + draw.normal(0, 8, (int(inside.sum()), 3))
        mask[inside] = label + 1
    return Picture(image.clip(0, 255).astype(np.uint8), mask, label)


def _inside(kind: str, x: NDArray[np.float64], y: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    if kind == "ring":
        return (x**2 + y**2 < radius**2) & (x**2 + y**2 > (0.45 * radius) ** 2)
    if kind == "square":
        return np.maximum(abs(x), abs(y)) < 0.85 * radius
    return (y < 0.7 * radius) & (y > 2 * abs(x) - radius)


def pictures(count: int, *, side: int, seed: int, most: int = 3) -> list[Picture]:
    """``count`` pictures of 1 to ``most`` shapes; the same seed gives the same ones."""
    draw = np.random.default_rng(seed)
    return [picture(draw, side, int(draw.integers(1, most + 1))) for _ in range(count)]

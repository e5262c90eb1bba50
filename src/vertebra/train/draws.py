"""The random numbers of an epoch: order, translations, flips, angles.  A function of (seed, epoch) alone.

Every picture's draws belong to its index, so they do not depend on the batch size, on where a run was interrupted, or
on the global generator.
"""

from __future__ import annotations

import math

import msgspec
import torch
from torch import Tensor

from vertebra.train.recipe import Augmentation


class Draws(msgspec.Struct, frozen=True, eq=False):
    """Draws of one epoch for N pictures: ``rows`` and ``columns`` int64[N], translations in px; ``mirrored`` bool[N];
    ``turn`` float32[N, 2, 2], the matrix from the new picture's coordinates to the old one's, or None."""

    rows: Tensor
    columns: Tensor
    mirrored: Tensor
    turn: Tensor | None

    def of(self, indices: Tensor) -> Draws:
        """The draws of these pictures."""
        turn = None if self.turn is None else self.turn[indices]
        return Draws(self.rows[indices], self.columns[indices], self.mirrored[indices], turn)

    def to(self, device: torch.device) -> Draws:
        """The draws on another device."""
        turn = None if self.turn is None else self.turn.to(device)
        return Draws(self.rows.to(device), self.columns.to(device), self.mirrored.to(device), turn)


def generator(seed: int, epoch: int, purpose: int) -> torch.Generator:
    """A generator of its own for each (seed, epoch, purpose); on the CPU, so that every device draws the same."""
    mixed = (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + purpose * 0x94D049BB133111EB) % 2**64
    # SplitMix64's finaliser: neighbouring seeds and epochs must not start neighbouring streams.
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
    return torch.Generator().manual_seed((mixed ^ (mixed >> 31)) % 2**63)


def order(count: int, seed: int, epoch: int) -> Tensor:
    """The order of the epoch's pictures: a permutation, int64[count]."""
    return torch.randperm(count, generator=generator(seed, epoch, 0))


def draws(count: int, augmentation: Augmentation, seed: int, epoch: int) -> Draws:
    """The draws of ``count`` pictures in an epoch."""
    source = generator(seed, epoch, 1)
    crop = augmentation.crop
    rows = torch.randint(-crop, crop + 1, (count,), generator=source)
    columns = torch.randint(-crop, crop + 1, (count,), generator=source)
    coin = torch.rand(count, generator=source) < 0.5
    angle = (2 * torch.rand(count, generator=source) - 1) * math.radians(augmentation.rotation)
    scale = 1 + (2 * torch.rand(count, generator=source) - 1) * augmentation.scale
    mirrored = coin if augmentation.flip else torch.zeros_like(coin)
    return Draws(rows, columns, mirrored, _turns(angle, scale) if augmentation.affine else None)


def _turns(angle: Tensor, scale: Tensor) -> Tensor:
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    return torch.stack((torch.stack((cosine, -sine), 1), torch.stack((sine, cosine), 1)), 1)

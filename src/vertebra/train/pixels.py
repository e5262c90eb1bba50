"""A part of a data set as one tensor on the device, and batches of it: augmented and normalised all at once.

Legend of shapes: N pictures, B of them in a batch, S the network's side in px, C its channels (3, or 1 for grey).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vertebra.data.preprocess import Preprocess, grey
from vertebra.errors import DataError
from vertebra.train.draws import Draws


class Pixels:
    """Pictures uint8[N, S, S, C] and labels int64[N] on a device.

    Made of uint8[N, S, S, 3] (RGB; array or tensor) and labels in 0..classes-1; where ``preprocess`` wants grey, that
    is done here, once.  Raises :class:`DataError` for shapes or labels that do not fit.
    """

    def __init__(
        self,
        images: NDArray[np.uint8] | Tensor,
        labels: NDArray[np.int64] | Tensor,
        preprocess: Preprocess,
        *,
        device: torch.device | None = None,
    ) -> None:
        images = images.numpy(force=True) if isinstance(images, Tensor) else np.asarray(images)
        labels = labels.numpy(force=True) if isinstance(labels, Tensor) else np.asarray(labels)
        size = preprocess.size
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (size, size, 3):
            found = f"{images.dtype}{list(images.shape)}"
            raise DataError(f"{found} are no pictures", where="images", allowed=f"uint8[N, {size}, {size}, 3]")
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
            raise DataError(f"{labels.dtype}{list(labels.shape)}", where="labels", allowed=f"int64[{len(images)}]")
        if len(labels) and labels.min() < 0:
            raise DataError(f"the label {labels.min()}", where="labels", allowed="0 and above")
        planes = grey(images)[..., None] if preprocess.colour == "grey" else images
        self.device = device or torch.device("cpu")
        # A copy where numpy's memory is not ours to share (read-only, or negative strides).
        self.images = torch.from_numpy(np.require(planes, requirements=["C", "W"])).to(self.device)
        self.labels = torch.from_numpy(labels.astype(np.int64)).to(self.device)
        self._normalise_by(preprocess)

    def __len__(self) -> int:
        return len(self.labels)

    def normalised_by(self, preprocess: Preprocess) -> Pixels:
        """The same pictures, not copied, under another mean and standard deviation; all else must be alike."""
        if not normalised_alike(preprocess, self.preprocess):
            raise DataError("the pictures were prepared in another way", where="preprocess", remedy="load them again")
        other = copy.copy(self)
        other._normalise_by(preprocess)
        return other

    def _normalise_by(self, preprocess: Preprocess) -> None:
        self.preprocess = preprocess
        self._mean = torch.tensor(preprocess.mean, device=self.device)[:, None, None]
        self._std = torch.tensor(preprocess.std, device=self.device)[:, None, None]

    def batch(self, indices: Tensor, draws: Draws | None = None, border: str = "reflect") -> Tensor:
        """float32[B, C, S, S] in channels_last memory: these pictures, changed by their draws where given,
        normalised."""
        if draws is None:
            return self._normalised(self._floats(self.images[indices]))
        moved = draws.to(self.device)
        values = self._floats(self._moved(indices, moved, border))
        if moved.turn is not None:
            theta = functional.pad(moved.turn, (0, 1))
            grid = functional.affine_grid(theta, list(values.shape), align_corners=False)
            padding = "zeros" if border == "zero" else "reflection"
            values = functional.grid_sample(values, grid, padding_mode=padding, align_corners=False)
            values = values.contiguous(memory_format=torch.channels_last)
        return self._normalised(values)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(normalised pictures, labels) in order, ``size`` at a time, as they are judged."""
        for start in range(0, len(self), size):
            chosen = slice(start, start + size)
            yield self._normalised(self._floats(self.images[chosen])), self.labels[chosen]

    def _moved(self, indices: Tensor, draws: Draws, border: str) -> Tensor:
        """uint8[B, S, S, C]: every picture translated and mirrored by its own draw, in one gather."""
        side, channels = self.images.shape[1], self.images.shape[3]
        place = torch.arange(side, device=self.device)
        rows = place + draws.rows[:, None]
        columns = torch.where(draws.mirrored[:, None], side - 1 - place, place) + draws.columns[:, None]
        flat = (indices[:, None] * side + _inside(rows, side))[:, :, None] * side + _inside(columns, side)[:, None, :]
        moved = self.images.view(-1, channels).index_select(0, flat.view(-1)).view(-1, side, side, channels)
        if border == "zero":
            within = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
            moved = moved * within[..., None]
        return moved

    @staticmethod
    def _floats(pictures: Tensor) -> Tensor:
        # NHWC read as NCHW is channels_last memory: nothing is moved.
        return pictures.permute(0, 3, 1, 2).float().div_(255)

    def _normalised(self, values: Tensor) -> Tensor:
        # The same operations in the same order as preprocess.normalised: equal to the last bit.
        return values.sub_(self._mean).div_(self._std)


def normalised_alike(one: Preprocess, other: Preprocess) -> bool:
    """Whether two ways of preparing pictures differ in mean and standard deviation at most."""
    return one.colour == other.colour and msgspec.structs.replace(one, mean=other.mean, std=other.std) == other


def _inside(places: Tensor, side: int) -> Tensor:
    """Places beyond a border reflected at the outermost pixel (which is not repeated), however far beyond."""
    if side == 1:
        return torch.zeros_like(places)
    period = 2 * (side - 1)
    places = places.remainder(period)
    return torch.minimum(places, period - places)

"""The batches of training: which pictures each step gets, as a function of (seed, step) alone."""

from __future__ import annotations

from torch import Tensor

from vertebra.errors import DataError
from vertebra.train.draws import Draws, draws, order
from vertebra.train.pixels import Pixels
from vertebra.train.recipe import Recipe


class Feed:
    """The training part in the order and with the changes that the recipe's seed gives it."""

    def __init__(self, train: Pixels, recipe: Recipe) -> None:
        self._train, self._recipe = train, recipe
        self._bounds = bounds(len(train), recipe.batch)
        self._epoch: tuple[int, Tensor, Draws] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Batches that an epoch is cut into."""
        return len(self._bounds) - 1

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """(pictures float32[B, C, S, S], labels int64[B]) of a step, counted from the first cycle."""
        epoch, position = divmod(step, self.steps_per_epoch)
        count, seed, augmentation = len(self._train), self._recipe.seed, self._recipe.augmentation
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, order(count, seed, epoch), draws(count, augmentation, seed, epoch))
        _, places, drawn = self._epoch
        chosen = places[self._bounds[position] : self._bounds[position + 1]]
        indices = chosen.to(self._train.device)
        return self._train.batch(indices, drawn.of(chosen), augmentation.border), self._train.labels[indices]


def bounds(count: int, batch: int) -> list[int]:
    """Where an epoch is cut: batches of nearly equal size, at most ``batch``, none left out, none of one picture."""
    batches = max(1, min(-(-count // batch), count // 2))
    return [round(index * count / batches) for index in range(batches + 1)]


def check_parts(train: Pixels, val: Pixels | None, classes: int) -> None:
    """Raise DataError for parts or classes that cannot be trained with."""
    if classes < 2:
        raise DataError(f"{classes} class", where="classes", allowed="two or more")
    if len(train) < 2:
        raise DataError(f"{len(train)} training picture", where="train", allowed="two or more")
    for name, part in (("train", train), ("val", val)):
        if part is not None and len(part) and int(part.labels.max()) >= classes:
            raise DataError(
                f"the label {int(part.labels.max())}", where=f"{name} labels", allowed=f"0 to {classes - 1}"
            )

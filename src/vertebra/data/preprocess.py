"""The one description of preprocessing: from a picture of any size to the numbers that a network takes.

It is saved with the weights and used by validation, ``predict``, ``eval`` and the exported graph alike.
Legend of shapes: N pictures, H rows, W columns, S the network's side in px, C channels (3, or 1 for grey).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vertebra.errors import DataError

MAX_SIDE = 4096
"""The largest ``size`` and ``resize`` in px: a description from a stranger must not ask for gigabytes."""

MAX_RESIZED = 1 << 24
"""Above this many pixels (a picture so elongated that its long side explodes) only the middle is resized."""

FITS = ("crop", "squash")
INTERPOLATIONS = ("bilinear", "bicubic")
COLOURS = ("rgb", "grey")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Geometry(NamedTuple):
    """The extent after the resize and the corner of the square cut from it, in px."""

    rows: int
    columns: int
    top: int
    left: int


class Preprocess(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to a picture before the network.

    ``size``: side of the square that the network takes, px.  ``resize``: the shorter side after the resize, px, at
    least ``size`` (then the centre is cut out); with ``fit="squash"`` both sides become ``size`` and ``resize`` must
    equal it.  ``interpolation`` is always antialiased, in Pillow's sense.  ``colour``: what the network wants.
    ``mean`` and ``std``: of pixel / 255, one for each channel.  Raises :class:`DataError` for a field without sense.
    """

    size: int
    resize: int
    fit: Literal["crop", "squash"] = "crop"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    colour: Literal["rgb", "grey"] = "rgb"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def __post_init__(self) -> None:
        _one_of("fit", self.fit, FITS)
        _one_of("interpolation", self.interpolation, INTERPOLATIONS)
        _one_of("colour", self.colour, COLOURS)
        _whole("size", self.size, 1)
        _whole("resize", self.resize, 1)
        if self.fit == "crop" and self.resize < self.size:
            raise DataError(
                f"{self.resize} is smaller than size {self.size}", where="preprocess.resize", allowed=f">= {self.size}"
            )
        if self.fit == "squash" and self.resize != self.size:
            raise DataError(f"{self.resize} with fit 'squash'", where="preprocess.resize", allowed=f"size, {self.size}")
        # An int or a list from a constructor must compare and hash like what JSON gives back.
        msgspec.structs.force_setattr(self, "mean", _floats("mean", self.mean, self.channels))
        msgspec.structs.force_setattr(self, "std", _floats("std", self.std, self.channels))
        if min(self.std) <= 0:
            raise DataError(f"{min(self.std)} is no standard deviation", where="preprocess.std", allowed="> 0")

    @property
    def channels(self) -> int:
        """Channels that the network takes: 3, or 1 for grey."""
        return 1 if self.colour == "grey" else 3

    def to_json(self) -> bytes:
        """The description as indented JSON (UTF-8)."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def from_json(cls, data: bytes, where: str = "preprocess") -> Preprocess:
        """Reads :meth:`to_json`'s text; raises :class:`DataError` for anything else."""
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(str(error), where=where) from error


def geometry(height: int, width: int, p: Preprocess) -> Geometry:
    """How a picture of ``height`` x ``width`` px is resized and cut.  The one home of this rule.

    As torchvision's ``Resize(int)`` and ``CenterCrop``: the long side is ``int(resize * long / short)``, the offset
    ``int(round((extent - size) / 2))`` (Python's rounding, to even).
    """
    if height < 1 or width < 1:
        raise DataError(f"a picture of {height} x {width} px", allowed="at least 1 x 1 px")
    if p.fit == "squash":
        return Geometry(p.size, p.size, 0, 0)
    if height <= width:
        rows, columns = p.resize, int(p.resize * width / height)
    else:
        rows, columns = int(p.resize * height / width), p.resize
    return Geometry(rows, columns, round((rows - p.size) / 2), round((columns - p.size) / 2))


def sized(image: NDArray[np.uint8], p: Preprocess) -> NDArray[np.uint8]:
    """uint8[H, W, 3] resized by Pillow and cut: uint8[S, S, 3], still RGB.  What an artifact's ``sized`` entry takes.

    May return ``image`` itself where nothing is to be done.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(f"{image.dtype}{list(image.shape)} is no picture", where="image", allowed="uint8[H, W, 3]")
    height, width = image.shape[:2]
    plan = geometry(height, width, p)
    if (plan.rows, plan.columns) == (height, width):
        return image[plan.top : plan.top + p.size, plan.left : plan.left + p.size]
    method = Image.Resampling.BILINEAR if p.interpolation == "bilinear" else Image.Resampling.BICUBIC
    picture = Image.fromarray(image)
    # In two steps, along the rows first: the order that Pillow itself takes has changed between its versions.
    if plan.rows * plan.columns > MAX_RESIZED:
        # The same filter at the same places (within a rounding of 1 of 255), without the part that is cut off.
        y, x = height / plan.rows, width / plan.columns
        across = (plan.left * x, 0.0, (plan.left + p.size) * x, float(height))
        down = (0.0, plan.top * y, float(p.size), (plan.top + p.size) * y)
        narrow = picture.resize((p.size, height), method, box=across)
        return np.asarray(narrow.resize((p.size, p.size), method, box=down))
    resized = np.asarray(picture.resize((plan.columns, height), method).resize((plan.columns, plan.rows), method))
    return resized[plan.top : plan.top + p.size, plan.left : plan.left + p.size]


def grey(batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8[..., 3] to uint8[...]: Pillow's ``L``, (19595 R + 38470 G + 7471 B + 32768) >> 16, exactly."""
    wide = batch.astype(np.uint32)
    return ((19595 * wide[..., 0] + 38470 * wide[..., 1] + 7471 * wide[..., 2] + 32768) >> 16).astype(np.uint8)


def normalised(batch: NDArray[np.uint8], p: Preprocess) -> NDArray[np.float32]:
    """uint8[N, S, S, 3] to float32[N, C, S, S]: (pixel / 255 - mean) / std, in float32."""
    if batch.ndim != 4 or batch.shape[1:] != (p.size, p.size, 3) or batch.dtype != np.uint8:
        raise DataError(
            f"{batch.dtype}{list(batch.shape)} is no batch", where="images", allowed=f"uint8[N, {p.size}, {p.size}, 3]"
        )
    planes = grey(batch)[:, None] if p.colour == "grey" else batch.transpose(0, 3, 1, 2)
    result = np.array(planes, np.float32, order="C")
    result /= np.float32(255)
    result -= np.asarray(p.mean, np.float32)[:, None, None]
    result /= np.asarray(p.std, np.float32)[:, None, None]
    return result


def _one_of(field: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise DataError(f"unknown value {value!r}", where=f"preprocess.{field}", allowed=", ".join(allowed))


def _whole(field: str, value: object, least: int) -> None:
    if type(value) is not int or not least <= value <= MAX_SIDE:
        raise DataError(f"{value!r}", where=f"preprocess.{field}", allowed=f"an integer in {least}..{MAX_SIDE}")


def _floats(field: str, values: object, count: int) -> tuple[float, ...]:
    where, allowed = f"preprocess.{field}", f"{count} finite numbers"
    if not isinstance(values, tuple | list) or len(values) != count:
        raise DataError(f"{values!r}", where=where, allowed=allowed)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(f"{value!r} in {values!r}", where=where, allowed=allowed)
    return tuple(float(value) for value in values)

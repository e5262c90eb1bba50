"""Opening a bundle and predicting with it: ONNX Runtime, Pillow and numpy, no torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vertebra.arch import codec
from vertebra.arch.architecture import Architecture
from vertebra.bundle.manifest import ARCHITECTURE, LABELS, MODEL_ANY, MODEL_SIZED, PREPROCESS, verified
from vertebra.data.decode import decode, from_picture
from vertebra.data.preprocess import Preprocess, sized
from vertebra.engines.onnxruntime import OnnxRuntime
from vertebra.errors import BundleError, ImageError, VertebraError

Picture = str | Path | Image.Image | NDArray[np.uint8]
BATCH = 64
TOP = 5


class Prediction(msgspec.Struct, frozen=True):
    """What the network says of one picture: the likeliest class with its probability, and the ``top`` classes."""

    path: str | None
    label: str
    probability: float
    top: tuple[tuple[str, float], ...]


class Bundle:
    """An opened bundle.  Every file is checked against the manifest first."""

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        self.path = Path(path)
        self.manifest = verified(self.path)
        self.threads = threads
        try:
            self.preprocess = Preprocess.from_json(self._bytes(PREPROCESS), PREPROCESS)
            self.labels = msgspec.json.decode(self._bytes(LABELS), type=tuple[str, ...])
        except (VertebraError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BundleError(str(error), where=str(self.path)) from None
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise BundleError("needs two labels or more, each once", where=str(self.path / LABELS))

    @cached_property
    def architecture(self) -> Architecture:
        """The network as data."""
        try:
            stored = msgspec.json.decode(self._bytes(ARCHITECTURE), type=dict[str, Any])
            return codec.from_data(stored.get("architecture"), Architecture, "$.architecture")
        except (VertebraError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BundleError(f"cannot be read: {error}", where=str(self.path / ARCHITECTURE)) from None

    @cached_property
    def engine(self) -> OnnxRuntime:
        """The network in ONNX Runtime; it takes pictures of its own size."""
        engine = OnnxRuntime(self.path / MODEL_SIZED, threads=self.threads)
        if (engine.entry, engine.size, engine.classes) != ("sized", self.preprocess.size, len(self.labels)):
            raise BundleError("its network, preprocessing and labels do not belong together", where=str(self.path))
        return engine

    @property
    def portable(self) -> Path:
        """The artifact for other programs: raw uint8 RGB [H, W, 3] of any size in, probabilities out."""
        return self.path / MODEL_ANY

    def probabilities(self, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """float32[N, classes] of decoded pictures uint8[H, W, 3] of any size."""
        small = [sized(image, self.preprocess) for image in images]
        if not small:
            return np.zeros((0, len(self.labels)), np.float32)
        batches = [np.stack(small[start : start + BATCH]) for start in range(0, len(small), BATCH)]
        return np.concatenate([self.engine.run(batch) for batch in batches])

    @overload
    def predict(self, pictures: Picture) -> Prediction: ...  # type: ignore[overload-overlap]  # a str is a Sequence
    @overload
    def predict(self, pictures: Sequence[Picture]) -> list[Prediction]: ...
    def predict(self, pictures: Picture | Sequence[Picture]) -> Prediction | list[Prediction]:
        """The classes of one picture or of a list: paths, Pillow images, arrays uint8[H, W, 3] (RGB) or [H, W] (grey).

        Raises ImageError that names the picture that cannot be read.
        """
        if isinstance(pictures, list | tuple):
            found: list[Prediction] = []
            for start in range(0, len(pictures), BATCH):
                found += self._predict(pictures[start : start + BATCH])
            return found
        return self._predict([pictures])[0]  # type: ignore[list-item]  # a Sequence that is no list is one picture

    def _predict(self, pictures: Sequence[Picture]) -> list[Prediction]:
        probabilities = self.probabilities([_pixels(picture) for picture in pictures])
        return [self._said(picture, row) for picture, row in zip(pictures, probabilities, strict=True)]

    def _said(self, picture: Picture, row: NDArray[np.float32]) -> Prediction:
        order = np.argsort(-row, kind="stable")[:TOP]
        top = tuple((self.labels[index], float(row[index])) for index in order)
        path = str(picture) if isinstance(picture, str | Path) else None
        return Prediction(path, top[0][0], top[0][1], top)

    def _bytes(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise BundleError(f"cannot be read: {error.strerror}", where=str(self.path / name)) from None

    def __repr__(self) -> str:
        return f"Bundle({str(self.path)!r}, {len(self.labels)} classes, {self.preprocess.size} px)"


def load_bundle(path: str | Path, *, threads: int | None = None) -> Bundle:
    """Open a bundle; raises BundleError that names the missing or changed file."""
    return Bundle(path, threads=threads)


def _pixels(picture: Picture) -> NDArray[np.uint8]:
    if isinstance(picture, str | Path):
        try:
            return decode(Path(picture).read_bytes(), str(picture))
        except (OSError, ValueError) as error:  # ValueError: a null byte in the name
            reason = getattr(error, "strerror", None) or error
            raise ImageError(f"cannot be read: {reason}", where=repr(str(picture))[1:-1]) from None
    if isinstance(picture, Image.Image):
        return from_picture(picture)
    if isinstance(picture, np.ndarray):
        array = np.stack([picture] * 3, axis=2) if picture.ndim == 2 else picture
        if array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3 and array.size:
            return array
        raise ImageError(f"{picture.dtype}{list(picture.shape)} is no picture", allowed="uint8[H, W, 3] or uint8[H, W]")
    raise ImageError(
        f"a {type(picture).__name__} is no picture", allowed="a path, a Pillow image, an array, or a list of them"
    )

"""Bytes of a picture file to RGB pixels, or a typed error: never garbage, never gigabytes.

The policies, one for each question that a file can ask:

- What it is, its first bytes say, not its name.
- Damage is an error: JPEG by a strict decoder, PNG by the checksums of its chunks, the rest by Pillow.
- More than :data:`MAX_PIXELS` in the header is refused before anything is allocated.
- EXIF orientation is applied.  Of an animation, the first frame counts.
- Transparent pixels hold arbitrary colours, so transparency is composited over white.
- 16-bit samples keep their high byte (as Pillow does for 16-bit RGB), so grey and RGB of one picture agree.
- Floating-point and 32-bit samples have no known range, so they are an error that says so.
- CMYK becomes RGB by Pillow's formula; colour profiles are not applied.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vertebra.data import jpeg
from vertebra.errors import ImageError

MAX_PIXELS = 100 << 20
"""The most pixels in a picture: 104.9 million, above any camera of 100 megapixels, about 300 MB as RGB."""

STRIP = 1 << 20
"""Large pictures are converted by strips of so many pixels: each of Pillow's steps holds four bytes for each."""

FORMATS = ("PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Pillow's formats that are read besides JPEG.  Those that run programs (EPS) or have no signature are left out."""

PNG = b"\x89PNG\r\n\x1a\n"
SIGNATURES = (jpeg.MAGIC, PNG, b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
DEEP_GREY = ("I", "I;16", "I;16B", "I;16L", "I;16N")

# What decoders raise for bytes that make no sense, found by fuzzing and by reading Pillow.
FAULTS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    SyntaxError,
    EOFError,
    RuntimeError,
    MemoryError,
    AttributeError,
    AssertionError,
    struct.error,
    zlib.error,
    Warning,
    Image.DecompressionBombError,
)

# Filters of warnings are the whole process's; the part that sets them is short and holds the interpreter anyway.
_QUIET = threading.Lock()


def decode(data: bytes, where: str) -> NDArray[np.uint8]:
    """The picture in ``data`` as uint8[H, W, 3], RGB, contiguous, turned as its EXIF says.

    ``where`` names it in errors.  Raises :class:`ImageError`, and nothing else, for whatever bytes.
    """
    try:
        return _decode(data)
    except ImageError as error:
        raise ImageError(error.what, where=where, allowed=error.allowed, remedy=error.remedy) from error.__cause__
    except FAULTS as error:
        raise ImageError(_reason(data, error), where=where) from error


def from_picture(picture: Image.Image, where: str = "picture") -> NDArray[np.uint8]:
    """A Pillow image as :func:`decode` gives it, by the same policies; ``picture`` is not changed."""
    try:
        return _upright(picture)
    except ImageError as error:
        raise ImageError(error.what, where=where, allowed=error.allowed, remedy=error.remedy) from error.__cause__
    except FAULTS as error:
        raise ImageError(f"is damaged: {error}", where=where) from error


def has_signature(data: bytes) -> bool:
    """Whether the first bytes are those of a format that is read; says nothing about the rest."""
    netpbm = data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace()
    return data.startswith(SIGNATURES) or data[8:12] == b"WEBP" or data[4:8] == b"ftyp" or netpbm


def _decode(data: bytes) -> NDArray[np.uint8]:
    if not data:
        raise ImageError("is empty")
    if data[:3] == jpeg.MAGIC:
        return _jpeg(data)
    if data[:8] == PNG:
        _check_png(data)
    return _pillow(data, _formats())


def _jpeg(data: bytes) -> NDArray[np.uint8]:
    try:
        height, width, space = jpeg.header(data)
    except ValueError:
        # Legal, but with a chroma subsampling that the strict decoder does not know; or damaged, and Pillow says so.
        return _pillow(data, ("JPEG",))
    _check_size(height, width)
    return turned(jpeg.pixels(data, space), jpeg.orientation(data))


def _pillow(data: bytes, formats: tuple[str, ...]) -> NDArray[np.uint8]:
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(io.BytesIO(data), formats=formats)
        except Image.DecompressionBombError as error:  # Pillow's own cap is higher than ours
            raise _bomb("far too many px") from error
    return _upright(picture)


def _upright(picture: Image.Image) -> NDArray[np.uint8]:
    _check_size(picture.height, picture.width)
    picture.load()
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # After load(): PNG may carry its EXIF behind the pixels, and TIFF has turned itself by then.
        way = picture.getexif().get(0x0112, jpeg.UPRIGHT)
    return turned(_rgb(picture), way)


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode in DEEP_GREY:
        return _deep_grey(picture)
    if picture.mode == "F":
        raise ImageError("holds floating-point samples, whose range is unknown", remedy="save it with 8 or 16 bits")
    width, height = picture.size
    rows = max(1, STRIP // width)
    if rows >= height:
        return np.array(_opaque(picture))
    image = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        image[top : top + rows] = np.asarray(_opaque(picture.crop((0, top, width, min(top + rows, height)))))
    return image


def _opaque(picture: Image.Image) -> Image.Image:
    key = picture.info.get("transparency")
    if picture.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:  # of 16 bits, where pixels have 8 now
        picture = picture.copy()
        picture.info["transparency"] = tuple(value >> 8 for value in key)
    if picture.has_transparency_data:
        over = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _deep_grey(picture: Image.Image) -> NDArray[np.uint8]:
    samples = np.asarray(picture)
    if samples.min() < 0 or samples.max() > 0xFFFF:
        raise ImageError("holds 32-bit samples, whose range is unknown", remedy="save it with 8 or 16 bits")
    grey = (samples >> 8).astype(np.uint8)
    key = picture.info.get("transparency")
    if isinstance(key, int):
        grey[samples == key] = 255
    return np.repeat(grey[..., None], 3, axis=2)


def turned(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """``image`` upright: the EXIF ``orientation`` (1 to 8; others count as 1) undone, contiguous."""
    match orientation:
        case 2:
            image = image[:, ::-1]
        case 3:
            image = image[::-1, ::-1]
        case 4:
            image = image[::-1]
        case 5:
            image = image.swapaxes(0, 1)
        case 6:
            image = image[::-1].swapaxes(0, 1)
        case 7:
            image = image[::-1, ::-1].swapaxes(0, 1)
        case 8:
            image = image.swapaxes(0, 1)[::-1]
    return np.ascontiguousarray(image)


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise ImageError(f"claims {width} x {height} px")
    if height * width > MAX_PIXELS:
        raise _bomb(f"{width} x {height} px")


def _bomb(claim: str) -> ImageError:
    return ImageError(
        f"claims {claim}, refused by its header",
        allowed=f"at most {MAX_PIXELS} px",
        remedy="make it smaller, or leave it out",
    )


def _check_png(data: bytes) -> None:
    """The extent, and the checksums of the critical chunks, which Pillow leaves unread for the pixels."""
    if data[12:16] == b"IHDR" and len(data) >= 24:  # before the whole file is summed
        _check_size(int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
    at = len(PNG)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if kind[0] & 0x20 == 0 and end <= len(data):
            if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise ImageError(f"is damaged: wrong checksum in the PNG chunk {kind.decode('ascii', 'replace')}")
            if kind == b"IEND":
                return
        at = end
    raise ImageError("is cut off: the PNG has no end")


@cache
def _formats() -> tuple[str, ...]:
    with _QUIET:
        Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _reason(data: bytes, error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        if data[:3] == jpeg.MAGIC:
            return "is damaged: a JPEG without a usable header"
        return "is not a picture" if _is_text(data) else "is damaged, or no picture of a known format"
    text = str(error) or type(error).__name__
    return f"is damaged: {text}"


def _is_text(data: bytes) -> bool:
    head = data[:512]
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)

"""JPEG files, strictly: a damaged one raises instead of giving wrong pixels.  Its EXIF orientation, by the bytes."""

from __future__ import annotations

import struct

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

MAGIC = b"\xff\xd8\xff"
UPRIGHT = 1


def header(data: bytes) -> tuple[int, int, str]:
    """(height, width, colour space) from the header; raises ``ValueError``.  Allocates nothing."""
    height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    return int(height), int(width), str(space)


def pixels(data: bytes, space: str) -> NDArray[np.uint8]:
    """uint8[H, W, 3], RGB, not yet turned; raises ``ValueError`` for any damage that the decoder notices."""
    if space not in ("CMYK", "YCCK"):
        rgb: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
        return rgb
    # Files with four channels follow Adobe, who stores ink inverted; Pillow assumes the same.
    ink = 255 - simplejpeg.decode_jpeg(data, colorspace="CMYK", strict=True)
    height, width = ink.shape[:2]
    picture = Image.frombuffer("CMYK", (width, height), ink.tobytes(), "raw", "CMYK", 0, 1)
    return np.array(picture.convert("RGB"))


def orientation(data: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or where it makes no sense."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a segment
            at += 2
        elif marker in (0xD9, 0xDA):  # the end, or the pixels
            break
        else:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
                return tiff_orientation(data[at + 10 : at + 2 + length])
            if length < 2:
                break
            at += 2 + length
    return UPRIGHT


def tiff_orientation(tiff: bytes) -> int:
    """The orientation tag (0x0112) of an EXIF block's first directory (TIFF 6.0, section 2)."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return UPRIGHT
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    if start + 2 > len(tiff):
        return UPRIGHT
    (count,) = struct.unpack_from(order + "H", tiff, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
        if tag == 0x0112:
            return value if kind == 3 and 1 <= value <= 8 else UPRIGHT
    return UPRIGHT

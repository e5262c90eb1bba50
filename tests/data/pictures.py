"""Small pictures for the tests of data."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def noise(height=24, width=40, seed=0):
    """uint8[H, W, 3], random."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height=24, width=40):
    """uint8[H, W, 3], a slope in each channel: lossy formats keep it within a few levels, and no symmetry maps it."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 2], axis=-1).astype(np.uint8)


def encoded(picture, kind="PNG", **options):
    """The bytes of an array or a Pillow image in a format."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data):
    """A PNG chunk (PNG specification, section 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, extra=b""):
    """A PNG made by hand: what Pillow does not write."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg_claiming(width, height):
    """A small valid JPEG whose header lies about its extent."""
    data = bytearray(encoded(smooth(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def write(path, picture, kind=None):
    """Saves an array under ``path``, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = kind or {".jpg": "JPEG", ".png": "PNG"}[path.suffix]
    path.write_bytes(encoded(picture, kind))


def folder(root, counts, seed=0):
    """Classes (or part/class) with so many small pictures each, all different."""
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            write(root / name / f"{index:03}.png", noise(6, 8, seed + 1000 * number + index))
    return root

"""The manifest: the SHA-256 of every file of a bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from vertebra.errors import BundleError

FORMAT = 1
MANIFEST = "manifest.json"
ARCHITECTURE = "architecture.json"
WEIGHTS = "weights.safetensors"
PREPROCESS = "preprocess.json"
LABELS = "labels.json"
RECORD = "fit.json"
MODEL_ANY = "model.onnx"
MODEL_SIZED = "model-sized.onnx"
REQUIRED = (ARCHITECTURE, WEIGHTS, PREPROCESS, LABELS, MODEL_ANY, MODEL_SIZED)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``files``: name to SHA-256 in hexadecimal."""

    format: int
    vertebra: str
    files: dict[str, str]


def manifest_of(files: dict[str, bytes], version: str) -> Manifest:
    """The manifest of files that are about to be written."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    return Manifest(format=FORMAT, vertebra=version, files=hashes)


def verified(folder: Path) -> Manifest:
    """The manifest of a bundle whose every file is as it was written; raises BundleError that names the file."""
    manifest = _read(folder)
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise BundleError(f"the manifest names a file outside the bundle: {name!r}", where=str(folder))
        path = folder / name
        if not path.is_file():
            raise BundleError("is missing", where=str(path), remedy="copy the whole bundle again")
        if _sha256(path) != expected:
            raise BundleError(
                "has changed since the bundle was written (its SHA-256 differs)",
                where=str(path),
                remedy="copy the bundle again, or make it again with `vertebra fit`",
            )
    absent = [name for name in REQUIRED if name not in manifest.files]
    if absent:
        raise BundleError(f"the manifest lacks {', '.join(absent)}", where=str(folder / MANIFEST))
    return manifest


def _read(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        remedy = "name a folder that `vertebra fit` wrote"
        raise BundleError(f"is no bundle: {MANIFEST}: {error.strerror}", where=str(folder), remedy=remedy) from None
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"cannot be read: {error}", where=str(path)) from None
    if manifest.format != FORMAT:
        remedy = "install a newer vertebra" if manifest.format > FORMAT else "make the bundle again"
        raise BundleError(f"is of format {manifest.format}", where=str(path), allowed=str(FORMAT), remedy=remedy)
    return manifest


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"cannot be read: {error.strerror}", where=str(path)) from None

"""Folders that appear whole or not at all, and that replace another only when told to."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from vertebra.bundle.manifest import MANIFEST, manifest_of
from vertebra.errors import OutputError


def check_output(path: Path, *, force: bool) -> None:
    """Raise OutputError where ``path`` is taken (unless ``force``) or cannot be made."""
    if path.exists() and not force:
        raise OutputError("already exists", where=str(path), remedy="choose another --out, or replace it with --force")
    if path.exists() and not path.is_dir():
        raise OutputError("is a file, not a folder", where=str(path), remedy="choose another --out")
    if path.is_dir() and any(path.iterdir()) and not (path / MANIFEST).is_file():
        # --force replaces an earlier result; it must never sweep away a folder of something else.
        raise OutputError("holds something that is no bundle", where=str(path), remedy="choose another --out")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.parent / f".{path.name}.{secrets.token_hex(4)}"
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror}", where=str(path), remedy="choose another --out"
        ) from None


def write_bundle(path: Path, files: Mapping[str, bytes], *, version: str, force: bool) -> None:
    """Write a bundle's files and its manifest: into a temporary folder beside ``path``, then renamed."""
    check_output(path, force=force)
    manifest = manifest_of(dict(files), version)
    contents = {**files, MANIFEST: msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"}
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    try:
        temporary.mkdir()
        for name, data in contents.items():
            (temporary / name).write_bytes(data)
        _put(temporary, path)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where=str(path)) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put(new: Path, path: Path) -> None:
    """Rename ``new`` to ``path``; what stood there is removed only after the new one stands."""
    old = path.parent / f".{path.name}.{secrets.token_hex(4)}.old"
    replaced = path.exists()
    if replaced:
        os.rename(path, old)
    try:
        os.rename(new, path)
    except BaseException:  # Ctrl-C too: what stood there must stand there again
        if replaced:
            with contextlib.suppress(OSError):
                os.rename(old, path)
        raise
    if replaced:
        shutil.rmtree(old, ignore_errors=True)

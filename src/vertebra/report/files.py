"""Writing what a report makes."""

from __future__ import annotations

import os
from pathlib import Path

from vertebra.errors import OutputError


def check_free(path: Path, *, force: bool) -> None:
    """Raise OutputError where something stands in a place that is about to be written, unless ``force`` replaces it."""
    if not force and path.exists():
        raise OutputError("already exists", where=str(path), remedy="use --force to replace it, or another name")


def write_whole(path: Path, content: str) -> None:
    """Writes a text file that appears whole or not at all; raises OutputError if the place cannot be written."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            unfinished.write_bytes(content.encode("utf-8"))
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(error.strerror or "cannot be written", where=str(path)) from error

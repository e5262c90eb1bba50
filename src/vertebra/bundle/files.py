"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vertebra.errors import OutputError


def check_free(path: Path, *, force: bool) -> None:
    """Raise OutputError where something stands in a place that is about to be written, unless ``force`` replaces it."""
    if not force and path.exists():
        raise OutputError("already exists", where=str(path), remedy="use --force to replace it, or another name")


def write_whole(path: Path, content: bytes | str) -> None:
    """Writes a file under a temporary name, then renames it; a text as UTF-8.  Raises OutputError."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden name beside ``path`` for a file that is renamed to it at the end; nothing is left of a failure.

    Raises OutputError where the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", where=str(path)) from error

"""What is wrong with a database of SQLite's, as errors of ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vertebra.errors import OutputError, ProfileError

CORRUPT = "the database is corrupt: "

OUTSIDE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
"""Faults of the place, not of the file."""


def corrupt(path: Path, what: str) -> ProfileError:
    """The error for a file that holds what it should not."""
    remedy = "move it away and a new one will be made (it is left as it is)"
    return ProfileError(f"{CORRUPT}{what}", where=str(path), remedy=remedy)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in OUTSIDE:
            raise OutputError(f"cannot be used: {error}", where=str(path)) from None
        raise corrupt(path, str(error)) from None
    except UnicodeDecodeError as error:  # text that is none, in a table or in what SQLite says of it
        raise corrupt(path, str(error)) from None

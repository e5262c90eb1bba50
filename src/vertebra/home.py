"""The folder in which vertebra keeps what it may need again: downloaded weights, measurements, profiles."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def home() -> Path:
    """``VERTEBRA_HOME``, or the platform's folder for caches."""
    given = os.environ.get("VERTEBRA_HOME")
    if given:
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path("~/Library/Caches/vertebra").expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or "~/AppData/Local").expanduser() / "vertebra" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vertebra"

"""The installed version; its one source is pyproject.toml."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed() -> str:
    """vertebra's version, or ``unknown`` when it runs from a folder that was not installed."""
    try:
        return version("vertebra")
    except PackageNotFoundError:
        return "unknown"

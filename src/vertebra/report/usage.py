"""How a bundle is used, in the words that page and card share."""

from __future__ import annotations

import json
import shlex

from vertebra.report.text import visible


def shell(bundle: str) -> tuple[str, ...]:
    """Commands that use the folder ``bundle``, quoted for a POSIX shell."""
    folder = shlex.quote(visible(bundle))
    return f"vertebra predict {folder} cat.jpg", f"vertebra eval {folder} DATA"


def python(bundle: str) -> str:
    """The same in Python; a JSON string is a Python string too."""
    folder = json.dumps(visible(bundle), ensure_ascii=False)
    return f'import vertebra\n\nbundle = vertebra.load_bundle({folder})\nbundle.predict("cat.jpg")'

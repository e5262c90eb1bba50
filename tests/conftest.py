"""What all tests share: Hypothesis without deadlines, for machines are busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("vertebra", deadline=None, print_blob=True)
settings.load_profile("vertebra")

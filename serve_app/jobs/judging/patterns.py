"""Patterns as for file names: ``*``, ``?`` and ``[abc]``. Pure."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache


@lru_cache(maxsize=1_000)
def matches(pattern: str, text: str) -> bool:
    """Whether the whole text is as the pattern says; case counts."""
    return _compile_pattern(pattern).match(text) is not None


@lru_cache(maxsize=500)
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    # Each `*` becomes a group that is not tried again (fnmatch since Python 3.9), so time is bounded by the text.
    return re.compile(fnmatch.translate(pattern))

"""Pages of lists: how long, after which place, and the cursor that says so. Pure.

A page goes on after the last row that was given, not after a number of rows: jobs that start meanwhile neither shift
nor repeat anything.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from serve_app.errors import InvalidInput

T = TypeVar("T")
Key = tuple[int, str]

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_CURSOR_CHARS = 1024
# The form of one; whether a page gave it is seen when it is read.
CURSOR_PATTERN = r"^W[A-Za-z0-9_-]+={0,2}$"
_MOST_MICROSECONDS = 2**62


def cut_page(rows: Sequence[T], key: Callable[[T], Key], limit: int, after: Key | None) -> tuple[list[T], str | None]:
    """A page of rows that are sorted by ``key``, falling."""
    rest = rows if after is None else [row for row in rows if key(row) < after]
    taken = list(rest[:limit])
    return taken, make_cursor(key(taken[-1])) if len(rest) > limit else None


def read_limit(limit: Any) -> int:
    """The length of a page, 1 to 500; 100 when none is given. Raises ``InvalidInput``."""
    if limit is None:
        return DEFAULT_LIMIT
    try:
        number = int(limit) if isinstance(limit, int | str) and not isinstance(limit, bool) else 0
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_LIMIT:
        raise refuse_filter("limit", f"must be a number from 1 to {MAX_LIMIT}")
    return number


def read_cursor(cursor: Any) -> Key | None:
    """The place after which a page begins. Raises ``InvalidInput`` for anything that no page gave."""
    if cursor is None:
        return None
    try:
        if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR_CHARS:
            raise ValueError(cursor)
        number, name = json.loads(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
        # Neither database takes a longer number, nor both a text with NUL or half a character.
        if type(number) is not int or abs(number) > _MOST_MICROSECONDS or type(name) is not str:
            raise ValueError(cursor)
        if not is_storable(name):
            raise ValueError(cursor)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise refuse_filter("cursor", "is not one that a page gave") from None
    return number, name


def make_cursor(key: Key) -> str:
    """The cursor of the page that begins after this place."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode()


def is_storable(text: str) -> bool:
    """Without NUL, which PostgreSQL refuses, and lone surrogates, which UTF-8 does not have."""
    return "\0" not in text and text.encode(errors="replace").decode() == text


def refuse_filter(name: str, why: str) -> InvalidInput:
    """The error for a filter that means nothing; ``why`` follows its name."""
    return InvalidInput(f"{name} {why}.", errors=[{"loc": ["query", name], "msg": why}])

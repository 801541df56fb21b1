"""What may enter the store: the same limits on both databases, checked before either sees a value."""

from __future__ import annotations

import json
from typing import Any

from serve_app.errors import InvalidInput

MAX_NAME_CHARS = 256
# An id that others chose, as the tables of jobs keep it.
MAX_ID_CHARS = 600
MAX_LIST = 500

_NUL = "\0"


def require_name(field: str, value: str) -> str:
    """An id, key or owner: 1 to 256 characters that both databases hold."""
    if not 1 <= len(value) <= MAX_NAME_CHARS:
        raise InvalidInput(f"{field} must have 1 to {MAX_NAME_CHARS} characters, it has {len(value)}.")
    return require_text(field, value)


def require_key(field: str, value: str) -> str:
    """An id that others chose, or what is made of one: 1 to 600 characters that both databases hold."""
    if not 1 <= len(value) <= MAX_ID_CHARS:
        raise InvalidInput(f"{field} must have 1 to {MAX_ID_CHARS} characters, it has {len(value)}.")
    return require_text(field, value)


def require_text(field: str, value: str) -> str:
    """Text without NUL, which PostgreSQL does not hold, and without lone surrogates, which UTF-8 does not."""
    if _NUL in value:
        raise InvalidInput(f"{field} contains a NUL character.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{field} contains a lone surrogate, which is no character.") from None
    return value


def require_limit(limit: int) -> int:
    """The length of a list: 1 to 500."""
    if not 1 <= limit <= MAX_LIST:
        raise InvalidInput(f"limit must be 1 to {MAX_LIST}, it is {limit}.")
    return limit


def encode(field: str, value: Any, *, max_bytes: int, ascii_only: bool = False) -> str:
    """JSON of a value, at most ``max_bytes`` bytes long. With ``ascii_only`` every string whatever can be stored."""
    try:
        text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, separators=(",", ":"))
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInput(f"{field} contains a lone surrogate, which is no character.") from None
    except RecursionError:
        raise InvalidInput(f"{field} is nested too deeply.") from None
    except (TypeError, ValueError):
        raise InvalidInput(f"{field} is not JSON: it holds a number or an object that JSON does not know.") from None
    if size_bytes > max_bytes:
        raise InvalidInput(f"{field} takes {size_bytes} bytes as JSON, the limit is {max_bytes}.")
    return text


def make_storable(text: str, max_chars: int) -> str:
    """A sentence for the record, made storable and cut: recording an outcome must not fail for its words."""
    return text.replace(_NUL, "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()[:max_chars]

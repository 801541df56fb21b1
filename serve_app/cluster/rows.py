"""Reading one field of a row of Ray's, once for all: none of these raises, whatever Ray wrote there. Pure."""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from serve_app.redaction import strip_controls

DETAIL_CHARS = 500
"""How much of what Ray says of a failure is passed on."""
_LATEST_S = 1e11
_NAME_CHARS = 256
# An id that looks like an escaped one has its backslashes escaped: otherwise it could pass for another.
_ESCAPE = re.compile(r"\\u\{(?P<number>[0-9a-f]{1,6})\}")
_UNSHOWN = re.compile(r"[^ -\[\]-~]")


def read_items(value: Any) -> Iterable[tuple[Any, Any]]:
    """Pairs of an object; none of anything else."""
    return value.items() if isinstance(value, dict) else ()


def read_object(value: Any) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def read_list(value: Any) -> list[Any]:
    """A list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def read_text(value: Any) -> str | None:
    """Text without control characters: names and ids are whatever users made them, and end in people's terminals."""
    if not isinstance(value, str):
        return None
    return (value if value.isprintable() else strip_controls(value)) or None


def read_id(value: Any) -> str | None:
    """An id as text without control characters. They are written as escapes, not left out: two ids stay two, and
    ``restore_id`` gives Ray back what it knows.
    """
    if not isinstance(value, str) or not value:
        return None
    return value if value.isprintable() and not _ESCAPE.search(value) else _UNSHOWN.sub(_escape, value)


def restore_id(id: str) -> str:
    """The id that ``read_id`` was given."""
    return _ESCAPE.sub(_unescape, id) if _ESCAPE.search(id) else id


def _escape(found: re.Match[str]) -> str:
    char = found.group()
    return char if char.isprintable() and char != "\\" else f"\\u{{{ord(char):x}}}"


def _unescape(found: re.Match[str]) -> str:
    number = int(found["number"], 16)
    return chr(number) if number <= sys.maxunicode else found.group()


def read_amount(value: Any) -> float | None:
    """A finite number; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def read_amounts(value: Any) -> dict[str, float]:
    """Amounts by name, as of resources; what is no number is left out."""
    return {
        (read_text(str(name)) or "")[:_NAME_CHARS]: number
        for name, amount in read_items(value)
        if (number := read_amount(amount)) is not None
    }


def read_number(value: Any) -> int | None:
    """A whole number. Ray writes 64-bit integers as text (protobuf to JSON)."""
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    try:
        return int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        return None


def read_time_ms(value: Any) -> datetime | None:
    """A time in milliseconds since 1970, UTC; 0 is Ray's word for none."""
    milliseconds = read_number(value)
    if milliseconds is None or milliseconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def read_time_s(value: Any) -> datetime | None:
    """A time in seconds since 1970, UTC, to the millisecond."""
    seconds = read_amount(value)
    return read_time_ms(seconds * 1000) if seconds is not None and seconds < _LATEST_S else None


def count_task_states(answer: Any) -> Counter[str]:
    """``TaskSummaries`` of ray/util/state/common.py: how many tasks of a job are in which state."""
    by_name: Any = answer
    for key in ("result", "node_id_to_summary", "cluster", "summary"):
        by_name = by_name.get(key) if isinstance(by_name, dict) else None
    states: Counter[str] = Counter()
    for _, entry in read_items(by_name):
        for state, count in read_items(entry.get("state_counts") if isinstance(entry, dict) else None):
            states[str(state)] += read_number(count) or 0
    return states

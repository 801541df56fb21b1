"""Times as text, written here alone: one form for whoever reads an answer, one for what a part reads again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def format_time(time: datetime) -> str: ...
@overload
def format_time(time: None) -> None: ...
def format_time(time: datetime | None) -> str | None:
    """The one form of a time in the API: RFC 3339, UTC, milliseconds, as ``2026-01-31T12:00:00.000+00:00``.

    What is below a millisecond is cut off, so no time is shown that has not come yet.
    """
    return None if time is None else time.astimezone(UTC).isoformat(timespec="milliseconds")


@overload
def format_exactly(time: datetime) -> str: ...
@overload
def format_exactly(time: None) -> None: ...
def format_exactly(time: datetime | None) -> str | None:
    """A time on its way between parts, with every digit that it has: it is compared again, or is a place in a list."""
    return None if time is None else time.isoformat()


@overload
def parse_exactly(text: str) -> datetime: ...
@overload
def parse_exactly(text: None) -> None: ...
@overload
def parse_exactly(text: str | None) -> datetime | None: ...
def parse_exactly(text: str | None) -> datetime | None:
    """What ``format_exactly`` wrote; raises ``ValueError`` for what is no time."""
    return None if text is None else datetime.fromisoformat(text)

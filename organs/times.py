"""Times as text; the application has the same form in ``serve_app.times``, which organs do not know."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(time: datetime) -> str:
    """RFC 3339, UTC, milliseconds, as ``2026-01-31T12:00:00.000+00:00``."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")

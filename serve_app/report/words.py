"""Numbers and times as people read them, and text of others made harmless. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from serve_app.redaction import strip_controls

LONGEST_CHARS = 600
NOTHING = "-"


def clean_line(value: Any, longest: int = LONGEST_CHARS) -> str:
    """One line of at most ``longest`` characters, without control characters."""
    text = " ".join(strip_controls(NOTHING if value is None else str(value)).split())
    return text if len(text) <= longest else f"{text[: max(1, longest - 1)]}…"


def parse_number(value: Any) -> float | None:
    """A finite number, or None: whatever else stands in an answer is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def format_count(value: Any) -> str:
    """A count."""
    known = parse_number(value)
    return NOTHING if known is None else f"{known:.0f}"


def format_duration(seconds: Any) -> str:
    """How long something took: seconds, minutes, hours or days."""
    known = parse_number(seconds)
    if known is None:
        return NOTHING
    if known < 120:
        return f"{known:.1f} s"
    if known < 7200:
        return f"{known / 60:.0f} min"
    return f"{known / 3600:.1f} h" if known < 172_800 else f"{known / 86_400:.1f} d"


def format_latency(seconds: Any) -> str:
    """How long an answer took: milliseconds below a second."""
    known = parse_number(seconds)
    return f"{known * 1000:.0f} ms" if known is not None and known < 1 else format_duration(seconds)


def format_percent(*ratios: Any) -> str:
    """Ratios of 0 to 1, the unit once; one decimal, so that 5.1 % is not taken for the 5 % of a threshold."""
    known = [parse_number(ratio) for ratio in ratios]
    texts = [NOTHING if each is None else f"{each * 100:.1f}" for each in known]
    return NOTHING if known == [None] else f"{' / '.join(texts)} %"


def format_byte_rate(bytes_per_s: Any) -> str:
    """Bytes in a second, in decimal units."""
    known = parse_number(bytes_per_s)
    if known is None:
        return NOTHING
    for unit in ("B/s", "kB/s", "MB/s"):
        if abs(known) < 1000:
            return f"{known:.0f} {unit}" if unit == "B/s" else f"{known:.1f} {unit}"
        known /= 1000
    return f"{known:.1f} GB/s"


def parse_time(text: Any) -> datetime | None:
    """An RFC 3339 time in UTC, or None when it is none."""
    try:
        time = datetime.fromisoformat(str(text))
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_clock(text: Any) -> str:
    """An RFC 3339 time as ``2026-01-31 12:00:00`` in UTC."""
    time = parse_time(text)
    return NOTHING if time is None else f"{time:%Y-%m-%d %H:%M:%S}"

"""Numbers and times as people read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from serve_app.report.words import (
    clean_line,
    format_byte_rate,
    format_clock,
    format_count,
    format_duration,
    format_latency,
    format_percent,
)

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("say", "value", "said"),
    [
        (format_duration, 0, "0.0 s"),
        (format_duration, 119.94, "119.9 s"),
        (format_duration, 120, "2 min"),
        (format_duration, 7200, "2.0 h"),
        (format_duration, 172_799, "48.0 h"),
        (format_duration, 172_800, "2.0 d"),
        (format_duration, -5, "-5.0 s"),
        (format_latency, 0.0004, "0 ms"),
        (format_latency, 0.25, "250 ms"),
        (format_latency, 1, "1.0 s"),
        (format_percent, 0.051, "5.1 %"),
        (format_percent, 1, "100.0 %"),
        (format_byte_rate, 999, "999 B/s"),
        (format_byte_rate, 1500, "1.5 kB/s"),
        (format_byte_rate, 2.5e6, "2.5 MB/s"),
        (format_byte_rate, 1e12, "1000.0 GB/s"),
        (format_count, 1234, "1234"),
        (format_clock, "2026-01-01T12:00:00.5+02:00", "2026-01-01 10:00:00"),
        (format_clock, "2026-01-01T12:00:00Z", "2026-01-01 12:00:00"),
        (format_clock, "2026-01-01T12:00:00", "-"),
        (format_clock, "0001-01-01T00:00:00+14:00", "-"),
        (format_clock, "soon", "-"),
        (format_clock, None, "-"),
        (clean_line, None, "-"),
        (clean_line, " a\n\tb \x1b[2Jc\u202e", "a b c"),
        (clean_line, 5, "5"),
        *(
            (say, value, "-")
            for say in (format_duration, format_latency, format_percent, format_byte_rate, format_count)
            for value in (None, "5", True)
        ),
        *(
            (say, value, "-")
            for say in (format_duration, format_latency, format_percent, format_byte_rate, format_count)
            for value in (NAN, INFINITE)
        ),
    ],
)
def test_words(say: Callable[[Any], str], value: Any, said: str) -> None:
    assert say(value) == said


@pytest.mark.parametrize(("longest", "said"), [(3, "ab…"), (4, "abcd"), (1, "a…")])
def test_what_is_long_is_cut(longest: int, said: str) -> None:
    assert clean_line("abcd", longest) == said
